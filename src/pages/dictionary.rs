//! The data dictionary as a page, from the table of that name.

use super::Source;
use crate::error::Result;
use crate::report::context::{DictionaryColumn, DictionaryPage, DictionaryTable, Links};

pub async fn page(source: &Source<'_>) -> Result<DictionaryPage> {
    let mut tables: Vec<DictionaryTable> = Vec::new();
    for row in source.rows("page_dictionary").await?.iter() {
        let name = row.said("table_name")?;
        if tables.last().is_none_or(|table| table.name != name) {
            tables.push(DictionaryTable {
                meaning: row.said("table_meaning")?,
                grain: row.said("grain")?.split(", ").map(str::to_string).collect(),
                rows: source.published.rows_of(&name),
                columns: Vec::new(),
                name,
            });
        }
        let column = DictionaryColumn {
            position: row.count("position")?,
            name: row.said("column_name")?,
            kind: row.said("kind")?,
            unit: row.text("unit")?,
            meaning: row.said("meaning")?,
            is_key: row.flag("is_key")?.unwrap_or(false),
            example: row.text("example")?,
        };
        if let Some(table) = tables.last_mut() {
            table.columns.push(column);
        }
    }
    let links = Links { stores: None, dictionary: None, report: None };
    Ok(DictionaryPage { run: source.facts.run.clone(), links, tables })
}
