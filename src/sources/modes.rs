//! Modes: which of a table's rows stand as of the day that the run looks at.
//!
//! Every row that is read has one fate: it stands and is handed on to the mapping, it is *superseded* (an
//! older version, an older snapshot, an identical copy of the newest version), or it is *filtered*, for a
//! reason: `deleted`, `where`, `after the as-of`. Rows that cannot be read, or whose key or version
//! cannot, stand: the feed rejects them.
//!
//! - **append**: every row stands.
//! - **upsert**: of each key the newest version up to the as-of. A key that is only known from later
//!   versions keeps the first of them: it is for the event's own time to say whether it counts. Different
//!   rows of one key and version all stand, and are rejected at the feed if what is mapped differs.
//! - **snapshot**: the rows of the newest delivery up to the as-of's day; the first, where all are later;
//!   the newest of all, where no as-of was asked for.
//!
//! `deleted_when` and `where` are asked of the rows that stand: of a key's newest version, not of the
//! older ones. A key deleted in its newest version is deleted with all its older versions; of several rows of
//! one newest version, it is enough that one says so.

mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type};
use chrono::NaiveDate;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, JoinType, lit, when};
use datafusion::prelude::{DataFrame, SessionContext};

use super::expr::{FieldType, named};
use super::pin::PinnedTable;
use super::{land, text};
use crate::config::{Located, Mode};
use crate::engine::time::Clock;
use crate::engine::{self, Engine, mapped};
use crate::error::{Error, Result};
use crate::exposures::{batch, texts};

pub const SUPERSEDED: &str = "superseded";
pub const DELETED: &str = "deleted";
pub const WHERE: &str = "where";
pub const AFTER_AS_OF: &str = "after the as-of";

/// When a row's state held: from the first instant at which it can have been written, to the last.
pub const HELD_FROM: &str = "_held_from";
pub const HELD_BY: &str = "_held_by";

const FATE: &str = "_fate";
const DAY: &str = "_delivered_on";

/// What stands of a table.
pub(super) struct Standing {
    /// The rows that the mapping sees.
    pub rows: DataFrame,
    /// All versions up to the as-of, with [`HELD_FROM`] and [`HELD_BY`]; none where rows come once, or
    /// where versions have no time.
    pub versions: Option<DataFrame>,
    /// Rows that are not handed on, by fate.
    pub fates: BTreeMap<&'static str, u64>,
    /// What the version column was read as.
    pub compared_as: Option<&'static str>,
}

/// What a run may know: events up to an instant, deliveries up to a day.
#[derive(Debug, Clone, Copy)]
pub struct AsOf {
    /// UTC microseconds.
    pub at: i64,
    /// The day that was asked for; where none was, the newest delivery stands, whatever its day. The night
    /// that writes a folder is often the one after the last event in it.
    pub last_delivery: Option<NaiveDate>,
}

/// A table's rows with their fate.
struct Fated {
    rows: DataFrame,
    /// Whether the rows carry when they held.
    has_held: bool,
    compared_as: Option<&'static str>,
}

/// Tells the rows of a raw table that stand from those that do not.
///
/// # Errors
/// `Kind::Config` for columns and conditions that do not fit, with their line, and for a snapshot without
/// a date in its path.
pub(super) async fn standing(
    engine: &Engine,
    ctx: &SessionContext,
    table: &PinnedTable,
    scratch: &str,
    as_of: AsOf,
    raw: DataFrame,
) -> Result<Standing> {
    if table.delivery.keeps_all() {
        return Ok(Standing { rows: raw, versions: None, fates: BTreeMap::new(), compared_as: None });
    }
    let failed = |e| engine::error(e, &table.name);
    let conditions = Conditions::read(ctx, table, &raw)?;
    let mut columns: Vec<Expr> = raw.schema().columns().iter().map(|c| named(&c.name)).collect();
    let fated = match table.delivery.mode {
        Mode::Append => Fated {
            rows: raw.with_column(FATE, conditions.fate(lit(false))?).map_err(failed)?,
            has_held: false,
            compared_as: None,
        },
        Mode::Snapshot => snapshots(engine, table, as_of, raw, &conditions)?,
        Mode::Upsert => {
            if !raw.schema().has_column_with_unqualified_name(text::PROBLEM) {
                columns.push(named(text::PROBLEM));
            }
            versions::newest(engine, ctx, table, scratch, as_of.at, raw, &conditions).await?
        }
    };
    let fates = fates(engine, &fated.rows).await?;
    let rows = match (&conditions.is_asked_for, table.delivery.mode) {
        (Some(asked), Mode::Append) => fated.rows.clone().filter(asked.clone()).map_err(failed)?,
        _ => fated.rows.clone(),
    };
    let stands = named(FATE).is_null();
    let versions = fated
        .has_held
        .then(|| {
            let mut held = columns.clone();
            held.extend([named(HELD_FROM), named(HELD_BY)]);
            let is_known = stands.clone().or(named(FATE).eq(lit(SUPERSEDED)));
            fated.rows.clone().filter(is_known)?.select(held)
        })
        .transpose()
        .map_err(failed)?;
    let rows = rows.filter(stands).and_then(|rows| rows.select(columns)).map_err(failed)?;
    Ok(Standing { rows, versions, fates, compared_as: fated.compared_as })
}

