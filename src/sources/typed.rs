//! Mapping: raw tables to a feed's canonical columns, each read as its type.
//!
//! `typed_<feed>` has, for every canonical column `c`, the value `c` and, where it is no text, `c_note`:
//! null, or why the value is missing or which of two instants was meant. Deadlines also say whether they
//! are local midnights. Then the row's place (`_table`, `_file`, `_row`), why it could not be read at all
//! (`_problem`), and any further column that the mapping names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Column as ColumnRef, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{count, count_distinct};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, JoinType, cast, lit, when};
use datafusion::prelude::{DataFrame, SessionContext};

use super::feeds::{self, Feed, Type};
use super::pin::{PinnedSource, PinnedTable};
use super::{land, text};
use crate::config::{Config, Format, Located, Mapping, nearest};
use crate::engine::{self, Engine, functions, mapped};
use crate::error::{Context, Error, Result};
use crate::exposures::batch;
use crate::progress::Progress;
use crate::store::{Object, Store};

/// Times before this are implausible: 2000-01-01, UTC microseconds.
const EARLIEST: i64 = 946_684_800_000_000;
const DAY_MICROS: i64 = 86_400_000_000;

/// What is known about a feed once it is typed.
#[derive(Debug, Default, Clone)]
pub struct Typed {
    /// Canonical and further columns that the export holds.
    pub mapped: BTreeSet<String>,
    /// Further columns: neither canonical nor about the row's place.
    pub extras: Vec<String>,
    /// Rows handed on by the mapping.
    pub rows: u64,
    pub tables: Vec<TableRead>,
}

/// What one table was read from.
#[derive(Debug, Clone)]
pub struct TableRead {
    pub name: String,
    pub objects: Vec<Object>,
    pub skipped: Vec<(String, &'static str)>,
    pub rows: u64,
    /// Mapped column by column, so that each row is handed on.
    pub is_mapped_by_column: bool,
}

/// Makes `typed_<feed>` and `unique_<feed>` for every feed; a feed without a source has no rows.
///
/// # Errors
/// `Kind::Config` for a mapping that does not fit, with its line; those of storage and engine.
pub async fn stage(
    engine: &Engine,
    config: &Config,
    pinned: &[PinnedSource],
    landing: &Store,
    progress: &dyn Progress,
) -> Result<BTreeMap<&'static str, Typed>> {
    let mut all = BTreeMap::new();
    for feed in feeds::FEEDS {
        let name = format!("typed_{}", feed.name);
        match pinned.iter().find(|source| source.source.feed == feed.name) {
            Some(source) => {
                progress.begins(feed.name);
                let (plan, mut typed) =
                    map(engine, config, feed, source, landing, progress).await.with("source", feed.name)?;
                typed.rows = engine.keep(&name, plan).await.with("source", feed.name)?;
                progress.ends(feed.name, typed.rows);
                all.insert(feed.name, typed);
            }
            None => engine.view(&name, nothing(engine, feed)?)?,
        }
        unique(engine, feed).await?;
    }
    Ok(all)
}

// ---- raw tables --------------------------------------------------------------------------------------

/// The raw tables of a source in a session of their own, and the mapping's plan on them.
async fn map(
    engine: &Engine,
    config: &Config,
    feed: &'static Feed,
    pinned: &PinnedSource,
    landing: &Store,
    progress: &dyn Progress,
) -> Result<(DataFrame, Typed)> {
    let ctx = engine.mapping_session();
    let mut typed = Typed::default();
    let is_mapped_by_column = matches!(pinned.source.mapping, Mapping::Columns(_));
    let mut newest = i64::MIN;
    let mut unreadable: Option<DataFrame> = None;
    for table in &pinned.tables {
        let raw = raw_table(&ctx, feed, table, landing, progress).await.with("table", &table.name)?;
        let rows = raw.clone().count().await.map_err(|e| engine::run_error(e, &table.name))? as u64;
        newest = table.objects.iter().map(|o| o.last_modified_micros).fold(newest, i64::max);
        typed.tables.push(TableRead {
            name: table.name.clone(),
            objects: table.objects.clone(),
            skipped: table.skipped.clone(),
            rows,
            is_mapped_by_column,
        });
        // Rows that could not be read never reach a query's joins: they go straight to the rejects.
        let problem = raw.schema().has_column_with_unqualified_name(text::PROBLEM);
        if problem && !is_mapped_by_column {
            let failed = |e| engine::error(e, &table.name);
            let bad = raw.clone().filter(named(text::PROBLEM).is_not_null()).map_err(failed)?;
            let bad = bad
                .select(vec![
                    lit(table.name.as_str()).alias("_table"),
                    named(land::FILE),
                    named(text::ROW),
                    named(text::PROBLEM),
                ])
                .map_err(failed)?;
            unreadable = Some(match unreadable {
                Some(others) => others.union(bad).map_err(failed)?,
                None => bad,
            });
            let good = raw.filter(named(text::PROBLEM).is_null()).map_err(failed)?;
            let good = good.drop_columns(&[text::PROBLEM]).map_err(failed)?;
            ctx.register_table(&table.name, good.into_view()).map_err(failed)?;
        } else {
            ctx.register_table(&table.name, raw.into_view()).map_err(|e| engine::error(e, &table.name))?;
        }
    }
    let plan = match &pinned.source.mapping {
        Mapping::Query(sql) => {
            let plan = mapped::query(&ctx, &sql.value).await.with("line", sql.line)?;
            read_columns(&ctx, config, feed, pinned, plan, None, newest, &mut typed)?
        }
        Mapping::Columns(columns) => {
            let table = &pinned.tables[0].name;
            let raw = ctx.table(table.as_str()).await.map_err(|e| engine::error(e, table))?;
            read_columns(&ctx, config, feed, pinned, raw, Some(columns), newest, &mut typed)?
        }
    };
    match unreadable {
        None => Ok((plan, typed)),
        Some(bad) => Ok((with_unreadable(plan, bad)?, typed)),
    }
}

