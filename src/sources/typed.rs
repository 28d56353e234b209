//! Mapping: raw tables to a feed's canonical columns, each read as its type.
//!
//! `typed_<feed>` has, for every canonical column `c`, the value `c` and, where it is no text, `c_note`:
//! null, or why the value is missing or which of two instants was meant. Deadlines also say whether they
//! are local midnights. Then the row's place (`_table`, `_file`, `_row`), why it could not be read at all
//! (`_problem`), and any further column that the mapping names.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use chrono::NaiveDate;
use chrono_tz::Tz;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::{Expr, LogicalPlan, cast, lit};
use datafusion::prelude::{DataFrame, SessionContext};

use super::columns::{nothing, read_columns};
use super::expr::named;
use super::feeds::{self, Feed};
use super::modes::{self, AsOf};
use super::pin::{self, PinnedSource, PinnedTable};
use super::raw::{Raw, raw_name, raw_table};
use super::unique::unique;
use super::{header_zone, history, land, text};
use crate::config::{Config, Format, Mapping, Mode};
use crate::contract::{FileSeen, TableSeen, Watch};
use crate::engine::{self, Absent, Engine, mapped};
use crate::error::{Context, Error, Result};
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

/// What one table was read from, and what became of its rows before the mapping.
#[derive(Debug, Clone)]
pub struct TableRead {
    pub name: String,
    pub objects: Vec<Object>,
    pub skipped: Vec<(String, &'static str)>,
    pub rows: u64,
    pub superseded: u64,
    /// Rows left out, by reason.
    pub filtered: BTreeMap<&'static str, u64>,
    /// What the version column was read as.
    pub compared_as: Option<&'static str>,
    /// Mapped column by column, so that each row is handed on.
    pub is_mapped_by_column: bool,
    /// Each row is delivered once, so that it can be late.
    pub is_append: bool,
}

impl TableRead {
    /// Rows that the mapping saw: all but those that are superseded or left out.
    pub fn handed_on(&self) -> u64 {
        self.rows.saturating_sub(self.superseded + self.filtered.values().sum::<u64>())
    }

    /// The objects whose path says on which day they were delivered.
    pub fn delivered(&self) -> impl Iterator<Item = (&str, NaiveDate)> {
        self.objects.iter().filter_map(|object| Some((object.url.as_str(), pin::delivery_day(object)?)))
    }
}

/// A source with its raw tables open.
pub struct Opened<'a> {
    feed: &'static Feed,
    pinned: &'a PinnedSource,
    raw: Vec<OpenedTable<'a>>,
    /// In which times without a zone are read.
    zone: Tz,
}

impl Opened<'_> {
    pub fn feed_name(&self) -> &'static str {
        self.feed.name
    }
}

/// A raw table that can be read.
struct OpenedTable<'a> {
    table: &'a PinnedTable,
    plan: DataFrame,
    /// Rows read, and of them the further header rows, which are left out of the plan.
    rows: u64,
    header_rows: u64,
    /// Objects that turned out to hold nothing.
    skipped: Vec<(String, &'static str)>,
}

/// Why rows right after the header are left out.
const HEADER: &str = "after the header";

/// Opens the raw tables of every source; text is landed.
///
/// # Errors
/// Those of storage, and `Kind::Data` for files that cannot be read at all.
pub async fn open<'a>(
    engine: &Engine,
    pinned: &'a [PinnedSource],
    landing: &Store,
    watch: &mut Watch,
    progress: &dyn Progress,
) -> Result<Vec<Opened<'a>>> {
    progress.begins("read");
    let (mut opened, mut all) = (Vec::new(), 0);
    for feed in feeds::FEEDS {
        let Some(source) = pinned.iter().find(|source| source.source.feed == feed.name) else { continue };
        let ctx = engine.mapping_session();
        let (mut raw, mut seen) = (Vec::new(), Vec::new());
        let mut zone = source.source.timezone;
        for table in &source.tables {
            let opened = raw_table(&ctx, feed, table, landing, progress).await;
            let Raw { plan, skipped, absent } =
                opened.with("table", &table.name).with("source", feed.name)?;
            let rows = count(&plan, &table.name).await?;
            if table.reading.zone_in_header {
                zone = header_zone::stated(engine, table, &plan).await.with("source", feed.name)?;
            }
            seen.push(as_seen(table, &plan, &absent, rows));
            let plan = without_header_rows(plan, table)?;
            let header_rows = match table.reading.skip_after_header {
                0 => 0,
                _ => rows - count(&plan, &table.name).await?,
            };
            all += rows;
            raw.push(OpenedTable { table, plan, rows, header_rows, skipped });
        }
        watch.sees(feed.name, &source.source.mapping, &seen);
        opened.push(Opened { feed, pinned: source, raw, zone });
    }
    progress.ends("read", all);
    Ok(opened)
}

