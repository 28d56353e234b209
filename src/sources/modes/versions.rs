//! Upserts: of each key the newest version up to the as-of.
//!
//! One aggregation finds the newest version of every key that has several; only rows of such keys are
//! joined with it. What the version column holds is decided for the whole table: numbers, if all of its
//! values are (and no declared format reads numbers as times); else times, if any is one (the others are rejected); else text, in the order of its bytes.
//! Only times can be compared with the as-of. A row without a version is older than all others.

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::{bool_or, count, max, min};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, ExprFunctionExt, JoinType, Operator, lit, try_cast, when};
use datafusion::prelude::{DataFrame, SessionContext};

use super::super::expr::{FieldType, function, instant, named};
use super::super::pin::PinnedTable;
use super::super::unique::content;
use super::super::{land, text};
use super::{AFTER_AS_OF, Conditions, DELETED, FATE, Fated, HELD_BY, HELD_FROM, SUPERSEDED};
use crate::config::{Located, nearest};
use crate::engine::formats::TimeFormats;
use crate::engine::{self, Engine};
use crate::error::{Error, Result};

const VERSION: &str = "_version";
const IS_LATER: &str = "_is_later";
const IS_DELETED: &str = "_is_deleted";

/// Every row with its fate, and with when its version was written, where versions are times.
pub(super) async fn newest(
    engine: &Engine,
    ctx: &SessionContext,
    table: &PinnedTable,
    scratch: &str,
    as_of: i64,
    raw: DataFrame,
    conditions: &Conditions,
) -> Result<Fated> {
    let failed = |e| engine::error(e, &table.name);
    let version = Version::of(engine, ctx, table, &raw).await?;
    let content = content(&raw, engine)?;
    let rows = with_versions(ctx, table, as_of, &raw, &version, conditions)?;
    let keys: Vec<String> = (0..table.delivery.key.len()).map(key_name).collect();
    let has_key = keys.iter().map(|key| named(key).is_not_null()).fold(lit(true), Expr::and);
    let has_key = has_key.and(named(text::PROBLEM).is_null());
    let keyed = rows.clone().filter(has_key).map_err(failed)?;

    // One row per key with several versions: which of them stands.
    let is_later = named(IS_LATER);
    let of = |is: Expr, value: Expr| when(is, value).end().map_err(failed);
    let known = count(of(!is_later.clone(), lit(1i64))?);
    let repeated = keyed
        .clone()
        .aggregate(
            keys.iter().map(|key| named(key)).collect(),
            vec![
                known.alias("known"),
                max(of(!is_later.clone(), named(VERSION))?).alias("newest"),
                min(of(is_later, named(VERSION))?).alias("first_later"),
                count(lit(1i64)).alias("copies"),
            ],
        )
        .and_then(|keys| keys.filter(named("copies").gt(lit(1i64))))
        .map_err(failed)?;
    let mut outputs: Vec<Expr> = keys.iter().map(|key| named(key).alias(at_key(key))).collect();
    let is_known = named("known").gt(lit(0i64));
    outputs.push(is_known.clone().alias("_is_known"));
    let stands = when(is_known, named("newest")).otherwise(named("first_later")).map_err(failed)?;
    outputs.push(stands.alias("_stands"));
    let repeated = repeated.select(outputs).map_err(failed)?;
    let has_held = version.kind == Kind::Time;
    let compared_as = Some(version.kind.as_str());
    let alone = conditions.fate(named(text::PROBLEM).is_not_null())?;
    let repeated_name = format!("{scratch}_repeated");
    if engine.keep(&repeated_name, repeated).await? == 0 {
        let rows = rows.with_column(FATE, alone).map_err(failed)?;
        return Ok(Fated { rows, has_held, compared_as });
    }

    // One row per such key: whether what stands is deleted, and how many rows say that they do.
    let at_keys: Vec<String> = keys.iter().map(|key| at_key(key)).collect();
    let (left, right): (Vec<&str>, Vec<&str>) =
        (at_keys.iter().map(String::as_str).collect(), keys.iter().map(String::as_str).collect());
    let repeated = engine.table(&repeated_name).await?;
    let is_standing =
        not_distinct(named(VERSION), named("_stands")).and(named(IS_LATER).not_eq(named("_is_known")));
    let standing = repeated
        .join(keyed, JoinType::Inner, &left, &right, None)
        .and_then(|rows| rows.filter(is_standing.clone()))
        .map_err(failed)?;
    let mut of_key: Vec<Expr> = at_keys.iter().map(|key| named(key)).collect();
    of_key.extend([named("_is_known"), named("_stands")]);
    let judged = standing
        .clone()
        .aggregate(
            of_key,
            vec![count(lit(1i64)).alias("_ties"), bool_or(named(IS_DELETED)).alias("_is_key_deleted")],
        )
        .map_err(failed)?;
    let judged_name = format!("{scratch}_judged");
    engine.keep(&judged_name, judged).await?;
    let judged = engine.table(&judged_name).await?;

    let is_copy = copies(engine, scratch, &judged, standing, content, &at_keys).await?;
    let joined = judged.join(rows, JoinType::Right, &left, &right, None).map_err(failed)?;
    let (joined, is_copy) = match is_copy {
        None => (joined, lit(false)),
        Some(copies) => (
            copies
                .join(joined, JoinType::Right, &["_copy_file", "_copy_row"], &[land::FILE, text::ROW], None)
                .map_err(failed)?,
            named("_copy_row").is_not_null(),
        ),
    };
    let is_alone = named("_ties").is_null().or(named(text::PROBLEM).is_not_null());
    let is_stale = !is_standing;
    let fate = when(is_alone, alone.clone())
        .when(named(IS_LATER).and(named("_is_known").or(is_stale.clone())), lit(AFTER_AS_OF))
        .when(named("_is_key_deleted"), lit(DELETED))
        .when(is_stale.or(is_copy), lit(SUPERSEDED))
        .otherwise(alone)
        .map_err(failed)?;
    let rows = joined.with_column(FATE, fate).map_err(failed)?;
    Ok(Fated { rows, has_held, compared_as })
}

