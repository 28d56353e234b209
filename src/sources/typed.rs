//! Mapping: raw tables to a feed's canonical columns, each read as its type.
//!
//! `typed_<feed>` has, for every canonical column `c`, the value `c` and, where it is no text, `c_note`:
//! null, or why the value is missing or which of two instants was meant. Deadlines also say whether they
//! are local midnights. Then the row's place (`_table`, `_file`, `_row`), why it could not be read at all
//! (`_problem`), and any further column that the mapping names.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan, cast, lit};
use datafusion::prelude::DataFrame;

use super::columns::{nothing, read_columns};
use super::expr::named;
use super::feeds::{self, Feed};
use super::pin::{PinnedSource, PinnedTable};
use super::raw::{RawTable, raw_name, raw_table};
use super::unique::unique;
use super::{land, text};
use crate::config::{Config, Mapping};
use crate::contract::{FileSeen, TableSeen, Watch};
use crate::engine::{self, Absent, Engine, mapped};
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
    watch: &mut Watch,
    progress: &dyn Progress,
) -> Result<BTreeMap<&'static str, Typed>> {
    let mut all = BTreeMap::new();
    for feed in feeds::FEEDS {
        let name = format!("typed_{}", feed.name);
        match pinned.iter().find(|source| source.source.feed == feed.name) {
            Some(source) => {
                progress.begins(feed.name);
                let mapped = map(engine, config, feed, source, landing, watch, progress).await;
                match mapped.with("source", feed.name)? {
                    Some((plan, mut typed)) => {
                        typed.rows = engine.keep(&name, plan).await.with("source", feed.name)?;
                        watch.hands_on(feed.name, typed.rows);
                        progress.ends(feed.name, typed.rows);
                        all.insert(feed.name, typed);
                    }
                    None => engine.view(&name, nothing(engine, feed)?)?,
                }
            }
            None => engine.view(&name, nothing(engine, feed)?)?,
        }
        unique(engine, feed).await?;
    }
    Ok(all)
}

// ---- mapping ------------------------------------------------------------------------------------------

/// The raw tables of a source in a session of their own, and the mapping's plan on them; none where the
/// contract is broken.
async fn map(
    engine: &Engine,
    config: &Config,
    feed: &'static Feed,
    pinned: &PinnedSource,
    landing: &Store,
    watch: &mut Watch,
    progress: &dyn Progress,
) -> Result<Option<(DataFrame, Typed)>> {
    let ctx = engine.mapping_session();
    let mut typed = Typed::default();
    let is_mapped_by_column = matches!(pinned.source.mapping, Mapping::Columns(_));
    let mut newest = i64::MIN;
    let mut unreadable: Option<DataFrame> = None;
    let mut seen = Vec::new();
    for table in &pinned.tables {
        let raw = raw_table(&ctx, feed, table, landing, progress).await.with("table", &table.name)?;
        let RawTable { plan: raw, absent } = raw;
        let rows = raw.clone().count().await.map_err(|e| engine::run_error(e, &table.name))? as u64;
        seen.push(as_seen(table, &raw, &absent, rows));
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
    watch.sees(feed.name, &pinned.source.mapping, &seen);
    if watch.is_broken(feed.name) {
        return Ok(None);
    }
    let plan = match &pinned.source.mapping {
        Mapping::Query(sql) => {
            let tables: Vec<&str> = pinned.tables.iter().map(|table| table.name.as_str()).collect();
            let plan = mapped::query(&ctx, &sql.value, &tables).await.with("line", sql.line)?;
            read_columns(&ctx, config, feed, pinned, plan, None, newest, &mut typed)?
        }
        Mapping::Columns(columns) => {
            let table = &pinned.tables[0].name;
            let raw = ctx.table(table.as_str()).await.map_err(|e| engine::error(e, table))?;
            read_columns(&ctx, config, feed, pinned, raw, Some(columns), newest, &mut typed)?
        }
    };
    watch.fills(feed.name, &used_columns(&plan, &pinned.tables)?, &typed.mapped);
    match unreadable {
        None => Ok(Some((plan, typed))),
        Some(bad) => Ok(Some((with_unreadable(plan, bad)?, typed))),
    }
}

// ---- for the contract ---------------------------------------------------------------------------------

/// A raw table as the contract looks at it; its files the oldest first.
fn as_seen(table: &PinnedTable, raw: &DataFrame, absent: &[Absent], rows: u64) -> TableSeen {
    let is_ours = |name: &str| matches!(name, land::FILE | text::ROW | text::PROBLEM);
    let columns = raw.schema().fields().iter().filter(|field| !is_ours(field.name()));
    let mut objects: Vec<&Object> = table.objects.iter().collect();
    objects.sort_by_key(|object| (object.last_modified_micros, &object.path));
    let lacks = |url: &String| {
        let lacking = absent.iter().filter(|(_, files)| files.contains(url));
        lacking.map(|(column, _)| column.clone()).collect()
    };
    TableSeen {
        name: table.name.clone(),
        rows,
        columns: columns.map(|field| (field.name().clone(), field.data_type().to_string())).collect(),
        files: objects
            .into_iter()
            .map(|object| FileSeen {
                url: object.url.clone(),
                etag: object.etag.clone(),
                lacks: lacks(&object.url),
            })
            .collect(),
    }
}

/// The raw columns that a mapping reads, by table: those that its plan still scans once it is optimised.
fn used_columns(plan: &DataFrame, tables: &[PinnedTable]) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let failed = |e| engine::error(e, "the mapping");
    let optimised = plan.clone().into_optimized_plan().map_err(failed)?;
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    optimised
        .apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(table) =
                    tables.iter().find(|table| raw_name(&table.name) == scan.table_name.table())
            {
                let columns = scan.projected_schema.fields().iter().map(|field| field.name().clone());
                used.entry(table.name.clone()).or_default().extend(columns);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(failed)?;
    Ok(used)
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