/// The rows for which `where` is true, whatever their version: what may set the as-of.
pub(super) fn kept(ctx: &SessionContext, table: &PinnedTable, raw: DataFrame) -> Result<DataFrame> {
    let conditions = Conditions::read(ctx, table, &raw)?;
    let failed = |e| engine::error(e, &table.name);
    let raw = match conditions.is_asked_for {
        Some(asked) => raw.filter(asked).map_err(failed)?,
        None => raw,
    };
    raw.filter(conditions.keeps).map_err(failed)
}

/// `deleted_when` and `where` as expressions that are never null.
struct Conditions {
    unreadable: Expr,
    deleted: Expr,
    keeps: Expr,
    /// `where` as it was written, where no row is unreadable: a form in which row groups without such a row can be
    /// left out unread. It says no more than `keeps`.
    is_asked_for: Option<Expr>,
}

impl Conditions {
    fn read(ctx: &SessionContext, table: &PinnedTable, raw: &DataFrame) -> Result<Conditions> {
        let schema = raw.schema();
        let condition = |name: &'static str, said: &Option<Located<String>>, default: bool| -> Result<Expr> {
            let Some(said) = said else { return Ok(lit(default)) };
            let at_line = |error: Error| {
                error
                    .with("line", said.line)
                    .with(name, &said.value)
                    .with("columns there", super::columns::raw_names(schema).join(", "))
                    .or_hint("write SQL over the raw columns that is true or false of a row, such as \"status = 'deleted'\"")
            };
            let expr = mapped::expression(ctx, &said.value, schema).map_err(at_line)?;
            match expr.to_field_type(schema)? {
                DataType::Boolean => Ok(expr.is_true()),
                kind => Err(at_line(Error::config(format!("`{name}` is no condition: it gives a {kind}")))
                    .hint("write what is true or false of a row, such as \"status = 'deleted'\"")),
            }
        };
        let unreadable = match schema.has_column_with_unqualified_name(text::PROBLEM) {
            true => named(text::PROBLEM).is_not_null(),
            false => lit(false),
        };
        let keeps = condition("where", &table.delivery.filter, true)?;
        let is_asked_for = match (&unreadable, &table.delivery.filter) {
            (Expr::Literal(..), Some(said)) => Some(mapped::expression(ctx, &said.value, schema)?),
            _ => None,
        };
        Ok(Conditions {
            is_asked_for,
            deleted: condition("deleted_when", &table.delivery.deleted_when, false)?,
            keeps: unreadable.clone().or(keeps),
            unreadable,
        })
    }

    /// The fate of a row that nothing has superseded; `is_broken` rows stand, to be rejected.
    fn fate(&self, is_broken: Expr) -> Result<Expr> {
        when(self.unreadable.clone().or(is_broken), lit(ScalarValue::Utf8(None)))
            .when(self.deleted.clone(), lit(DELETED))
            .when(!self.keeps.clone(), lit(WHERE))
            .end()
            .map_err(|e| engine::error(e, "the fate of rows"))
    }
}

