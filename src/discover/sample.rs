//! A sample: the first rows of a few objects, as columns of text.
//!
//! The reader of the nightly run is strict and is told how to read; this one has to find out. It looks at
//! the beginning only, guesses the encoding and the delimiter, and does not mind a broken end.

use std::collections::{BTreeMap, BTreeSet};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::sources::raw::check_footer;
use crate::store::{Object, Store};

/// Of each object, at most.
pub const BYTES: u64 = 1 << 20;
/// Of each object, at most.
const ROWS: usize = 1_000;
/// Between fields, in the order in which ties are decided.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// What the beginning of a table's objects shows.
#[derive(Debug, Default, Clone)]
pub struct Sample {
    /// Of CSV; none: a comma.
    pub delimiter: Option<char>,
    /// None: UTF-8, or said by a byte order mark.
    pub encoding: Option<&'static str>,
    /// The array of rows inside a JSON object.
    pub records: Option<String>,
    /// Rows right after the header that are no data.
    pub skip: usize,
    /// In the order of the first object.
    pub columns: Vec<Column>,
    pub rows: usize,
    /// Of each row: the delivery that it came with, counted from 0.
    pub deliveries: Vec<usize>,
    /// Each delivery has a date in its path.
    pub is_dated: bool,
    /// The delivery that is being read.
    pub(super) delivery: usize,
}

#[derive(Debug, Default, Clone)]
pub struct Column {
    pub name: String,
    /// The question that the column holds the answers to, where rows after the header say it.
    pub label: Option<String>,
    /// One a row; empty where there is none.
    pub values: Vec<String>,
}

impl Sample {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a value comes twice in one delivery.
    pub fn comes_twice(&self, column: &Column) -> bool {
        let mut seen = BTreeSet::new();
        column
            .values
            .iter()
            .zip(&self.deliveries)
            .map(|(value, delivery)| (value.trim(), delivery))
            .any(|(value, delivery)| !value.is_empty() && !seen.insert((delivery, value)))
    }

    fn add(&mut self, row: Vec<(String, String)>) {
        for (name, value) in row {
            let place = self.columns.iter().position(|column| column.name == name).unwrap_or_else(|| {
                self.columns.push(Column { name, ..Column::default() });
                self.columns.len() - 1
            });
            let values = &mut self.columns[place].values;
            values.resize(self.rows, String::new());
            values.push(value);
        }
        self.rows += 1;
        self.deliveries.push(self.delivery);
        for column in &mut self.columns {
            column.values.resize(self.rows, String::new());
        }
    }
}

/// Reads the beginning of each object; the number beside it says which delivery it belongs to.
///
/// # Errors
/// Those of the storage; `Kind::Data` for what is not of the format that its name tells.
pub async fn sample(
    engine: &Engine,
    place: &Store,
    format: &str,
    objects: &[(usize, Object)],
    is_dated: bool,
) -> Result<Sample> {
    let mut sample = Sample { is_dated, ..Sample::default() };
    for (delivery, object) in objects {
        sample.delivery = *delivery;
        if format == "parquet" {
            parquet(engine, place, object, &mut sample).await?;
            continue;
        }
        let (bytes, is_whole) = place.head(object, BYTES).await?;
        let (text, encoding) = decoded(&bytes);
        sample.encoding = sample.encoding.or(encoding);
        match format {
            "csv" => csv(&text, is_whole, &mut sample),
            _ => json(&text, &mut sample),
        }
    }
    Ok(sample)
}