/// The newest purchase or answer of all rows that are read, whatever their version; inside the plausible
/// bounds, UTC microseconds. It settles the as-of, which modes ask for.
///
/// # Errors
/// `Kind::Data` where no such time can be read; those of the mapping.
pub async fn newest_event(engine: &Engine, config: &Config, opened: &[Opened<'_>]) -> Result<i64> {
    let mut newest = None;
    for source in opened.iter().filter(|source| matches!(source.feed.name, "surveys" | "purchases")) {
        let Some(time) = source.feed.event_time else { continue };
        let ctx = engine.mapping_session();
        let mut tables = Vec::new();
        for opened in &source.raw {
            let kept =
                modes::kept(&ctx, opened.table, opened.plan.clone()).with("source", source.feed.name)?;
            tables.push((opened.table.name.as_str(), kept));
        }
        let (plan, _) = map(&ctx, config, source, tables).await.with("source", source.feed.name)?;
        let plan = plan
            .aggregate(vec![], vec![max(named(time)).alias("newest")])
            .map_err(|e| engine::error(e, source.feed.name))?;
        for batch in engine.collect(plan, source.feed.name).await? {
            let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
            newest = newest.max(times.and_then(|times| times.iter().next().flatten()));
        }
    }
    newest.ok_or_else(|| {
        Error::data("no purchase and no answer has a time that can be read").hint(
            "`aftersale check` shows what is read; map `responded_at` and `ordered_at` to columns with times",
        )
    })
}

/// Makes `typed_<feed>` and `unique_<feed>` for every feed, and `ticket_versions`; a feed without a source
/// has no rows.
///
/// # Errors
/// `Kind::Config` for a mapping that does not fit, with its line; those of storage and engine.
pub async fn stage(
    engine: &Engine,
    config: &Config,
    opened: &[Opened<'_>],
    as_of: AsOf,
    watch: &mut Watch,
    progress: &dyn Progress,
) -> Result<BTreeMap<&'static str, Typed>> {
    let mut all = BTreeMap::new();
    let mut versions = None;
    for feed in feeds::FEEDS {
        let name = format!("typed_{}", feed.name);
        match opened.iter().find(|source| source.feed.name == feed.name) {
            Some(source) => {
                progress.begins(feed.name);
                let standing = stands(engine, config, source, as_of, watch, progress);
                let (plan, known, mut typed) = standing.await.with("source", feed.name)?;
                typed.rows = engine.keep(&name, plan).await.with("source", feed.name)?;
                watch.hands_on(feed.name, typed.rows);
                progress.ends(feed.name, typed.rows);
                all.insert(feed.name, typed);
                versions = versions.or(known);
            }
            None => engine.view(&name, nothing(engine, feed)?)?,
        }
        unique(engine, feed).await?;
    }
    history::ticket_versions(engine, versions).await?;
    Ok(all)
}

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

/// The mapping's plan on the rows that stand, and on all versions where they tell of the past.
async fn stands(
    engine: &Engine,
    config: &Config,
    source: &Opened<'_>,
    as_of: AsOf,
    watch: &mut Watch,
    progress: &dyn Progress,
) -> Result<(DataFrame, Option<DataFrame>, Typed)> {
    let ctx = engine.mapping_session();
    let is_mapped_by_column = matches!(source.pinned.source.mapping, Mapping::Columns(_));
    let (mut reads, mut tables, mut versions) = (Vec::new(), Vec::new(), None);
    for opened in &source.raw {
        let table = opened.table;
        let scratch = format!("modes_{}_{}", source.feed.name, table.name);
        let standing = modes::standing(engine, &ctx, table, &scratch, as_of, opened.plan.clone());
        let mut standing = standing.await.with("table", &table.name)?;
        if standing.compared_as == Some("text") {
            progress.warns(
                "versions are neither times nor numbers: they are compared as text, and not with the as-of",
                &[("source", source.feed.name.into()), ("table", table.name.clone())],
            );
        }
        let superseded = standing.fates.remove(modes::SUPERSEDED).unwrap_or(0);
        let mut filtered = standing.fates;
        if opened.header_rows > 0 {
            filtered.insert(HEADER, opened.header_rows);
        }
        let is_read = |object: &&Object| !opened.skipped.iter().any(|(url, _)| *url == object.url);
        reads.push(TableRead {
            name: table.name.clone(),
            objects: table.objects.iter().filter(is_read).cloned().collect(),
            skipped: table.skipped.iter().chain(&opened.skipped).cloned().collect(),
            rows: opened.rows,
            superseded,
            filtered,
            compared_as: standing.compared_as,
            is_mapped_by_column,
            is_append: table.delivery.mode == Mode::Append,
        });
        tables.push((table.name.as_str(), standing.rows));
        versions = standing.versions;
    }
    let (plan, mut typed) = map(&ctx, config, source, tables).await?;
    watch.fills(source.feed.name, &used_columns(&plan, source)?, &typed.mapped);
    typed.tables = reads;
    // What a query makes of older versions, joined with today's other tables, would be no past state.
    let versions = match (&source.pinned.source.mapping, versions) {
        (Mapping::Columns(columns), Some(versions)) if source.feed.name == "tickets" => {
            let typed = &mut Typed::default();
            let held = [modes::HELD_FROM, modes::HELD_BY];
            let newest = newest_change(source);
            let pinned = source.pinned;
            let read = read_columns(
                &ctx,
                config,
                source.feed,
                pinned,
                versions,
                Some(columns),
                &held,
                newest,
                source.zone,
                typed,
            );
            Some(read?)
        }
        _ => None,
    };
    Ok((plan, versions, typed))
}

/// The newest last change of a source's objects, UTC microseconds.
fn newest_change(source: &Opened<'_>) -> i64 {
    let objects = source.pinned.tables.iter().flat_map(|table| &table.objects);
    objects.map(|object| object.last_modified_micros).max().unwrap_or(i64::MIN)
}

/// The mapping's plan on these tables of a source, in a session that holds no others.
async fn map(
    ctx: &SessionContext,
    config: &Config,
    source: &Opened<'_>,
    tables: Vec<(&str, DataFrame)>,
) -> Result<(DataFrame, Typed)> {
    let mut typed = Typed::default();
    let newest = newest_change(source);
    let is_mapped_by_column = matches!(source.pinned.source.mapping, Mapping::Columns(_));
    let mut unreadable: Option<DataFrame> = None;
    for (name, rows) in tables {
        let failed = |e| engine::error(e, name);
        // Rows that could not be read never reach a query's joins: they go straight to the rejects.
        let problem = rows.schema().has_column_with_unqualified_name(text::PROBLEM);
        if problem && !is_mapped_by_column {
            let bad = rows.clone().filter(named(text::PROBLEM).is_not_null()).map_err(failed)?;
            let bad = bad
                .select(vec![
                    lit(name).alias("_table"),
                    named(land::FILE),
                    named(text::ROW),
                    named(text::PROBLEM),
                ])
                .map_err(failed)?;
            unreadable = Some(match unreadable {
                Some(others) => others.union(bad).map_err(failed)?,
                None => bad,
            });
            let good = rows.filter(named(text::PROBLEM).is_null()).map_err(failed)?;
            let good = good.drop_columns(&[text::PROBLEM]).map_err(failed)?;
            ctx.register_table(name, good.into_view()).map_err(failed)?;
        } else {
            ctx.register_table(name, rows.into_view()).map_err(failed)?;
        }
    }
    let (feed, pinned) = (source.feed, source.pinned);
    let names: Vec<&str> = pinned.tables.iter().map(|table| table.name.as_str()).collect();
    let plan = match &pinned.source.mapping {
        Mapping::Query(sql) => {
            let plan = match mapped::query(ctx, &sql.value, &names).await {
                Ok(plan) => plan,
                Err(error) => return Err(explained(ctx, &names, error).await.with("line", sql.line)),
            };
            read_columns(ctx, config, feed, pinned, plan, None, &[], newest, source.zone, &mut typed)?
        }
        Mapping::Columns(columns) => {
            let table = &pinned.tables[0].name;
            let raw = ctx.table(table.as_str()).await.map_err(|e| engine::error(e, table))?;
            read_columns(ctx, config, feed, pinned, raw, Some(columns), &[], newest, source.zone, &mut typed)?
        }
    };
    match unreadable {
        None => Ok((plan, typed)),
        Some(bad) => Ok((with_unreadable(plan, bad)?, typed)),
    }
}

/// A query that does not fit, with what it could read.
async fn explained(ctx: &SessionContext, names: &[&str], error: Error) -> Error {
    let mut error = error;
    for name in names {
        if let Ok(table) = ctx.table(*name).await {
            let columns = super::columns::raw_names(table.schema()).join(", ");
            error = error.with("columns there", format!("{name}: {columns}"));
        }
    }
    error.or_hint("`query` is one SELECT over the source's own tables; names are told apart by case")
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
        leaves_out: matches!(table.format, Format::Json | Format::Ndjson),
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
fn used_columns(plan: &DataFrame, source: &Opened<'_>) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let failed = |e| engine::error(e, "the mapping");
    // Versions that stand may have been set apart from the raw rows.
    let is_of = |table: &PinnedTable, name: &str| {
        name == raw_name(&table.name)
            || name.starts_with(&format!("modes_{}_{}", source.feed.name, table.name))
    };
    let optimised = plan.clone().into_optimized_plan().map_err(failed)?;
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    optimised
        .apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(table) =
                    source.pinned.tables.iter().find(|table| is_of(table, scan.table_name.table()))
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