/// How many rows have which fate.
async fn fates(engine: &Engine, rows: &DataFrame) -> Result<BTreeMap<&'static str, u64>> {
    let plan = rows
        .clone()
        .aggregate(vec![named(FATE)], vec![count(lit(1i64)).alias("rows")])
        .map_err(|e| engine::error(e, "the fate of rows"))?;
    let mut fates = BTreeMap::new();
    for batch in engine.collect(plan, "the fate of rows").await? {
        let (names, counts) = (texts(batch.column(0))?, batch.column(1).as_primitive::<Int64Type>());
        for row in (0..batch.num_rows()).filter(|row| names.is_valid(*row)) {
            let fate = [SUPERSEDED, DELETED, WHERE, AFTER_AS_OF].into_iter().find(|f| *f == names.value(row));
            let fate = fate.ok_or_else(|| Error::internal("a row has a fate without a name"))?;
            fates.insert(fate, u64::try_from(counts.value(row)).unwrap_or(0));
        }
    }
    Ok(fates)
}

// ---- snapshots -----------------------------------------------------------------------------------------

/// Each dated delivery is the whole; the newest up to the as-of's day stands, if one was asked for.
fn snapshots(
    engine: &Engine,
    table: &PinnedTable,
    as_of: AsOf,
    raw: DataFrame,
    conditions: &Conditions,
) -> Result<Fated> {
    let failed = |e| engine::error(e, &table.name);
    let clock = Clock::new(table.timezone);
    let mut days: Vec<(&str, i32)> = Vec::new();
    let mut deliveries: Vec<(i32, &str)> = Vec::new();
    for object in &table.objects {
        let day = super::pin::delivery_day(object).ok_or_else(|| {
            Error::config("a snapshot has no date in its path")
                .with("file", &object.url)
                .with("line", table.line)
                .hint("`mode = \"snapshot\"` tells deliveries apart by a date such as 2026-11-01 in the folder's or the file's name")
        })?;
        days.push((&object.url, day.to_epoch_days()));
        // What was written can tell of the next day at most.
        let written = clock.local_day(object.last_modified_micros).unwrap_or(i64::MAX);
        if i64::from(day.to_epoch_days()) <= written.saturating_add(1) {
            deliveries.push((day.to_epoch_days(), super::pin::delivery_folder(object)));
        }
    }
    let last = as_of.last_delivery.map_or(i32::MAX, |day| day.to_epoch_days());
    // Of several folders of one day the last by name.
    let chosen = deliveries.iter().filter(|(day, _)| *day <= last).max().or(deliveries.iter().min()).copied();
    let (chosen, folder) = chosen.unwrap_or((last, ""));
    let older: Vec<Expr> = table
        .objects
        .iter()
        .zip(&days)
        .filter(|(object, (_, day))| *day == chosen && super::pin::delivery_folder(object) != folder)
        .map(|(object, _)| lit(object.url.as_str()))
        .collect();
    // A folder's day may be the day that it tells of or the day after; so its rows were written between
    // that day's beginning and the next day's end.
    let instants = |add: i64, less: i64| -> ArrayRef {
        let at = days.iter().map(|(_, day)| clock.start_of_day(i64::from(*day) + add).map(|at| at - less));
        Arc::new(at.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let deliveries = engine
        .context()
        .read_batch(batch(vec![
            ("_delivered_in", Arc::new(StringArray::from_iter_values(days.iter().map(|(url, _)| url)))),
            (DAY, Arc::new(Date32Array::from_iter_values(days.iter().map(|(_, day)| *day)))),
            (HELD_FROM, instants(0, 0)),
            (HELD_BY, instants(2, 1)),
        ])?)
        .map_err(failed)?;
    let day = |day: i32| lit(ScalarValue::Date32(Some(day)));
    let is_older = match older.is_empty() {
        true => named(DAY).lt(day(chosen)),
        false => named(DAY).lt(day(chosen)).or(named(land::FILE).in_list(older, false)),
    };
    let fate = when(is_older, lit(SUPERSEDED))
        .when(named(DAY).gt(day(chosen)), lit(AFTER_AS_OF))
        .otherwise(conditions.fate(lit(false))?)
        .map_err(failed)?;
    let rows = deliveries
        .join(raw, JoinType::Inner, &["_delivered_in"], &[land::FILE], None)
        .and_then(|rows| rows.with_column(FATE, fate))
        .map_err(failed)?;
    Ok(Fated { rows, has_held: true, compared_as: None })
}
