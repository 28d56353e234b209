//! Listing, once: which objects a run reads, and which it skips and why.

use crate::config::{Config, Format, Source, Table};
use crate::error::{Context, Error, Result};
use crate::sample;
use crate::store::{self, Object, Store};

/// One source with its objects.
pub struct PinnedSource {
    pub source: Source,
    pub tables: Vec<PinnedTable>,
}

pub struct PinnedTable {
    pub name: String,
    pub format: Format,
    pub line: usize,
    pub store: Store,
    /// The objects that are read, by path.
    pub objects: Vec<Object>,
    /// Those that are not: address and reason.
    pub skipped: Vec<(String, &'static str)>,
}

/// Lists every table of every source.
///
/// # Errors
/// `Kind::Config` where a table has no object to read; `Kind::Unavailable` and `Kind::Io` of the storage.
pub async fn pin(config: &Config) -> Result<Vec<PinnedSource>> {
    let mut pinned = Vec::new();
    for source in config.sources.values() {
        let mut tables = Vec::new();
        for (name, table) in &source.tables {
            let table = pin_table(config, name, table).await;
            tables.push(table.with("source", &source.feed).with("table", name)?);
        }
        pinned.push(PinnedSource { source: source.clone(), tables });
    }
    Ok(pinned)
}

async fn pin_table(config: &Config, name: &str, table: &Table) -> Result<PinnedTable> {
    let (store, found) = if config.embedded {
        let store = sample::store()?;
        let objects = store.list(&table.url.value).await?;
        (store, objects)
    } else {
        store::find(&table.url.value, &config.base, &config.environment.0)
            .await
            .with("line", table.url.line)?
    };
    let mut objects = Vec::new();
    let mut skipped = Vec::new();
    // An object that is named outright is read whatever its ending.
    let is_named = found.len() == 1 && table.url.value.ends_with(found[0].path.as_str());
    for object in found {
        match reason_to_skip(&object, table.format, is_named) {
            None => objects.push(object),
            Some(reason) => skipped.push((object.url, reason)),
        }
    }
    if objects.is_empty() {
        let refused = Error::config("there is nothing to read at this address")
            .with("url", &table.url.value)
            .with("line", table.url.line);
        return Err(match skipped.first() {
            Some((url, reason)) => refused.with("skipped", format!("{} ({reason})", url)).hint(format!(
                "the table's format is {}; name the objects of that format",
                table.format.as_str()
            )),
            None => refused.hint("check the address; a folder ends with `/`, a pattern may hold `*`"),
        });
    }
    Ok(PinnedTable {
        name: name.to_string(),
        format: table.format,
        line: table.url.line,
        store,
        objects,
        skipped,
    })
}

/// Markers, empty objects and other formats are named as skipped, never read by guess.
fn reason_to_skip(object: &Object, format: Format, is_named: bool) -> Option<&'static str> {
    let name = object.path.rsplit('/').next().unwrap_or(&object.path).to_lowercase();
    if object.bytes == 0 {
        Some("empty")
    } else if is_named {
        None
    } else if name.starts_with('_') || name.starts_with('.') {
        Some("a marker or hidden object")
    } else if !name.ends_with(&format!(".{}", format.as_str())) {
        Some("another file extension")
    } else {
        None
    }
}
