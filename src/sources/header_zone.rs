//! The zone that a file states in its further header rows: `timezone = "from header"`.
//!
//! Some exports carry, under the names of the columns, a row of JSON objects that describe them, and those
//! of times name the zone (`{"ImportId":"startDate","timeZone":"America/Denver"}`). Each file says its own;
//! those that are read must agree, since after the mapping nobody could tell a value's file.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use chrono_tz::Tz;
use datafusion::logical_expr::lit;
use datafusion::prelude::DataFrame;

use super::expr::named;
use super::pin::PinnedTable;
use super::{land, text};
use crate::engine::{self, Engine};
use crate::error::{Error, Result};

/// The member of a description that names the zone.
const MEMBER: &str = "timeZone";

/// The zone that the files of a table state in their further header rows.
///
/// # Errors
/// `Kind::Data` where a file states none or one that is not known, and where they differ.
pub(super) async fn stated(engine: &Engine, table: &PinnedTable, raw: &DataFrame) -> Result<Tz> {
    let rows = i64::from(table.reading.skip_after_header);
    let header = raw.clone().filter(named(text::ROW).lt_eq(lit(rows)));
    let header = header.map_err(|e| engine::error(e, &table.name))?;
    let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for batch in engine.collect(header, &table.name).await? {
        zones_of(&batch, &mut zones)?;
    }
    let mut agreed: Option<(String, String)> = None;
    for (file, stated) in &zones {
        let stated: Vec<&String> = stated.iter().collect();
        let [zone] = stated.as_slice() else {
            let what = if stated.is_empty() { "no zone" } else { "several zones" };
            return Err(Error::data(format!("a file states {what} in its further header rows"))
                .with("file", file)
                .hint("set `timezone` to the zone of its times instead of \"from header\""));
        };
        match &agreed {
            Some((of, other)) if other != *zone => {
                return Err(Error::data("the files of one table state different zones")
                    .with("file", of)
                    .with("zone", other)
                    .with("other file", file)
                    .with("its zone", zone)
                    .hint("export them with the same zone, or read the newer ones only"));
            }
            Some(_) => {}
            None => agreed = Some((file.clone(), (*zone).clone())),
        }
    }
    // Without a file there is no time to be read.
    let Some((file, zone)) = agreed else { return Ok(Tz::UTC) };
    parse(&zone).ok_or_else(|| {
        Error::data("a file states a zone that is not known")
            .with("file", file)
            .with("zone", zone)
            .hint("set `timezone` to the zone of its times, such as \"America/Denver\"")
    })
}

/// An IANA name; some exports write UTC as `Z`.
fn parse(zone: &str) -> Option<Tz> {
    if zone == "Z" { Some(Tz::UTC) } else { zone.parse().ok() }
}

/// Adds the zones that the rows of a batch state, by file.
fn zones_of(batch: &RecordBatch, zones: &mut BTreeMap<String, BTreeSet<String>>) -> Result<()> {
    let schema = batch.schema();
    let Some((place, _)) = schema.column_with_name(land::FILE) else { return Ok(()) };
    let files = texts(batch, place)?;
    for (column, field) in schema.fields().iter().enumerate() {
        if field.name().starts_with('_') || !field.data_type().is_string() {
            continue;
        }
        for (cell, file) in texts(batch, column)?.into_iter().zip(&files) {
            let Some(file) = file else { continue };
            let stated = zones.entry(file.clone()).or_default();
            stated.extend(cell.as_deref().and_then(member));
        }
    }
    Ok(())
}

fn member(cell: &str) -> Option<String> {
    let described = cell.trim_start().starts_with('{').then(|| serde_json::from_str(cell).ok()).flatten();
    let described: serde_json::Value = described?;
    described.get(MEMBER)?.as_str().map(str::to_owned)
}

fn texts(batch: &RecordBatch, column: usize) -> Result<Vec<Option<String>>> {
    let cells = cast(batch.column(column), &DataType::Utf8)
        .map_err(|e| Error::internal("a column of text is none").caused_by(e))?;
    Ok(cells.as_string::<i32>().iter().map(|cell| cell.map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_names_its_zone() {
        for (cell, expected) in [
            (r#"{"ImportId":"startDate","timeZone":"America/Denver"}"#, Some("America/Denver")),
            (r#"{"ImportId":"QID1"}"#, None),
            (r#"{"timeZone":7}"#, None),
            ("{broken", None),
            ("Start Date", None),
            ("", None),
        ] {
            assert_eq!(member(cell).as_deref(), expected, "{cell}");
        }
    }

    #[test]
    fn zones_are_known_by_name() {
        assert_eq!(parse("Z"), Some(Tz::UTC));
        assert_eq!(parse("America/Denver"), Some(Tz::America__Denver));
        assert_eq!(parse("Mountain Time"), None);
    }
}
