//! Columns: what a mapping hands on, each canonical column read as its type.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use chrono_tz::Tz;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, lit, when};
use datafusion::prelude::{DataFrame, SessionContext};

use super::expr::{FieldType, function, instant, named};
use super::feeds::{self, Feed, Type, Words};
use super::pin::PinnedSource;
use super::typed::Typed;
use super::{land, text};
use crate::config::{Config, Located, nearest};
use crate::contract::looks_like_data;
use crate::engine::formats::TimeFormats;
use crate::engine::{self, Engine, mapped};
use crate::error::{Error, Result};

/// Times before this are implausible: 2000-01-01, UTC microseconds.
const EARLIEST: i64 = 946_684_800_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// No answer stands for more others than this; beyond it sums lose their digits.
const MOST_WEIGHT: f64 = 1e6;
/// Of the column that keeps the export's own words where others than the known ones are unreadable.
pub const SAID: &str = "_said";

/// Reads each canonical column from the mapped plan as its type.
#[expect(clippy::too_many_arguments, reason = "one call each way in; a struct would only rename them")]
pub(super) fn read_columns(
    ctx: &SessionContext,
    config: &Config,
    feed: &'static Feed,
    pinned: &PinnedSource,
    raw: DataFrame,
    columns: Option<&BTreeMap<String, Located<String>>>,
    also: &[&str],
    newest: i64,
    zone: Tz,
    typed: &mut Typed,
) -> Result<DataFrame> {
    let schema = raw.schema().clone();
    let has = |name: &str| schema.has_column_with_unqualified_name(name);
    // What the mapping says for a column: a raw column of exactly that name, else an expression.
    let source_of = |name: &str| -> Result<Option<Expr>> {
        match columns.and_then(|columns| columns.get(name)) {
            Some(said) if has(&said.value) => Ok(Some(named(&said.value))),
            Some(said) => {
                mapped::expression(ctx, &said.value, &schema).map(Some).map_err(|e| at_line(e, said, &schema))
            }
            None => Ok(has(name).then(|| named(name))),
        }
    };
    let latest = match config.plausible_until {
        Some(day) => engine::time::Clock::new(config.timezone)
            .start_of_day(i64::from(day.to_epoch_days()) + 1)
            .ok_or_else(|| Error::config("`plausible_until` is no day of this calendar"))?,
        None => newest.saturating_add(DAY_MICROS),
    };
    let said = &pinned.source;
    let written = Written {
        words: Some(&said.words),
        zone: zone.name(),
        formats: said.timestamp_formats.join("\n"),
        takes_numbers: TimeFormats::new(said.timestamp_formats.iter().map(String::as_str))
            .is_ok_and(|formats| formats.takes_numbers()),
        decimal: said.decimal,
        latest,
    };
    let mut outputs = Vec::new();
    let mut not_text = lit(false);
    for column in feed.columns {
        let source = source_of(column.name)?;
        if source.is_some() {
            typed.mapped.insert(column.name.to_string());
        } else if column.required {
            return Err(missing_column(feed, column.name, &schema, pinned));
        }
        let raw = source.unwrap_or_else(|| lit(ScalarValue::Null));
        if matches!(column.kind, Type::Time | Type::Deadline) {
            refuse_no_time(feed, column.name, &raw, &schema, &written)?;
        }
        let kind = raw.to_field_type(&schema)?;
        if column.kind == Type::Text && kind.is_binary() {
            not_text = not_text.or(function(ctx, "not_utf8")?.call(vec![raw.clone()]));
        }
        outputs.extend(read_column(ctx, column, raw, is_text(&kind), &written)?);
    }
    if !feed.one_of.is_empty() && !feed.one_of.iter().any(|name| typed.mapped.contains(*name)) {
        return Err(missing_column(feed, &feed.one_of.join("` or `"), &schema, pinned));
    }
    let extras = extra_columns(feed, columns, config, &schema)?;
    for name in extras {
        let Some(source) = source_of(&name)? else { continue };
        let kind = source.to_field_type(&schema)?;
        outputs.push(match kind {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                function(ctx, "clean_text")?.call(vec![source]).alias(&name)
            }
            _ => source.alias(&name),
        });
        typed.mapped.insert(name.clone());
        typed.extras.push(name);
    }
    let place = |name: &str, kind: DataType| {
        let value = if has(name) { named(name) } else { lit(ScalarValue::Null) };
        cast(value, kind).alias(name)
    };
    let table = match pinned.tables.as_slice() {
        [only] => lit(only.name.as_str()),
        _ => lit(ScalarValue::Utf8(None)),
    };
    outputs.push(cast(table, DataType::Utf8).alias("_table"));
    outputs.push(place(land::FILE, DataType::Utf8));
    outputs.push(place(text::ROW, DataType::Int64));
    // Bytes that are no text cost their row, as they do in a text file.
    let problem = if has(text::PROBLEM) { named(text::PROBLEM) } else { lit(ScalarValue::Utf8(None)) };
    let problem = when(not_text, lit(text::NOT_UTF8))
        .otherwise(problem)
        .map_err(|e| engine::error(e, "the mapping"))?;
    outputs.push(cast(problem, DataType::Utf8).alias(text::PROBLEM));
    outputs.extend(also.iter().map(|name| named(name)));
    raw.select(outputs).map_err(|e| engine::error(e, "the mapping"))
}