/// One raw table: pinned objects as they are, plus `_file` and `_row` (from 1).
async fn raw_table(
    ctx: &SessionContext,
    feed: &Feed,
    table: &PinnedTable,
    landing: &Store,
    progress: &dyn Progress,
) -> Result<DataFrame> {
    let raw = format!("{}_raw", table.name);
    let address = format!("pinned://{}.{}", feed.name, table.name).replace('_', "-");
    let failed = |e| engine::error(e, &table.name);
    match table.format {
        Format::Csv => {
            let mut copies = Vec::new();
            for object in &table.objects {
                match land::land(&table.store, object, landing).await.with("file", &object.url)? {
                    Some(copy) => copies.push(copy),
                    None => {
                        progress.warns("a file has no header and no rows", &[("file", object.url.clone())])
                    }
                }
            }
            if copies.is_empty() {
                return Err(Error::config("none of the table's files has a header")
                    .with("line", table.line)
                    .hint("an export without rows still needs its header line"));
            }
            let absent = engine::register_store(ctx, &raw, &address, landing.pinned(&copies)?)
                .await
                .map_err(|e| with_exports(e, &copies, &table.objects))?;
            warn_of_absent(&absent, table.objects.len(), progress);
            ctx.table(&raw).await.map_err(failed)
        }
        Format::Parquet => {
            for object in &table.objects {
                check_footer(&table.store, object).await?;
            }
            let absent =
                engine::register_store(ctx, &raw, &address, table.store.pinned(&table.objects)?).await?;
            warn_of_absent(&absent, table.objects.len(), progress);
            let plan = ctx.table(&raw).await.map_err(failed)?;
            let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
            let call = |name: &str| -> Result<Expr> { Ok(function(ctx, name)?.call(vec![])) };
            let folder = lit(format!("{}/", table.store.url()));
            let file = function(ctx, "concat")?.call(vec![folder, call("input_file_name")?]);
            columns.push(file.alias(land::FILE));
            columns.push((call("file_row_index")? + lit(1i64)).alias(text::ROW));
            plan.select(columns).map_err(failed)
        }
    }
}

/// An error about a landed copy names the export that it was made of.
fn with_exports(error: Error, copies: &[Object], exports: &[Object]) -> Error {
    let said: Vec<String> = error.context().iter().map(|(_, value)| value.clone()).collect();
    let meant =
        copies.iter().zip(exports).filter(|(copy, _)| said.iter().any(|value| value.contains(&copy.path)));
    meant.map(|(_, export)| export.url.clone()).fold(error, |error, url| error.with("export", url))
}