/// Of identical rows of one key and newest version all but the first, by file and row; none where there
/// are no ties.
async fn copies(
    engine: &Engine,
    scratch: &str,
    judged: &DataFrame,
    standing: DataFrame,
    content: Expr,
    keys: &[String],
) -> Result<Option<DataFrame>> {
    let failed = |e| engine::error(e, "ties of versions");
    let tied: Vec<String> = keys.iter().map(|key| format!("{key}_tied")).collect();
    let mut names: Vec<Expr> = keys.iter().zip(&tied).map(|(key, name)| named(key).alias(name)).collect();
    names.push(named("_ties").alias("_tied"));
    let ties = judged
        .clone()
        .filter(named("_ties").gt(lit(1i64)))
        .and_then(|keys| keys.select(names))
        .map_err(failed)?;
    let tied: Vec<&str> = tied.iter().map(String::as_str).collect();
    let by: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut partition: Vec<Expr> = keys.iter().map(|key| named(key)).collect();
    partition.push(named("_content"));
    let nth = row_number()
        .partition_by(partition)
        .order_by(vec![named(land::FILE).sort(true, false), named(text::ROW).sort(true, false)])
        .build()
        .map_err(failed)?
        .alias("nth");
    let copies = ties
        .join(standing, JoinType::Inner, &tied, &by, None)
        .and_then(|rows| rows.with_column("_content", content))
        .and_then(|rows| {
            let mut outputs =
                vec![named(land::FILE).alias("_copy_file"), named(text::ROW).alias("_copy_row")];
            outputs.push(nth);
            rows.select(outputs)
        })
        .and_then(|rows| rows.filter(named("nth").gt(lit(1u64))))
        .and_then(|rows| rows.drop_columns(&["nth"]))
        .map_err(failed)?;
    let name = format!("{scratch}_copies");
    match engine.keep(&name, copies).await? {
        0 => Ok(None),
        _ => engine.table(&name).await.map(Some),
    }
}

/// The raw rows with key, version, whether it is later than the as-of, and whether it says deleted.
fn with_versions(
    ctx: &SessionContext,
    table: &PinnedTable,
    as_of: i64,
    raw: &DataFrame,
    version: &Version,
    conditions: &Conditions,
) -> Result<DataFrame> {
    let failed = |e| engine::error(e, &table.name);
    let is_there = |name: &str| raw.schema().has_column_with_unqualified_name(name);
    let unreadable = when(version.unreadable.clone(), lit("unreadable version")).end().map_err(failed)?;
    let problem = match is_there(text::PROBLEM) {
        true => function(ctx, "coalesce")?.call(vec![named(text::PROBLEM), unreadable]),
        false => unreadable,
    };
    let columns = raw.schema().columns().into_iter().filter(|column| column.name != text::PROBLEM);
    let mut columns: Vec<Expr> = columns.map(Expr::Column).collect();
    columns.push(problem.alias(text::PROBLEM));
    for (place, key) in table.delivery.key.iter().enumerate() {
        let key = column(raw, key, "key")?;
        columns.push(function(ctx, "clean_text")?.call(vec![key]).alias(key_name(place)));
    }
    let at = version.value.clone();
    let is_later = match version.kind {
        Kind::Time => at.clone().gt(instant(as_of)).is_true(),
        _ => lit(false),
    };
    columns.push(at.clone().alias(VERSION));
    columns.push(is_later.alias(IS_LATER));
    columns.push(conditions.deleted.clone().alias(IS_DELETED));
    if version.kind == Kind::Time {
        columns.push(at.clone().alias(HELD_FROM));
        columns.push(at.alias(HELD_BY));
    }
    raw.clone().select(columns).map_err(failed)
}

