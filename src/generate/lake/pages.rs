//! Pages of an API: files of one JSON object each, which holds its rows in an array.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::Result;
use super::super::exports::{Opener, unwritten};

const ROWS_A_PAGE: usize = 1_000;

pub(super) struct Page {
    folder: String,
    /// The name of the array.
    records: &'static str,
    rows: Vec<Value>,
    /// Arrays beside it, whose objects stand once a page, by their ids.
    beside: BTreeMap<&'static str, BTreeMap<u64, Value>>,
    pages: u32,
}

impl Page {
    pub fn new(folder: String, records: &'static str, beside: &[&'static str]) -> Self {
        let beside = beside.iter().map(|array| (*array, BTreeMap::new())).collect();
        Page { folder, records, rows: Vec::new(), beside, pages: 0 }
    }

    pub fn push(&mut self, opener: &mut Opener, row: Value) -> Result<()> {
        // Written before the row that does not fit, so that what stands beside a row is on its page.
        if self.rows.len() == ROWS_A_PAGE {
            self.write(opener, false)?;
        }
        self.rows.push(row);
        Ok(())
    }

    pub fn beside(&mut self, array: &'static str, id: u64, object: Value) {
        self.beside.entry(array).or_default().insert(id, object);
    }

    /// The last page; a night without news has one too, and it is empty.
    pub fn finish(mut self, opener: &mut Opener) -> Result<()> {
        self.write(opener, true)
    }

    fn write(&mut self, opener: &mut Opener, is_last: bool) -> Result<()> {
        self.pages += 1;
        let mut page = Map::new();
        page.insert(self.records.to_owned(), std::mem::take(&mut self.rows).into());
        for (array, objects) in &mut self.beside {
            let objects: Vec<Value> = std::mem::take(objects).into_values().collect();
            page.insert((*array).to_owned(), objects.into());
        }
        page.insert("end_of_stream".to_owned(), is_last.into());
        let mut file = opener.open(format!("{}/page-{:04}.json", self.folder, self.pages))?;
        serde_json::to_writer(&mut file, &page).map_err(unwritten("pages"))?;
        file.flush().map_err(unwritten("pages"))
    }
}