/// A Parquet file ends with the length of its footer, which must fit into it.
async fn check_footer(store: &Store, object: &Object) -> Result<()> {
    let end = store.tail(object, 8).await?;
    let length = end.first_chunk::<4>().map_or(u64::MAX, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    if end.ends_with(b"PAR1") && length.saturating_add(8) <= object.bytes {
        return Ok(());
    }
    Err(Error::data("a Parquet file is damaged: its end is not that of a Parquet file")
        .with("file", &object.url)
        .hint("export the file again"))
}

fn warn_of_absent(absent: &[(String, usize)], files: usize, progress: &dyn Progress) {
    for (column, lacking) in absent {
        let files = format!("{lacking} of {files}");
        progress.warns("a column is absent from some files", &[("column", column.clone()), ("files", files)]);
    }
}

/// The rows that could not be read, under the mapped plan: all values null, the place and problem kept.
fn with_unreadable(plan: DataFrame, bad: DataFrame) -> Result<DataFrame> {
    let failed = |e| engine::error(e, "unreadable rows");
    let columns: Vec<Expr> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            name @ ("_table" | land::FILE | text::ROW | text::PROBLEM) => {
                cast(named(name), field.data_type().clone()).alias(name)
            }
            name => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(name),
        })
        .collect();
    let bad = bad.select(columns).map_err(failed)?;
    plan.union(bad).map_err(failed)
}

// ---- columns -----------------------------------------------------------------------------------------

/// Reads each canonical column from the mapped plan as its type.
#[expect(clippy::too_many_arguments, reason = "one call each way in; a struct would only rename them")]
fn read_columns(
    ctx: &SessionContext,
    config: &Config,
    feed: &'static Feed,
    pinned: &PinnedSource,
    raw: DataFrame,
    columns: Option<&BTreeMap<String, Located<String>>>,
    newest: i64,
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
    let mut outputs = Vec::new();
    for column in feed.columns {
        let source = source_of(column.name)?;
        if source.is_some() {
            typed.mapped.insert(column.name.to_string());
        } else if column.required {
            return Err(missing_column(feed, column.name, &schema, pinned));
        }
        let raw = source.unwrap_or_else(|| lit(ScalarValue::Null));
        if matches!(column.kind, Type::Time | Type::Deadline) {
            refuse_no_time(feed, column.name, &raw, &schema)?;
        }
        let raw = if column.name == "kind" { mapped_kinds(raw, &pinned.source.kinds)? } else { raw };
        outputs.extend(read_column(ctx, column, raw, pinned.source.timezone.name(), latest)?);
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
    outputs.push(place(text::PROBLEM, DataType::Utf8));
    raw.select(outputs).map_err(|e| engine::error(e, "the mapping"))
}

/// A time is text, a date or a timestamp; a bare number could be seconds or milliseconds.
fn refuse_no_time(feed: &Feed, name: &str, raw: &Expr, schema: &datafusion::common::DFSchema) -> Result<()> {
    let kind = raw.to_field_type(schema)?;
    let value = match &kind {
        DataType::Dictionary(_, value) => value.as_ref(),
        kind => kind,
    };
    match value {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Ok(()),
        DataType::Date32 | DataType::Timestamp(..) => Ok(()),
        _ => Err(Error::config(format!("`{name}` of {} is mapped to a {kind}, which is no time", feed.name))
            .hint(format!("say its unit in the mapping: `{name} = \"to_timestamp_seconds(column)\"`"))),
    }
}

/// A canonical column as its type: the value, and for what is no text a note.
fn read_column(
    ctx: &SessionContext,
    column: &feeds::Column,
    raw: Expr,
    zone: &str,
    latest: i64,
) -> Result<Vec<Expr>> {
    let call = |name: &str, args: Vec<Expr>| -> Result<Expr> { Ok(function(ctx, name)?.call(args)) };
    let name = column.name;
    let note = |value: Expr| -> Result<Expr> {
        let said = call("clean_text", vec![raw.clone()])?.is_not_null();
        when(value.is_null().and(said), lit("unreadable"))
            .end()
            .map(|note| note.alias(format!("{name}_note")))
            .map_err(|e| engine::error(e, name))
    };
    Ok(match column.kind {
        Type::Text => vec![call("clean_text", vec![raw])?.alias(name)],
        Type::Number => {
            let value = call("read_number", vec![raw.clone()])?;
            vec![value.clone().alias(name), note(value)?]
        }
        Type::Flag => {
            let value = call("read_bool", vec![raw.clone()])?;
            vec![value.clone().alias(name), note(value)?]
        }
        Type::Time | Type::Deadline => {
            let latest =
                if column.kind == Type::Deadline { latest.saturating_add(731 * DAY_MICROS) } else { latest };
            let read = call("read_time", vec![raw.clone(), lit(zone), instant(EARLIEST), instant(latest)])?;
            let part = |part: &str| -> Result<Expr> { call("get_field", vec![read.clone(), lit(part)]) };
            let mut parts = vec![part("at")?.alias(name), part("note")?.alias(format!("{name}_note"))];
            if column.kind == Type::Deadline {
                parts.push(part("is_midnight")?.alias(format!("{name}_is_midnight")));
            }
            parts
        }
    })
}

/// The export's words for an interaction's kind, as ours; a word without a mapping stays.
fn mapped_kinds(raw: Expr, kinds: &BTreeMap<String, String>) -> Result<Expr> {
    let mut words = kinds.iter();
    let Some((theirs, ours)) = words.next() else { return Ok(raw) };
    let mut mapping = when(raw.clone().eq(lit(theirs.as_str())), lit(ours.as_str()));
    for (theirs, ours) in words {
        mapping = mapping.when(raw.clone().eq(lit(theirs.as_str())), lit(ours.as_str()));
    }
    mapping.otherwise(raw).map_err(|e| engine::error(e, "kinds"))
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
                .segments
                .iter()
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
    of_a_column("_note") || of_a_column("_is_midnight")
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
    error
        .with("line", said.line)
        .with("mapping", &said.value)
        .with("columns there", raw_names(schema).join(", "))
        .hint("the right-hand side is an exact column name of the export, else an SQL expression")
}

/// The raw column names, for a person; none where the first line looks like data rather than a header.
fn raw_names(schema: &datafusion::common::DFSchema) -> Vec<String> {
    let looks_like_data =
        |name: &String| name.parse::<f64>().is_ok() || engine::time::parse(name).is_some() || name.len() > 64;
    let names: Vec<String> = all_names(schema);
    if names.iter().any(looks_like_data) {
        return vec!["(not shown: the first line looks like data, not like a header)".into()];
    }
    names
}

fn all_names(schema: &datafusion::common::DFSchema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).filter(|name| !name.starts_with('_')).collect()
}

