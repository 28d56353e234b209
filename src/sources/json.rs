//! The reader of JSON exports: bytes in, batches of raw columns out.
//!
//! NDJSON is an object a line, JSON an array of objects, which may stand inside an object (`records`: pages
//! of an API's answers). Rows keep the number of their line or element. One that cannot be read gets a
//! `_problem` in place of values; a file whose arrays do not close is an error, as the rest of it is lost.
//!
//! A column is a path of names joined by dots (`via.channel`). Values stay as they are written: texts
//! without their quotes, numbers digit by digit (ids beyond 2^53 and `1.10` keep their digits), arrays as
//! JSON. Null and absence are null. Names may appear late in a file, so it is read twice: once for the
//! names, in the order in which they appear, and once for the values. Neither holds more than a record and
//! a batch.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::elements::Elements;
use super::land::FILE;
use super::object;
use super::text::{BATCH_BYTES, BATCH_ROWS, PROBLEM, ROW, not_text};
use super::window::{MAX_RECORD, Window};
use crate::config::Encoding;
use crate::error::{Error, Result};

/// Of one file. More come from objects that have ids for names, which are no columns.
const MAX_COLUMNS: usize = 2000;

/// How the JSON is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOptions {
    pub layout: Layout,
    pub encoding: Encoding,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// An object a line.
    Lines,
    /// One array; inside an object where a path of names leads to it.
    Array(Vec<String>),
}

/// An iterator of batches: the raw columns, then [`ROW`] and [`PROBLEM`]. It ends after its first error.
pub struct JsonReader<R> {
    records: Records<R>,
    encoding: Encoding,
    columns: HashMap<String, usize>,
    schema: SchemaRef,
    finished: bool,
}

impl<R: Read> JsonReader<R> {
    /// Reads the names of decompressed JSON, and begins anew; `None` if there is no row. `open` gives the
    /// same bytes each time. `file` is the name that errors give.
    pub fn open(open: impl Fn() -> Result<R>, options: &JsonOptions, file: &str) -> Result<Option<Self>> {
        let Some(names) = names(open()?, options, file)? else { return Ok(None) };
        let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
        let own = [Field::new(ROW, DataType::Int64, false), Field::new(PROBLEM, DataType::Utf8, true)];
        Ok(Some(Self {
            records: Records::new(open()?, options, file)?,
            encoding: options.encoding,
            schema: Arc::new(Schema::new(fields.chain(own).collect::<Vec<_>>())),
            columns: names.into_iter().enumerate().map(|(place, name)| (name, place)).collect(),
            finished: false,
        }))
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let width = self.columns.len();
        let mut columns: Vec<StringBuilder> = (0..width).map(|_| StringBuilder::new()).collect();
        let (mut rows, mut problems) = (Int64Builder::new(), StringBuilder::new());
        let (mut count, mut bytes) = (0, 0);
        let mut fields = Vec::new();
        let mut values: Vec<Option<String>> = vec![None; width];
        while count < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some((number, record)) = self.records.advance()? else { break };
            let problem = read(record, self.encoding, &mut fields).err();
            for (name, value) in fields.drain(..) {
                bytes += value.as_ref().map_or(0, String::len);
                if let Some(place) = self.columns.get(&name).filter(|_| problem.is_none()) {
                    values[*place] = value;
                }
            }
            for (column, value) in columns.iter_mut().zip(&mut values) {
                column.append_option(value.take());
            }
            problems.append_option(problem);
            rows.append_value(number);
            count += 1;
            bytes += width * size_of::<i32>();
        }
        if count == 0 {
            return Ok(None);
        }
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(width + 2);
        arrays.extend(columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        arrays.push(Arc::new(rows.finish()));
        arrays.push(Arc::new(problems.finish()));
        let batch = RecordBatch::try_new(self.schema(), arrays)
            .map_err(|error| Error::internal("rows do not fit their schema").caused_by(error))?;
        Ok(Some(batch))
    }
}