// ---- what a version is -----------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Time,
    Number,
    Text,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Time => "time",
            Kind::Number => "number",
            Kind::Text => "text",
        }
    }
}

struct Version {
    kind: Kind,
    value: Expr,
    unreadable: Expr,
}

impl Version {
    /// What the version column holds, decided for all of its values together.
    async fn of(
        engine: &Engine,
        ctx: &SessionContext,
        table: &PinnedTable,
        raw: &DataFrame,
    ) -> Result<Version> {
        let failed = |e| engine::error(e, &table.name);
        let Some(said) = &table.delivery.version else {
            return Err(Error::internal("an upsert has no version"));
        };
        let raw_value = column(raw, said, "version")?;
        let kind = raw_value.to_field_type(raw.schema())?;
        let unbounded = || lit(ScalarValue::TimestampMicrosecond(None, Some("UTC".into())));
        let formats = &table.reading.timestamp_formats;
        let read = |value: Expr| -> Result<Expr> {
            let mut args = vec![value, lit(table.timezone.name()), unbounded(), unbounded()];
            if !formats.is_empty() {
                args.push(lit(formats.join("\n")));
            }
            let read = function(ctx, "read_time")?.call(args);
            Ok(function(ctx, "get_field")?.call(vec![read, lit("at")]))
        };
        // Seconds since 1970 are numbers that are times, where the configuration says so.
        let are_numbers_times =
            TimeFormats::new(formats.iter().map(String::as_str)).is_ok_and(|formats| formats.takes_numbers());
        if kind.is_numeric() && are_numbers_times {
            let time = read(raw_value.clone())?;
            let unreadable = raw_value.is_not_null().and(time.clone().is_null());
            return Ok(Version { kind: Kind::Time, value: time, unreadable });
        }
        if kind.is_numeric() {
            return Ok(Version { kind: Kind::Number, value: raw_value, unreadable: lit(false) });
        }
        if matches!(kind, DataType::Date32 | DataType::Timestamp(..)) {
            return Ok(Version { kind: Kind::Time, value: read(raw_value)?, unreadable: lit(false) });
        }
        let said = function(ctx, "clean_text")?.call(vec![raw_value]);
        let number = try_cast(said.clone(), DataType::Decimal128(38, 9));
        let time = read(said.clone())?;
        let plan = raw
            .clone()
            .aggregate(
                vec![],
                vec![
                    count(said.clone()).alias("said"),
                    count(number.clone()).alias("numbers"),
                    count(time.clone()).alias("times"),
                ],
            )
            .map_err(failed)?;
        let counted = engine.collect(plan, &table.name).await?;
        let figure = |place: usize| {
            counted.first().map_or(0, |batch| batch.column(place).as_primitive::<Int64Type>().value(0))
        };
        let (all, numbers, times) = (figure(0), figure(1), figure(2));
        Ok(if numbers == all && all > 0 && !are_numbers_times {
            Version { kind: Kind::Number, value: number, unreadable: lit(false) }
        } else if times > 0 {
            let unreadable = said.is_not_null().and(time.clone().is_null());
            Version { kind: Kind::Time, value: time, unreadable }
        } else {
            Version { kind: Kind::Text, value: said, unreadable: lit(false) }
        })
    }
}

/// A raw column by the name that the configuration gives.
fn column(raw: &DataFrame, said: &Located<String>, key: &'static str) -> Result<Expr> {
    if raw.schema().has_column_with_unqualified_name(&said.value) {
        return Ok(named(&said.value));
    }
    let there = super::super::columns::raw_names(raw.schema());
    let names: Vec<&str> = there.iter().map(String::as_str).collect();
    let refused = Error::config(format!("`{key}` names a column that the export does not have"))
        .with("line", said.line)
        .with(key, &said.value)
        .with("columns there", there.join(", "));
    Err(match nearest(&said.value, &names) {
        Some(meant) => refused.hint(format!("did you mean `{meant}`?")),
        None => refused.hint("give the raw column's exact name"),
    })
}

fn key_name(place: usize) -> String {
    format!("_key_{place}")
}

fn at_key(key: &str) -> String {
    format!("{key}_of")
}

fn not_distinct(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::IsNotDistinctFrom, Box::new(right)))
}