// ---- values that could not be read ---------------------------------------------------------------------

/// `value_notes`: how many values of each column carry which note.
pub async fn value_notes(engine: &Engine) -> Result<()> {
    let (mut sources, mut columns, mut notes, mut rows) = (vec![], vec![], vec![], vec![]);
    for feed in feeds::FEEDS {
        let mut counts = Vec::new();
        let mut counted = Vec::new();
        for column in feed.columns.iter().filter(|column| column.kind != Type::Text) {
            for note in
                [functions::UNREADABLE, functions::IMPLAUSIBLE, functions::AMBIGUOUS, functions::SHIFTED]
            {
                let carries = named(&format!("{}_note", column.name)).eq(lit(note));
                let one = when(carries, lit(1i64)).end().map_err(|e| engine::error(e, feed.name))?;
                counts.push(count(one).alias(format!("{}_{note}", column.name)));
                counted.push((column.name, note));
            }
        }
        let name = format!("typed_{}", feed.name);
        let plan =
            engine.table(&name).await?.aggregate(vec![], counts).map_err(|e| engine::error(e, &name))?;
        for batch in engine.collect(plan, &name).await? {
            for (place, (column, note)) in counted.iter().enumerate() {
                let found = batch.column(place).as_primitive::<Int64Type>().value(0);
                if found > 0 {
                    sources.push(feed.name);
                    columns.push(*column);
                    notes.push(*note);
                    rows.push(found);
                }
            }
        }
    }
    engine.register_rows(
        "value_notes",
        batch(vec![
            ("source", Arc::new(StringArray::from(sources))),
            ("column_name", Arc::new(StringArray::from(columns))),
            ("note", Arc::new(StringArray::from(notes))),
            ("rows", Arc::new(Int64Array::from(rows))),
        ])?,
    )
}

// ---- one row per key -----------------------------------------------------------------------------------