/// How a source's values are written, and what is believed of its times.
struct Written<'a> {
    /// By column: the export's words and ours.
    words: Option<&'a BTreeMap<String, BTreeMap<String, String>>>,
    zone: &'a str,
    /// One a line.
    formats: String,
    /// Whether a number is a time.
    takes_numbers: bool,
    decimal: char,
    /// UTC microseconds.
    latest: i64,
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_text(value),
        kind => kind.is_string() || kind.is_binary() || kind.is_null(),
    }
}

/// A time is text, a date or a timestamp; a bare number could be seconds or milliseconds.
fn refuse_no_time(
    feed: &Feed,
    name: &str,
    raw: &Expr,
    schema: &datafusion::common::DFSchema,
    written: &Written,
) -> Result<()> {
    let kind = raw.to_field_type(schema)?;
    let value = match &kind {
        DataType::Dictionary(_, value) => value.as_ref(),
        kind => kind,
    };
    match value {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Ok(()),
        DataType::Date32 | DataType::Timestamp(..) => Ok(()),
        number if number.is_numeric() && written.takes_numbers => Ok(()),
        _ => Err(Error::config(format!("`{name}` of {} is mapped to a {kind}, which is no time", feed.name))
            .hint("a number needs its unit: `timestamp_formats = [\"epoch_seconds\"]` or \"epoch_milliseconds\"")),
    }
}

/// A canonical column as its type: the value, and for what is no text a note.
fn read_column(
    ctx: &SessionContext,
    column: &feeds::Column,
    raw: Expr,
    is_text: bool,
    written: &Written,
) -> Result<Vec<Expr>> {
    let call = |name: &str, args: Vec<Expr>| -> Result<Expr> { Ok(function(ctx, name)?.call(args)) };
    let name = column.name;
    let note = |value: Expr| -> Result<Expr> {
        // Blank text says nothing; any number does, one that is none (NaN) included.
        let said = if is_text { call("clean_text", vec![raw.clone()])? } else { raw.clone() }.is_not_null();
        when(value.is_null().and(said), lit("unreadable"))
            .end()
            .map(|note| note.alias(format!("{name}_note")))
            .map_err(|e| engine::error(e, name))
    };
    Ok(match column.kind {
        Type::Text => vec![call("clean_text", vec![raw])?.alias(name)],
        Type::Word(words) => {
            let said = call("clean_text", vec![raw.clone()])?;
            let lower = call("lower", vec![said.clone()])?;
            let value = word(&lower, &said, words, written.words.and_then(|words| words.get(name)))
                .map_err(|e| engine::error(e, name))?;
            match words.are_all {
                false => vec![value.alias(name)],
                true => {
                    vec![value.clone().alias(name), note(value)?, said.alias(format!("{name}{SAID}"))]
                }
            }
        }
        Type::Number | Type::Weight => {
            let mut value = call("read_number", vec![raw.clone(), lit(written.decimal.to_string())])?;
            if column.kind == Type::Weight {
                let usable = value.clone().between(lit(0.0), lit(MOST_WEIGHT));
                value = when(usable, value).end().map_err(|e| engine::error(e, name))?;
            }
            vec![value.clone().alias(name), note(value)?]
        }
        Type::Flag => {
            let value = call("read_bool", vec![raw.clone()])?;
            vec![value.clone().alias(name), note(value)?]
        }
        Type::Time | Type::Deadline => {
            let later = if column.kind == Type::Deadline { 731 * DAY_MICROS } else { 0 };
            let latest = written.latest.saturating_add(later);
            let mut args = vec![raw.clone(), lit(written.zone), instant(EARLIEST), instant(latest)];
            if !written.formats.is_empty() {
                args.push(lit(written.formats.as_str()));
            }
            let read = call("read_time", args)?;
            let part = |part: &str| -> Result<Expr> { call("get_field", vec![read.clone(), lit(part)]) };
            let mut parts = vec![part("at")?.alias(name), part("note")?.alias(format!("{name}_note"))];
            if column.kind == Type::Deadline {
                parts.push(part("is_midnight")?.alias(format!("{name}_is_midnight")));
            }
            parts
        }
    })
}

/// The export's word as ours: by the configuration, else the same word in any case. Another one stays, or
/// is null where there are no others.
fn word(
    lower: &Expr,
    said: &Expr,
    words: &Words,
    configured: Option<&BTreeMap<String, String>>,
) -> datafusion::common::Result<Expr> {
    let known = words.known.iter().map(|known| lit(*known)).collect();
    let other = if words.are_all { lit(ScalarValue::Utf8(None)) } else { said.clone() };
    let by_case = when(lower.clone().in_list(known, false), lower.clone()).otherwise(other)?;
    let mut configured = configured.into_iter().flatten();
    let Some((theirs, ours)) = configured.next() else { return Ok(by_case) };
    let is = |theirs: &str| lower.clone().eq(lit(theirs.trim().to_lowercase()));
    let mut mapping = when(is(theirs), lit(ours.as_str()));
    for (theirs, ours) in configured {
        mapping = mapping.when(is(theirs), lit(ours.as_str()));
    }
    mapping.otherwise(by_case)
}