/// Text, and the encoding that must be declared.
fn decoded(bytes: &[u8]) -> (String, Option<&'static str>) {
    let utf16 = |bytes: &[u8], is_little: bool| {
        let unit = |pair: &[u8]| match (pair, is_little) {
            ([low, high], true) | ([high, low], false) => u16::from_le_bytes([*low, *high]),
            _ => 0,
        };
        String::from_utf16_lossy(&bytes.chunks_exact(2).map(unit).collect::<Vec<_>>())
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (String::from_utf8_lossy(rest).into_owned(), None),
        [0xff, 0xfe, rest @ ..] => (utf16(rest, true), Some("utf-16")),
        [0xfe, 0xff, rest @ ..] => (utf16(rest, false), Some("utf-16")),
        [_, 0, _, 0, ..] => (utf16(bytes, true), Some("utf-16")),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_string(), None),
            // The end of the sample may cut a character.
            Err(e) if e.error_len().is_none() => {
                (String::from_utf8_lossy(&bytes[..e.valid_up_to()]).into(), None)
            }
            Err(_) => (bytes.iter().map(|byte| char::from(*byte)).collect(), Some("latin-1")),
        },
    }
}

// ---- CSV -----------------------------------------------------------------------------------------------

fn csv(text: &str, is_whole: bool, sample: &mut Sample) {
    let delimiter = delimiter(text);
    let mut records = records(text, delimiter, ROWS + 1);
    // The last record of a sample may be cut.
    if !is_whole && records.len() > 1 && records.len() <= ROWS {
        records.pop();
    }
    let mut records = records.into_iter();
    let Some(header) = records.next() else { return };
    let mut records = records.peekable();
    let labels = labels(&header, &mut records, sample);
    if delimiter != ',' {
        sample.delimiter = Some(delimiter);
    }
    for record in records.filter(|record| record.len() == header.len()) {
        sample.add(header.iter().map(|name| name.trim().to_string()).zip(record).collect());
    }
    if sample.columns.is_empty() {
        let column = |name: &String| Column { name: name.trim().into(), ..Column::default() };
        sample.columns = header.iter().map(column).collect();
    }
    for (name, label) in labels {
        if let Some(column) = sample.columns.iter_mut().find(|column| column.name == name) {
            column.label.get_or_insert(label);
        }
    }
}

/// The questions in the row after the header, where the row after that one names the columns once more in
/// JSON, as Qualtrics writes it; both rows are passed.
fn labels(
    header: &[String],
    records: &mut std::iter::Peekable<impl Iterator<Item = Vec<String>> + Clone>,
    sample: &mut Sample,
) -> Vec<(String, String)> {
    let is_import = |record: &Vec<String>| {
        record.len() > 1 && record.iter().all(|cell| cell.starts_with("{\"ImportId\""))
    };
    if !records.clone().nth(1).is_some_and(|record| is_import(&record)) {
        return Vec::new();
    }
    sample.skip = 2;
    let questions = records.next().unwrap_or_default();
    records.next();
    header.iter().map(|name| name.trim().to_string()).zip(questions).collect()
}

fn records(text: &str, delimiter: char, most: usize) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(u8::try_from(delimiter).unwrap_or(b','));
    let records = reader.from_reader(text.as_bytes()).into_records();
    records
        .take(most)
        .map_while(|record| record.ok())
        .map(|record| record.iter().map(str::to_string).collect())
        .collect()
}

/// The delimiter that cuts the first records into the most fields, all into as many as the header.
fn delimiter(text: &str) -> char {
    let fields = |delimiter: &char| {
        let records = records(text, *delimiter, 20);
        let width = records.first().map_or(0, Vec::len);
        let even = records.iter().filter(|record| record.len() == width).count();
        if 2 * even > records.len() { width } else { 1 }
    };
    let widest = DELIMITERS.iter().map(fields).max().unwrap_or(1);
    DELIMITERS.into_iter().find(|delimiter| fields(delimiter) == widest).unwrap_or(',')
}

// ---- JSON ----------------------------------------------------------------------------------------------

/// Objects of a JSON text: one a line, or in an array, or in an array inside one object.
fn json(text: &str, sample: &mut Sample) {
    let text = text.trim_start();
    let (mut rest, key) = match text.chars().next() {
        Some('[') => (&text[1..], None),
        _ => match array_inside(text) {
            Some((key, start)) => (&text[start..], Some(key)),
            None => (text, None),
        },
    };
    sample.records = sample.records.take().or(key);
    for _ in 0..ROWS {
        rest = rest.trim_start_matches([',', ' ', '\t', '\r', '\n']);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(Value::Object(object))) = values.next() else { break };
        rest = &rest[values.byte_offset()..];
        let mut row = Vec::new();
        flatten("", &Value::Object(object), &mut row);
        sample.add(row);
    }
}

