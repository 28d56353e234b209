//! Raw tables: pinned objects as they are, every row with its place.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::{DataFrame, SessionContext};

use super::expr::{function, named};
use super::feeds::Feed;
use super::pin::{EMPTY, PinnedTable};
use super::{land, text};
use crate::config::Format;
use crate::engine::{self, Absent};
use crate::error::{Context, Error, Kind, Result};
use crate::progress::Progress;
use crate::store::{Object, Store};

/// A raw table.
pub(super) struct Raw {
    pub plan: DataFrame,
    /// Objects that turned out to hold nothing, and why they are skipped.
    pub skipped: Vec<(String, &'static str)>,
    /// Columns that some objects lack, each with those objects' addresses.
    pub absent: Vec<Absent>,
}

/// One raw table: pinned objects as they are, plus `_file` and `_row` (from 1), the values that folders
/// carry in their names, and null for each text that stands for it.
pub(super) async fn raw_table(
    ctx: &SessionContext,
    feed: &Feed,
    table: &PinnedTable,
    landing: &Store,
    progress: &dyn Progress,
) -> Result<Raw> {
    let name = raw_name(&table.name);
    let address = format!("pinned://{}.{}", feed.name, table.name).replace('_', "-");
    let (plan, skipped, absent) = match table.format {
        Format::Parquet => {
            let (plan, absent) = parquet(ctx, &name, &address, table, progress).await?;
            (plan, Vec::new(), absent)
        }
        _ => text(ctx, &name, &address, table, landing, progress).await?,
    };
    let plan = with_folders(ctx, plan, table, progress)?;
    Ok(Raw { plan: with_nulls(ctx, plan, table)?, skipped, absent })
}

/// Text: each object landed, or found landed.
async fn text(
    ctx: &SessionContext,
    name: &str,
    address: &str,
    table: &PinnedTable,
    landing: &Store,
    progress: &dyn Progress,
) -> Result<(DataFrame, Vec<(String, &'static str)>, Vec<Absent>)> {
    let mut landed = land_all(table, landing, false, progress).await?;
    if landed.copies.is_empty() {
        let what = match table.format {
            Format::Csv => "none of the table's files has a header",
            _ => "none of the table's files has a row",
        };
        return Err(Error::config(what).with("line", table.line).hint(
            "an export without rows still needs its header line; JSON has none, and needs a row: leave \
                the source out until there is one",
        ));
    }
    let before = landed.copies.len() - landed.parsed;
    let files = if landed.parsed == 1 { "file" } else { "files" };
    let known = if before > 0 { format!(", {before} known from an earlier night") } else { String::new() };
    progress.says(&format!("{}: {} {files} parsed{known}", table.name, landed.parsed));
    let absent = match engine::register_store(ctx, name, address, landing.pinned(&landed.copies)?, true).await
    {
        // A copy is only a copy: the exports are still there.
        Err(error) if error.kind() == Kind::Data && before > 0 => {
            progress
                .warns("a kept copy of an export is damaged: parsed again", &[("table", table.name.clone())]);
            landed = land_all(table, landing, true, progress).await?;
            engine::register_store(ctx, name, address, landing.pinned(&landed.copies)?, true).await
        }
        registered => registered,
    };
    let Landings { copies, exports, skipped, .. } = landed;
    let absent = absent.map_err(|e| with_exports(e, &copies, &exports))?;
    // JSON leaves out what has no value, so that says nothing there.
    if table.format == Format::Csv {
        warn_of_absent(&absent, copies.len(), progress);
    }
    let plan = ctx.table(name).await.map_err(|e| engine::error(e, &table.name))?;
    Ok((plan, skipped, with_addresses(absent, &copies, &exports)))
}

/// The objects of a table of text, and the copies that they were landed as.
#[derive(Default)]
struct Landings {
    copies: Vec<Object>,
    exports: Vec<Object>,
    /// Objects without so much as a header.
    skipped: Vec<(String, &'static str)>,
    /// How many were not there from an earlier night.
    parsed: usize,
}

async fn land_all(
    table: &PinnedTable,
    landing: &Store,
    anew: bool,
    progress: &dyn Progress,
) -> Result<Landings> {
    let mut all = Landings::default();
    for object in &table.objects {
        let landed = land::land(&table.store, object, table.format, &table.reading, landing, anew).await;
        match landed.with("file", &object.url)? {
            Some(landed) => {
                all.parsed += usize::from(landed.is_new);
                all.copies.push(landed.copy);
                all.exports.push(object.clone());
            }
            None => {
                progress.warns(
                    "an object is skipped",
                    &[("object", object.url.clone()), ("reason", EMPTY.into())],
                );
                all.skipped.push((object.url.clone(), EMPTY));
            }
        }
    }
    Ok(all)
}

/// Parquet: read in place.
async fn parquet(
    ctx: &SessionContext,
    name: &str,
    address: &str,
    table: &PinnedTable,
    progress: &dyn Progress,
) -> Result<(DataFrame, Vec<Absent>)> {
    for object in &table.objects {
        check_footer(&table.store, object).await?;
    }
    let store = table.store.pinned(&table.objects)?;
    let is_utc = table.reading.timezone.is_none();
    let absent = engine::register_store(ctx, name, address, store, is_utc).await?;
    warn_of_absent(&absent, table.objects.len(), progress);
    let failed = |e| engine::error(e, &table.name);
    let call = |name: &str| -> Result<Expr> { Ok(function(ctx, name)?.call(vec![])) };
    let folder = lit(format!("{}/", table.store.url()));
    let file = function(ctx, "concat")?.call(vec![folder, call("input_file_name")?]);
    let row = call("file_row_index")? + lit(1i64);
    engine::place_rows(ctx, name, vec![(land::FILE.to_string(), file), (text::ROW.to_string(), row)]).await?;
    let plan = ctx.table(name).await.map_err(failed)?;
    Ok((plan, with_addresses(absent, &table.objects, &table.objects)))
}

/// Adds a text column for each value that folders carry in their names (`ds=2026-11-01/`). It stands in
/// for a column of that name in the files, which writers leave out, or fill with the same.
fn with_folders(
    ctx: &SessionContext,
    mut plan: DataFrame,
    table: &PinnedTable,
    progress: &dyn Progress,
) -> Result<DataFrame> {
    for column in table.folder_columns() {
        if [land::FILE, text::ROW, text::PROBLEM].contains(&column.as_str()) {
            continue;
        }
        if plan.schema().has_column_with_unqualified_name(&column) {
            progress.warns(
                "a column is taken from the folders' names, not from the files",
                &[("table", table.name.clone()), ("column", column.clone())],
            );
        }
        let value = function(ctx, "folder_value")?.call(vec![named(land::FILE), lit(column.as_str())]);
        plan = plan.with_column(&column, value).map_err(|e| engine::error(e, &table.name))?;
    }
    Ok(plan)
}

/// Makes null of the texts that the configuration says stand for it.
fn with_nulls(ctx: &SessionContext, plan: DataFrame, table: &PinnedTable) -> Result<DataFrame> {
    if table.reading.nulls.is_empty() {
        return Ok(plan);
    }
    let nulls: Vec<Expr> = table.reading.nulls.iter().map(|null| lit(null.as_str())).collect();
    let trim = function(ctx, "btrim")?;
    let columns = plan.schema().columns().into_iter().zip(plan.schema().fields()).map(|(column, field)| {
        let own = [land::FILE, text::PROBLEM].contains(&field.name().as_str());
        if own || !field.data_type().is_string() {
            return Ok(Expr::Column(column));
        }
        let raw = Expr::Column(column);
        let is_null = trim.call(vec![raw.clone()]).in_list(nulls.clone(), false);
        when(is_null, lit(ScalarValue::Null)).otherwise(raw).map(|value| value.alias(field.name()))
    });
    let columns = columns.collect::<datafusion::error::Result<Vec<Expr>>>();
    columns.and_then(|columns| plan.select(columns)).map_err(|e| engine::error(e, &table.name))
}

/// The name of a table's objects in its source's session.
pub(super) fn raw_name(table: &str) -> String {
    format!("{table}_raw")
}

/// An error about a landed copy names the export that it was made of.
fn with_exports(error: Error, copies: &[Object], exports: &[Object]) -> Error {
    let said: Vec<String> = error.context().iter().map(|(_, value)| value.clone()).collect();
    let meant =
        copies.iter().zip(exports).filter(|(copy, _)| said.iter().any(|value| value.contains(&copy.path)));
    meant.map(|(_, export)| export.url.clone()).fold(error, |error, url| error.with("export", url))
}

/// A Parquet file ends with the length of its footer, which must fit into it.
///
/// # Errors
/// `Kind::Data` where it does not; those of the storage.
pub async fn check_footer(store: &Store, object: &Object) -> Result<()> {
    let end = store.tail(object, 8).await?;
    let length = end.first_chunk::<4>().map_or(u64::MAX, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    if end.ends_with(b"PAR1") && length.saturating_add(8) <= object.bytes {
        return Ok(());
    }
    Err(Error::data("a Parquet file is damaged: its end is not that of a Parquet file")
        .with("file", &object.url)
        .hint("export the file again"))
}

/// The files that lack a column, by the addresses of the exports that they stand for.
fn with_addresses(absent: Vec<Absent>, files: &[Object], exports: &[Object]) -> Vec<Absent> {
    let address = |path: &String| {
        let pair = files.iter().zip(exports).find(|(file, _)| file.path == *path);
        pair.map(|(_, export)| export.url.clone())
    };
    absent.into_iter().map(|(column, paths)| (column, paths.iter().filter_map(address).collect())).collect()
}

fn warn_of_absent(absent: &[Absent], files: usize, progress: &dyn Progress) {
    for (column, lacking) in absent {
        let files = format!("{} of {files}", lacking.len());
        progress.warns("a column is absent from some files", &[("column", column.clone()), ("files", files)]);
    }
}