impl<R: Read> Iterator for JsonReader<R> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let batch = self.next_batch().transpose();
        self.finished = !matches!(batch, Some(Ok(_)));
        batch
    }
}

/// The columns of a file in the order in which they appear; `None` if it has no row at all.
fn names(input: impl Read, options: &JsonOptions, file: &str) -> Result<Option<Vec<String>>> {
    let mut records = Records::new(input, options, file)?;
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    let mut fields = Vec::new();
    let mut is_empty = true;
    while let Some((number, record)) = records.advance()? {
        is_empty = false;
        let is_read = read(record, options.encoding, &mut fields).is_ok();
        for (name, _) in fields.drain(..) {
            if !is_read || known.contains(&name) {
                continue;
            }
            let refused = |what: String, hint: &str| {
                Error::data(what).with("file", file).with("row", number).hint(hint)
            };
            if [ROW, PROBLEM, FILE].contains(&name.as_str()) || name.is_empty() {
                let what = format!("a name in the JSON is empty, or `{ROW}`, `{PROBLEM}` or `{FILE}`");
                return Err(refused(what, "these names are taken; rename the field in the export"));
            }
            if names.len() == MAX_COLUMNS {
                let what = format!("the JSON has more than {MAX_COLUMNS} names");
                return Err(refused(what, "ids are no names: export such objects as an array"));
            }
            known.insert(name.clone());
            names.push(name);
        }
    }
    Ok((!is_empty).then_some(names))
}

/// Reads one record into its fields, or says why it cannot be.
fn read(
    record: &[u8],
    encoding: Encoding,
    fields: &mut Vec<(String, Option<String>)>,
) -> std::result::Result<(), &'static str> {
    fields.clear();
    let text = std::str::from_utf8(record).map_err(|_| not_text(encoding))?;
    object::fields(text, fields)
}

/// One record after the other, with its number, from 1.
enum Records<R> {
    Lines(Lines<R>),
    Elements(Elements<R>),
}

impl<R: Read> Records<R> {
    fn new(input: R, options: &JsonOptions, file: &str) -> Result<Self> {
        let window = Window::new(input, options.encoding, file)?;
        Ok(match &options.layout {
            Layout::Lines => Records::Lines(Lines { window, line: 0, in_hand: 0 }),
            Layout::Array(path) => Records::Elements(Elements::new(window, path.clone())),
        })
    }

    fn advance(&mut self) -> Result<Option<(i64, &[u8])>> {
        match self {
            Records::Lines(lines) => lines.advance(),
            Records::Elements(elements) => elements.advance(),
        }
    }
}

/// Lines that are not blank; blank ones count.
struct Lines<R> {
    window: Window<R>,
    line: i64,
    /// The length of the line in hand, its line break included.
    in_hand: usize,
}

impl<R: Read> Lines<R> {
    fn advance(&mut self) -> Result<Option<(i64, &[u8])>> {
        loop {
            self.window.pass(self.in_hand);
            self.in_hand = 0;
            if self.window.peek()?.is_none() {
                return Ok(None);
            }
            let mut searched = 0;
            let length = loop {
                let unread = self.window.unread();
                match unread[searched..].iter().position(|byte| *byte == b'\n') {
                    Some(end) => break searched + end,
                    None if self.window.ended() || unread.len() > MAX_RECORD => break unread.len(),
                    None => searched = unread.len(),
                }
                self.window.fill()?;
            };
            if length > MAX_RECORD {
                let what = format!("a line is longer than {} MiB", MAX_RECORD >> 20);
                return Err(self
                    .window
                    .error(what)
                    .with("row", self.line + 1)
                    .hint("NDJSON has an object a line; for one array say `format = \"json\"`"));
            }
            self.line += 1;
            self.in_hand = (length + 1).min(self.window.unread().len());
            if !self.window.unread()[..length].trim_ascii().is_empty() {
                return Ok(Some((self.line, &self.window.unread()[..length])));
            }
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
