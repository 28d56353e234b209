//! Mapping: raw tables to a feed's canonical columns, each read as its type.
//!
//! `typed_<feed>` has, for every canonical column `c`, the value `c` and, where it is no text, `c_note`:
//! null, or why the value is missing or which of two instants was meant. Deadlines also say whether they
//! are local midnights. Then the row's place (`_table`, `_file`, `_row`), why it could not be read at all
//! (`_problem`), and any further column that the mapping names.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, lit};
use datafusion::prelude::DataFrame;

use super::columns::{nothing, read_columns};
use super::expr::named;
use super::feeds::{self, Feed};
use super::pin::{PinnedSource, PinnedTable};
use super::raw::{Raw, raw_table};
use super::unique::unique;
use super::{land, text};
use crate::config::{Config, Mapping};
use crate::engine::{self, Engine, mapped};
use crate::error::{Context, Result};
use crate::progress::Progress;
use crate::store::{Object, Store};

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
    /// Of them, those that the configuration leaves out.
    pub filtered: u64,
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

// ---- mapping ------------------------------------------------------------------------------------------

async fn count(plan: &DataFrame, table: &str) -> Result<u64> {
    Ok(plan.clone().count().await.map_err(|e| engine::run_error(e, table))? as u64)
}

/// Without the further header rows that stand after the header of each file.
fn without_header_rows(raw: DataFrame, table: &PinnedTable) -> Result<DataFrame> {
    match table.reading.skip_after_header {
        0 => Ok(raw),
        rows => {
            raw.filter(named(text::ROW).gt(lit(i64::from(rows)))).map_err(|e| engine::error(e, &table.name))
        }
    }
}

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
        let Raw { plan: raw, skipped } =
            raw_table(&ctx, feed, table, landing, progress).await.with("table", &table.name)?;
        let rows = count(&raw, &table.name).await?;
        let raw = without_header_rows(raw, table)?;
        let filtered = match table.reading.skip_after_header {
            0 => 0,
            _ => rows - count(&raw, &table.name).await?,
        };
        newest = table.objects.iter().map(|o| o.last_modified_micros).fold(newest, i64::max);
        typed.tables.push(TableRead {
            name: table.name.clone(),
            objects: table
                .objects
                .iter()
                .filter(|object| !skipped.iter().any(|(url, _)| *url == object.url))
                .cloned()
                .collect(),
            skipped: table.skipped.iter().chain(&skipped).cloned().collect(),
            rows,
            filtered,
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