/// The longest array of objects inside an object, by its key, and where its first object begins: pages hold
/// lists of people or teams beside their rows. A line that is an object by itself has none.
fn array_inside(text: &str) -> Option<(String, usize)> {
    let (mut depth, mut in_text, mut is_escaped) = (0, false, false);
    // The array that is being passed, and the longest one: name, start, length.
    let mut open: Option<(String, usize)> = None;
    let mut longest: Option<(String, usize, usize)> = None;
    let mut closed = |open: &mut Option<(String, usize)>, end: usize| {
        if let Some((key, start)) = open.take()
            && longest.as_ref().is_none_or(|(_, _, length)| end - start > *length)
        {
            longest = Some((key, start, end - start));
        }
        longest.clone().map(|(key, start, _)| (key, start))
    };
    let (mut key, mut begun) = (String::new(), 0);
    for (at, c) in text.char_indices() {
        if in_text {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => {
                    in_text = false;
                    if depth == 1 && text[at + 1..].trim_start().starts_with(':') {
                        key = text[begun..at].to_string();
                    }
                }
                _ => {}
            }
            continue;
        }
        match c {
            '"' => (in_text, begun) = (true, at + 1),
            '[' if depth == 1 && open.is_none() && text[at + 1..].trim_start().starts_with('{') => {
                open = Some((key.clone(), at + 1));
                depth += 1;
            }
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth -= 1;
                if depth == 1 {
                    closed(&mut open, at);
                } else if depth == 0 {
                    // Objects one a line have arrays inside as well, but another object after them.
                    let is_line = text[at + 1..].trim_start().starts_with('{');
                    return if is_line { None } else { closed(&mut open, at) };
                }
            }
            _ => {}
        }
    }
    closed(&mut open, text.len())
}

fn flatten(path: &str, value: &Value, row: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, row);
            }
        }
        Value::Null => row.push((path.into(), String::new())),
        Value::String(text) => row.push((path.into(), text.clone())),
        other => row.push((path.into(), other.to_string())),
    }
}

// ---- Parquet -------------------------------------------------------------------------------------------

async fn parquet(engine: &Engine, place: &Store, object: &Object, sample: &mut Sample) -> Result<()> {
    check_footer(place, object).await?;
    let ctx = engine.mapping_session();
    let pinned = place.pinned(std::slice::from_ref(object))?;
    engine::register_store(&ctx, "sample", "sample://object", pinned, true).await?;
    let failed = |e| engine::run_error(e, "a sample");
    let rows = ctx.table("sample").await.and_then(|rows| rows.limit(0, Some(ROWS))).map_err(failed)?;
    let names: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let options = FormatOptions::default().with_display_error(true);
    for batch in engine.collect(rows, "a sample").await? {
        let cells: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| Error::internal("a value cannot be shown").caused_by(e))?;
        for row in 0..batch.num_rows() {
            let values = cells.iter().map(|cell| cell.value(row).to_string());
            sample.add(names.iter().cloned().zip(values).collect());
        }
    }
    Ok(())
}

