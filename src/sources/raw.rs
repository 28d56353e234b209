//! Raw tables: pinned objects as they are, every row with its place.

use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{DataFrame, SessionContext};

use super::expr::function;
use super::feeds::Feed;
use super::pin::PinnedTable;
use super::{land, text};
use crate::config::Format;
use crate::engine::{self, Absent};
use crate::error::{Context, Error, Result};
use crate::progress::Progress;
use crate::store::{Object, Store};
/// A raw table, and the columns that some of its objects lack: each with those objects' addresses.
pub(super) struct RawTable {
    pub plan: DataFrame,
    pub absent: Vec<Absent>,
}

/// One raw table: pinned objects as they are, plus `_file` and `_row` (from 1).
pub(super) async fn raw_table(
    ctx: &SessionContext,
    feed: &Feed,
    table: &PinnedTable,
    landing: &Store,
    progress: &dyn Progress,
) -> Result<RawTable> {
    let raw = raw_name(&table.name);
    let address = format!("pinned://{}.{}", feed.name, table.name).replace('_', "-");
    let failed = |e| engine::error(e, &table.name);
    match table.format {
        Format::Csv => {
            let (mut copies, mut exports) = (Vec::new(), Vec::new());
            for object in &table.objects {
                match land::land(&table.store, object, landing).await.with("file", &object.url)? {
                    Some(copy) => {
                        copies.push(copy);
                        exports.push(object.clone());
                    }
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
                .map_err(|e| with_exports(e, &copies, &exports))?;
            warn_of_absent(&absent, exports.len(), progress);
            let plan = ctx.table(&raw).await.map_err(failed)?;
            Ok(RawTable { plan, absent: with_addresses(absent, &copies, &exports) })
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
            let plan = plan.select(columns).map_err(failed)?;
            Ok(RawTable { plan, absent: with_addresses(absent, &table.objects, &table.objects) })
        }
    }
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