/// Further columns: those that the mapping names, and raw ones that a segment asks for.
fn extra_columns(
    feed: &'static Feed,
    columns: Option<&BTreeMap<String, Located<String>>>,
    config: &Config,
    schema: &datafusion::common::DFSchema,
) -> Result<Vec<String>> {
    let is_extra =
        |name: &str| feed.column(name).is_none() && !name.starts_with('_') && !is_made_here(feed, name);
    let mut extras: BTreeSet<String> = BTreeSet::new();
    match columns {
        Some(columns) => {
            let known: Vec<&str> = feed.columns.iter().map(|column| column.name).collect();
            for (name, said) in columns.iter().filter(|(name, _)| is_extra(name)) {
                if let Some(meant) = nearest(name, &known)
                    && !columns.contains_key(meant)
                {
                    return Err(Error::config(format!("`{name}` is no column of {}", feed.name))
                        .with("line", said.line)
                        .hint(format!(
                            "did you mean `{meant}`? a column of your own needs a name less like it"
                        )));
                }
                extras.insert(name.clone());
            }
            let asked = config
                .dimensions()
                .into_iter()
                .chain(&config.identity.matched)
                .filter(|name| is_extra(name) && schema.has_column_with_unqualified_name(name));
            extras.extend(asked.cloned());
        }
        None => {
            extras.extend(
                schema.fields().iter().map(|field| field.name().clone()).filter(|name| is_extra(name)),
            );
        }
    }
    Ok(extras.into_iter().collect())
}

/// Names that `typed_<feed>` and staging give to columns of their own.
fn is_made_here(feed: &Feed, name: &str) -> bool {
    let of_a_column =
        |suffix: &str| name.strip_suffix(suffix).is_some_and(|column| feed.column(column).is_some());
    of_a_column("_note") || of_a_column("_is_midnight") || of_a_column(SAID)
}

fn missing_column(
    feed: &Feed,
    name: &str,
    schema: &datafusion::common::DFSchema,
    pinned: &PinnedSource,
) -> Error {
    let there: Vec<String> = raw_names(schema);
    let line = pinned.tables.first().map_or(0, |table| table.line);
    let names: Vec<&str> = there.iter().map(String::as_str).collect();
    let like =
        nearest(name, &names).map(|like| format!(", such as `{name} = \"{like}\"`")).unwrap_or_default();
    Error::config(format!("nothing is mapped to the column `{name}` that {} need", feed.name))
        .with("line", line)
        .with("columns there", there.join(", "))
        .hint(format!("name its column under [sources.{}.columns]{like}", feed.name))
}

fn at_line(error: Error, said: &Located<String>, schema: &datafusion::common::DFSchema) -> Error {
    let names = raw_names(schema);
    let lower = said.value.to_lowercase();
    let hint = match names.iter().find(|name| name.to_lowercase() == lower) {
        Some(name) => format!("did you mean `{name}`? names are told apart by case"),
        None => "the right-hand side is an exact column name of the export, else an SQL expression".into(),
    };
    error
        .with("line", said.line)
        .with("mapping", &said.value)
        .with("columns there", names.join(", "))
        .hint(hint)
}

/// The raw column names, for a person; none where the first line looks like data rather than a header.
pub(super) fn raw_names(schema: &datafusion::common::DFSchema) -> Vec<String> {
    let names: Vec<String> = all_names(schema);
    if names.iter().any(|name| looks_like_data(name)) {
        return vec!["(not shown: the first line looks like data, not like a header)".into()];
    }
    names
}

fn all_names(schema: &datafusion::common::DFSchema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).filter(|name| !name.starts_with('_')).collect()
}

/// A feed without a source: its columns, no rows.
pub(super) fn nothing(engine: &Engine, feed: &'static Feed) -> Result<DataFrame> {
    let ctx = engine.context();
    let written = Written {
        words: None,
        zone: "UTC",
        formats: String::new(),
        takes_numbers: false,
        decimal: '.',
        latest: EARLIEST,
    };
    let mut outputs = Vec::new();
    for column in feed.columns {
        outputs.extend(read_column(ctx, column, lit(ScalarValue::Utf8(None)), true, &written)?);
    }
    outputs.push(lit(ScalarValue::Utf8(None)).alias("_table"));
    outputs.push(lit(ScalarValue::Utf8(None)).alias(land::FILE));
    outputs.push(lit(ScalarValue::Int64(None)).alias(text::ROW));
    outputs.push(lit(ScalarValue::Utf8(None)).alias(text::PROBLEM));
    ctx.read_empty()
        .and_then(|rows| rows.select(outputs))
        .and_then(|rows| rows.filter(lit(false)))
        .map_err(|e| engine::error(e, feed.name))
}