/// `unique_<feed>`: of identical rows of one key the first by file and row; conflicting ones all, marked.
async fn unique(engine: &Engine, feed: &'static Feed) -> Result<()> {
    let failed = |e| engine::error(e, feed.name);
    let typed = engine.table(&format!("typed_{}", feed.name)).await?;
    let keys: Vec<Expr> = feed.key.iter().map(|key| named(key)).collect();
    let has_key = keys.iter().map(|key| key.clone().is_not_null()).reduce(Expr::and).unwrap_or(lit(true));
    let content = content(&typed, engine)?;
    // One row per repeated key: how many different contents it has.
    let repeated = typed
        .clone()
        .filter(has_key)
        .and_then(|rows| rows.aggregate(keys.clone(), vec![count(lit(1i64)).alias("copies")]))
        .and_then(|rows| rows.filter(named("copies").gt(lit(1i64))))
        .map_err(failed)?;
    let names = format!("repeated_{}", feed.name);
    let alone = lit(false).alias("is_conflicting");
    if engine.keep(&names, repeated).await? == 0 {
        let plan = typed.with_column("is_conflicting", lit(false)).map_err(failed)?;
        return engine.view(&format!("unique_{}", feed.name), plan);
    }
    let repeated = engine.table(&names).await?.alias("repeated").map_err(failed)?;
    let matches =
        |side: DataFrame, kind: JoinType| side.join(repeated.clone(), kind, feed.key, feed.key, None);
    let columns: Vec<Expr> = typed.schema().columns().into_iter().map(|c| named(&c.name)).collect();
    let mut singles = columns.clone();
    singles.push(alone);
    let single =
        matches(typed.clone(), JoinType::LeftAnti).and_then(|rows| rows.select(singles)).map_err(failed)?;
    let copies = matches(typed, JoinType::LeftSemi).map_err(failed)?;
    let contents = copies
        .clone()
        .aggregate(keys.clone(), vec![count_distinct(content).alias("contents")])
        .and_then(|rows| rows.alias("contents_of"))
        .map_err(failed)?;
    let nth = row_number()
        .partition_by(keys)
        .order_by(vec![named(land::FILE).sort(true, false), named(text::ROW).sort(true, false)])
        .build()
        .map_err(failed)?
        .alias("nth");
    let mut numbered = columns.clone();
    numbered.push(nth);
    let is_conflicting = ColumnRef::new(Some("contents_of"), "contents");
    let is_conflicting = Expr::Column(is_conflicting).gt(lit(1i64));
    let mut judged: Vec<Expr> = typed_columns(&columns, "rows");
    judged.push(is_conflicting.clone().alias("is_conflicting"));
    let kept = copies
        .select(numbered)
        .and_then(|rows| rows.alias("rows"))
        .and_then(|rows| rows.join(contents, JoinType::Inner, feed.key, feed.key, None))
        .and_then(|rows| {
            let nth = Expr::Column(ColumnRef::new(Some("rows"), "nth"));
            rows.filter(is_conflicting.or(nth.eq(lit(1u64))))
        })
        .and_then(|rows| rows.select(judged))
        .map_err(failed)?;
    engine.view(&format!("unique_{}", feed.name), single.union(kept).map_err(failed)?)
}

fn typed_columns(columns: &[Expr], table: &str) -> Vec<Expr> {
    columns
        .iter()
        .filter_map(|column| match column {
            Expr::Column(c) => Some(Expr::Column(ColumnRef::new(Some(table), &c.name)).alias(&c.name)),
            _ => None,
        })
        .collect()
}

/// A row's content as one text: every column but its place.
fn content(typed: &DataFrame, engine: &Engine) -> Result<Expr> {
    let place = ["_table", land::FILE, text::ROW];
    let parts: Vec<Expr> = typed
        .schema()
        .fields()
        .iter()
        .filter(|field| !place.contains(&field.name().as_str()))
        .map(|field| {
            let text = cast(named(field.name()), DataType::Utf8);
            // Null and the empty text differ, and no value can look like the seam between two.
            when(text.clone().is_null(), lit("\u{1}")).otherwise(text)
        })
        .collect::<datafusion::error::Result<_>>()
        .map_err(|e| engine::error(e, "a row's content"))?;
    let mut args = vec![lit("\u{1f}")];
    args.extend(parts);
    Ok(function(engine.context(), "concat_ws")?.call(args))
}

/// A feed without a source: its columns, no rows.
fn nothing(engine: &Engine, feed: &'static Feed) -> Result<DataFrame> {
    let ctx = engine.context();
    let mut outputs = Vec::new();
    for column in feed.columns {
        outputs.extend(read_column(ctx, column, lit(ScalarValue::Utf8(None)), "UTC", EARLIEST)?);
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

// ---- small things --------------------------------------------------------------------------------------

/// A column by its exact name.
fn named(name: &str) -> Expr {
    Expr::Column(ColumnRef::new_unqualified(name))
}

fn instant(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
}

fn function(ctx: &SessionContext, name: &str) -> Result<Arc<datafusion::logical_expr::ScalarUDF>> {
    ctx.state()
        .scalar_functions()
        .get(name)
        .cloned()
        .ok_or_else(|| Error::internal("a function is not registered").with("function", name))
}

/// The type of an expression over a schema.
trait FieldType {
    fn to_field_type(&self, schema: &datafusion::common::DFSchema) -> Result<DataType>;
}

impl FieldType for Expr {
    fn to_field_type(&self, schema: &datafusion::common::DFSchema) -> Result<DataType> {
        use datafusion::logical_expr::ExprSchemable;
        self.get_type(schema).map_err(|e| engine::error(e, "a column"))
    }
}