/// How often each value of a column occurs, empty ones left out.
pub fn counts(column: &Column) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for value in column.values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()) {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sample: &Sample) -> Vec<String> {
        sample.columns.iter().map(|column| format!("{}={}", column.name, column.values.join("/"))).collect()
    }

    #[test]
    fn delimiters_and_encodings_are_found_out() {
        let mut sample = Sample::default();
        csv("id;text;amount\n1;\"a, b; c\";3,50\n2;c, d;4,00\n", true, &mut sample);
        assert_eq!(
            (sample.delimiter, shown(&sample)),
            (Some(';'), vec!["id=1/2".into(), "text=a, b; c/c, d".into(), "amount=3,50/4,00".into()])
        );
        assert_eq!(delimiter("a\n1\n"), ',');
        assert_eq!(delimiter("a\tb, c\n1\t2\n"), '\t');
        assert_eq!(decoded("größe".as_bytes()), ("größe".to_string(), None));
        assert_eq!(decoded(&"größe".as_bytes()[..4]), ("gr\u{f6}".to_string(), None));
        assert_eq!(decoded(&"größe".as_bytes()[..3]), ("gr".to_string(), None));
        assert_eq!(decoded(b"gr\xf6\xdfe"), ("größe".to_string(), Some("latin-1")));
        assert_eq!(decoded(b"\xff\xfea\0b\0"), ("ab".to_string(), Some("utf-16")));
        assert_eq!(decoded(b"\xef\xbb\xbfab"), ("ab".to_string(), None));
    }

    #[test]
    fn json_is_read_in_each_of_its_forms_even_if_cut() {
        for (text, records) in [
            ("{\"id\":1,\"via\":{\"channel\":\"web\"}}\n{\"id\":2,\"tags\":[{\"a\":1}]}\n{\"id\":", None),
            ("[{\"id\":1,\"via\":{\"channel\":\"web\"}},\n{\"id\":2,\"tags\":[{\"a\":1}]}, {\"id\"", None),
            (
                "{\"count\":2,\"users\":[],\"tickets\":[{\"id\":1,\"via\":{\"channel\":\"web\"}},{\"id\":2,\"tags\":[{\"a\":1}]},{\"i",
                Some("tickets"),
            ),
        ] {
            let mut sample = Sample::default();
            json(text, &mut sample);
            assert_eq!(sample.records.as_deref(), records, "{text}");
            assert_eq!(shown(&sample), ["id=1/2", "via.channel=web/", "tags=/[{\"a\":1}]"], "{text}");
        }
        // Lines with arrays inside are lines.
        let mut sample = Sample::default();
        json("{\"tags\":[{\"a\":1}],\"id\":1}\n{\"tags\":[],\"id\":2}\n", &mut sample);
        assert_eq!((sample.records.clone(), sample.rows), (None, 2));
    }

    /// Pages name teams and people beside the rows that they are about.
    #[test]
    fn the_longest_array_holds_the_rows() {
        let mut sample = Sample::default();
        let teams = "\"teams\":[{\"id\":7},{\"id\":8}]";
        let tickets = "\"tickets\":[{\"id\":1,\"subject\":\"late\",\"tags\":[{\"a\":1}]}]";
        json(&format!("{{{teams},{tickets},\"next\":null}}"), &mut sample);
        assert_eq!(sample.records.as_deref(), Some("tickets"));
        assert_eq!(shown(&sample), ["id=1", "subject=late", "tags=[{\"a\":1}]"]);
    }

    #[test]
    fn rows_that_explain_the_header_are_no_data() {
        let mut sample = Sample::default();
        let import = "\"{\"\"ImportId\"\":\"\"a\"\"}\",\"{\"\"ImportId\"\":\"\"b\"\"}\"";
        csv(&format!("id,Q1\nResponse,How likely?\n{import}\nR1,9\n"), true, &mut sample);
        assert_eq!((sample.skip, shown(&sample)), (2, vec!["id=R1".into(), "Q1=9".into()]));
        assert_eq!(sample.columns[1].label.as_deref(), Some("How likely?"));
        let mut sample = Sample::default();
        csv("id,Q1\nR0,8\nR1,9\n", true, &mut sample);
        assert_eq!((sample.skip, sample.rows), (0, 2));
    }

    #[test]
    fn a_cut_record_is_left_out() {
        let mut sample = Sample::default();
        csv("id,at\n1,2025-01-01\n2,2025-0", false, &mut sample);
        assert_eq!(shown(&sample), ["id=1", "at=2025-01-01"]);
    }
}
