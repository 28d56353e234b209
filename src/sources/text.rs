//! The reader of text exports: bytes in, batches of raw columns out.
//!
//! Exports are read as they are, not as they should be. Columns go by header name and stay text; what a
//! value means is decided later. One bad row never fails a file: it keeps its number (`_row`, the
//! 1-based data row) and gets a `_problem` in place of values. Rows are records, not lines, since a
//! quoted field may hold line breaks.
//!
//! The hard case is a quote that is never closed: to a lenient parser all that follows, up to the end of
//! an 8 GB file, is one field. Here a record that is still open at the end of the file or after
//! [`MAX_RECORD`] bytes, or that spans lines and closes a quote in the middle of a field, costs its first
//! line only; reading goes on with the second. So memory is bounded, and rows are not swallowed unseen.
//!
//! What it does not see: a stray quote that the next one closes right at the end of a field is valid CSV.
//! A ragged record is one row, however many lines its quotes hold.
//! Blank lines are no rows (`csv_core` skips them as well), so in a file of one column an empty value
//! must be quoted. Line breaks are `\n`, `\r\n` and `\r`.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use csv_core::ReadRecordResult;

use super::land::FILE;
use super::window::{MAX_RECORD, Window};
use crate::config::Encoding;
use crate::error::{Error, Result};

/// Raised when the same bytes would yield other rows; part of the key of cached copies.
pub const READER_VERSION: u32 = 2;

/// Column with the number of the data row, from 1; the header is not counted.
pub const ROW: &str = "_row";
/// Column that says why a row could not be read, null if it could.
pub const PROBLEM: &str = "_problem";

pub const RAGGED: &str = "ragged";
pub const NOT_UTF8: &str = "not UTF-8";
pub const NOT_UTF16: &str = "not UTF-16";
pub const OPEN_QUOTE: &str = "quote never closed";

/// A batch ends with the first of the two that it reaches.
pub(super) const BATCH_ROWS: usize = 8192;
pub(super) const BATCH_BYTES: usize = 8 << 20;
const FIRST_FIELDS: usize = 256 << 10;

/// How the text is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextOptions {
    pub delimiter: u8,
    pub encoding: Encoding,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { delimiter: b',', encoding: Encoding::Utf8 }
    }
}

/// An iterator of batches: the raw columns, then [`ROW`] and [`PROBLEM`]. It ends after its first error.
pub struct TextReader<R> {
    records: Records<R>,
    header: Vec<String>,
    schema: SchemaRef,
    encoding: Encoding,
    row: i64,
    finished: bool,
}

/// Why a row with bytes that are no text could not be read.
pub(super) fn not_text(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf16 => NOT_UTF16,
        Encoding::Utf8 | Encoding::Latin1 => NOT_UTF8,
    }
}

impl<R: Read> TextReader<R> {
    /// Reads the header of decompressed text; `None` if there is no line to be the header.
    /// `file` is the name that errors give.
    pub fn open(input: R, options: &TextOptions, file: &str) -> Result<Option<Self>> {
        let mut records = Records::new(input, options, file)?;
        let Some(header) = records.header()? else { return Ok(None) };
        let schema = Schema::new(
            header
                .iter()
                .map(|name| Field::new(name, DataType::Utf8, true))
                .chain([Field::new(ROW, DataType::Int64, false), Field::new(PROBLEM, DataType::Utf8, true)])
                .collect::<Vec<_>>(),
        );
        let encoding = options.encoding;
        Ok(Some(Self { records, header, schema: Arc::new(schema), encoding, row: 0, finished: false }))
    }

    /// The names of the raw columns, trimmed, in the order of the file.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let width = self.header.len();
        let mut columns: Vec<StringBuilder> = (0..width).map(|_| StringBuilder::new()).collect();
        let (mut rows, mut problems) = (Int64Builder::new(), StringBuilder::new());
        let (mut count, mut bytes) = (0, 0);
        while count < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some(outcome) = self.records.advance()? else { break };
            let fields = match outcome {
                Outcome::OpenQuote => Err(OPEN_QUOTE),
                Outcome::Record if self.records.width != width => Err(RAGGED),
                Outcome::Record => self.records.fields().ok_or(not_text(self.encoding)),
            };
            match fields {
                Ok(fields) => {
                    columns.iter_mut().zip(fields).for_each(|(column, field)| column.append_value(field));
                    problems.append_null();
                    bytes += self.records.text_len();
                }
                Err(problem) => {
                    columns.iter_mut().for_each(StringBuilder::append_null);
                    problems.append_value(problem);
                }
            }
            self.row += 1;
            rows.append_value(self.row);
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

impl<R: Read> Iterator for TextReader<R> {
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

/// What [`Records::advance`] found.
enum Outcome {
    /// A record; its fields are in [`Records::fields`].
    Record,
    /// A line whose quote is never closed; the line after it comes next.
    OpenQuote,
}

/// Cuts bytes into records and records into fields. The raw bytes of the record in hand stay in the
/// buffer until it is known to be one.
struct Records<R> {
    window: Window<R>,
    delimiter: u8,
    parser: csv_core::Reader,
    /// The fields of the record in hand, unquoted, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    width: usize,
}

impl<R: Read> Records<R> {
    fn new(input: R, options: &TextOptions, file: &str) -> Result<Self> {
        let delimiter = options.delimiter;
        Ok(Self {
            window: Window::new(input, options.encoding, file)?,
            delimiter,
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            text: vec![0; FIRST_FIELDS],
            ends: vec![0; 64],
            width: 0,
        })
    }

    /// Moves to the next record; `None` at the end of the input.
    fn advance(&mut self) -> Result<Option<Outcome>> {
        loop {
            match self.window.peek()? {
                Some(b'\r' | b'\n') => self.window.pass(1),
                Some(_) => break,
                None => return Ok(None),
            }
        }
        let (mut scanned, mut written) = (0, 0);
        self.width = 0;
        loop {
            let mut unread = &self.window.unread()[scanned..];
            let at_end = unread.is_empty();
            if at_end && !self.window.ended() {
                if scanned >= MAX_RECORD {
                    return self.give_up_line().map(Some);
                }
                self.window.fill()?;
                continue;
            }
            if at_end {
                // The last record may lack its line break, and only an open quote outlives one.
                unread = b"\n";
            }
            let (result, read, wrote, found) =
                self.parser.read_record(unread, &mut self.text[written..], &mut self.ends[self.width..]);
            scanned += if at_end { 0 } else { read };
            written += wrote;
            self.width += found;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty | ReadRecordResult::End if at_end => {
                    return self.give_up_line().map(Some);
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
        }
        let raw = &self.window.unread()[..scanned];
        let first_line = line_length(raw).unwrap_or(scanned);
        if first_line + 1 < scanned && !closes_quotes_at_field_ends(raw, self.delimiter) {
            return self.give_up_line().map(Some);
        }
        self.window.pass(scanned);
        Ok(Some(Outcome::Record))
    }

    /// The next record as names of columns, each of them once.
    fn header(&mut self) -> Result<Option<Vec<String>>> {
        match self.advance()? {
            Some(Outcome::Record) => {}
            Some(Outcome::OpenQuote) => {
                return Err(self.window.error("the header opens a quote and never closes it"));
            }
            None => return Ok(None),
        }
        let Some(names) = self.fields() else {
            return Err(self.window.error("the header is not UTF-8").hint(
                "export the file as UTF-8, or say how it is written: `encoding = \"latin-1\"` or \"utf-16\"",
            ));
        };
        let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
        if let [only] = names.as_slice()
            && let Some(meant) =
                [';', '\t', '|', ','].into_iter().find(|mark| only.matches(*mark).count() > 1)
        {
            // Read as one column it would be said to lack all others.
            return Err(self
                .window
                .error("the header is one column, with delimiters of another kind in it")
                .hint(format!("declare how fields are told apart: `delimiter = {:?}`", meant.to_string())));
        }
        let mut seen = HashSet::from([ROW, PROBLEM, FILE]);
        for (index, name) in names.iter().enumerate() {
            // The name is not shown: in a file without a header it is a customer's value.
            let what = match name.as_str() {
                "" => "a column of the header has no name",
                name if !seen.insert(name) => "a column of the header has the name of another one",
                _ => continue,
            };
            let hint =
                format!("every column needs a name of its own, other than `{FILE}`, `{ROW}` and `{PROBLEM}`");
            return Err(self.window.error(what).with("column", index + 1).hint(hint));
        }
        Ok(Some(names))
    }

    /// The fields of the record in hand; `None` if one of them is not UTF-8.
    fn fields(&self) -> Option<impl Iterator<Item = &str>> {
        let text = std::str::from_utf8(&self.text[..self.text_len()]).ok()?;
        let ends = &self.ends[..self.width];
        // A character may not begin in one field and end in the next.
        ends.iter().all(|&end| text.is_char_boundary(end)).then(|| {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            starts.zip(ends).map(|(start, &end)| &text[start..end])
        })
    }

    fn text_len(&self) -> usize {
        self.ends[..self.width].last().copied().unwrap_or(0)
    }

    /// Takes the record in hand for its first line only, and starts afresh after it.
    fn give_up_line(&mut self) -> Result<Outcome> {
        let unread = self.window.unread();
        let length = match line_length(unread) {
            Some(length) => length,
            None if self.window.ended() => unread.len(),
            None => {
                let error = self.window.error(format!("a line is longer than {} MiB", MAX_RECORD >> 20));
                return Err(error.hint("check that the file is text and its lines end with line breaks"));
            }
        };
        self.window.pass(length);
        self.parser.reset();
        Ok(Outcome::OpenQuote)
    }
}

/// How many bytes come before the first line break.
fn line_length(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Whether in a record every field that begins with a quote ends with one. `csv_core` does not insist:
/// it reads `"a"b` as `ab`.
fn closes_quotes_at_field_ends(record: &[u8], delimiter: u8) -> bool {
    let mut rest = record;
    loop {
        if let [b'"', field @ ..] = rest {
            rest = field;
            loop {
                let Some(quote) = rest.iter().position(|&byte| byte == b'"') else { return false };
                rest = &rest[quote + 1..];
                match rest.first() {
                    Some(b'"') => rest = &rest[1..],
                    Some(&byte) if byte == delimiter => break,
                    Some(b'\r' | b'\n') | None => return true,
                    Some(_) => return false,
                }
            }
        }
        match rest.iter().position(|&byte| byte == delimiter) {
            Some(end) => rest = &rest[end + 1..],
            None => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    use crate::error::Kind;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;

    /// Hands out a few bytes at a time, as a slow network does.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn open<R: Read>(input: R) -> Result<Option<TextReader<R>>> {
        TextReader::open(input, &TextOptions::default(), "surveys.csv")
    }

    /// Every row as `number: fields`, or `number! problem`.
    fn rows(reader: TextReader<impl Read>) -> Vec<String> {
        let mut rows = Vec::new();
        for batch in reader {
            let batch = batch.expect("a batch");
            let (last, problems) =
                (batch.num_columns() - 1, batch.column(batch.num_columns() - 1).as_string::<i32>());
            let numbers = batch.column(last - 1).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let raw = &batch.columns()[..last - 1];
                if problems.is_null(row) {
                    let fields: Vec<&str> =
                        raw.iter().map(|column| column.as_string::<i32>().value(row)).collect();
                    assert!(raw.iter().all(|column| column.is_valid(row)), "an empty field is no null");
                    rows.push(format!("{}: {}", numbers.value(row), fields.join("|")));
                } else {
                    assert!(raw.iter().all(|column| column.is_null(row)), "a bad row has no values");
                    rows.push(format!("{}! {}", numbers.value(row), problems.value(row)));
                }
            }
        }
        rows
    }

    #[test]
    fn rows_are_read_one_by_one() {
        for (text, expected) in [
            ("a,b\n1,2\n3,4\n", &["1: 1|2", "2: 3|4"][..]),
            ("a,b\r\n1,2\r\n3,4", &["1: 1|2", "2: 3|4"]),
            ("a,b\r1,2\r3,4\r", &["1: 1|2", "2: 3|4"]),
            ("\u{feff}a,b\n1,2\n", &["1: 1|2"]),
            ("\u{feff}\"a\",b\n1,2\n", &["1: 1|2"]),
            ("a,b\n", &[]),
            ("a,b", &[]),
            // Empty fields stay, blank lines are no rows.
            ("\n\na,b\n\n,\n\r\n\"\",x\n\n", &["1: |", "2: |x"]),
            (" a , b\n 1 , 2\n", &["1:  1 | 2"]),
            // Quotes, and line breaks in them.
            ("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n", &["1: x, y|say \"hi\""]),
            ("a,b\n\"two\nlines\",2\n3,4\n", &["1: two\nlines|2", "2: 3|4"]),
            ("a,b\n\"say \"\"hi\"\"\nthere\",2\n", &["1: say \"hi\"\nthere|2"]),
            ("a,b\n1,\"two\r\n\r\nlines\"", &["1: 1|two\r\n\r\nlines"]),
            ("a,b\n5\" pipe,2\n3,4\n", &["1: 5\" pipe|2", "2: 3|4"]),
            // Ragged rows keep their number, and cost nothing else.
            ("a,b\n1\n1,2\n1,2,3\n3,4\n", &["1! ragged", "2: 1|2", "3! ragged", "4: 3|4"]),
            ("a,b\n   \n3,4\n", &["1! ragged", "2: 3|4"]),
            // A quote that is never closed costs its line, wherever it is.
            ("a,b\n1,\"x\n3,4\n5,6\n", &["1! quote never closed", "2: 3|4", "3: 5|6"]),
            ("a,b\n1,2\n3,\"x", &["1: 1|2", "2! quote never closed"]),
            ("a,b\n1,2\n3,\"x\n", &["1: 1|2", "2! quote never closed"]),
            ("a,b\n1,2\n3,\"x\"\"\n", &["1: 1|2", "2! quote never closed"]),
            ("a,b\n1,2\n\"", &["1: 1|2", "2! quote never closed"]),
            ("a,b\n1,\"x\n\n\"two\nlines\",4\n", &["1! quote never closed", "2: two\nlines|4"]),
            // So do two of them, that would make one record of the lines between.
            (
                "a,b\n1,\"x\n3,4\n5,\"y\n7,8\n",
                &["1! quote never closed", "2: 3|4", "3! quote never closed", "4: 7|8"],
            ),
            // Within its line a stray quote is read as it can be.
            ("a,b\n\"say \"hi\" now\",2\n3,4\n", &["1: say hi\" now\"|2", "2: 3|4"]),
        ] {
            for step in [1, 2, 3, 7, 1000] {
                let reader = open(Slow(text.as_bytes(), step)).expect("a reader").expect("a header");
                assert_eq!(rows(reader), expected, "{text:?}, {step} bytes at a time");
            }
        }
    }

    #[test]
    fn bad_bytes_cost_their_row() {
        // The last row's two fields would be UTF-8 together.
        let text = b"a,b\n1,caf\xe9\n3,4\n\xc3,\xa9\n5,6\n";
        let reader = open(&text[..]).expect("a reader").expect("a header");
        assert_eq!(rows(reader), ["1! not UTF-8", "2: 3|4", "3! not UTF-8", "4: 5|6"]);
    }

    #[test]
    fn the_delimiter_is_an_option() {
        let options = TextOptions { delimiter: b';', ..TextOptions::default() };
        let text = "a;b\n1,5;\"x;y\"\n2;\"z\n3;4\n5;\"6\n\"two\nlines\";7\n";
        let reader = TextReader::open(text.as_bytes(), &options, "f").expect("a reader").expect("a header");
        assert_eq!(
            rows(reader),
            ["1: 1,5|x;y", "2! quote never closed", "3: 3|4", "4! quote never closed", "5: two\nlines|7"]
        );
    }

    #[test]
    fn other_encodings_are_read_by_declaration() {
        let read = |bytes: &[u8], encoding| {
            let options = TextOptions { encoding, ..TextOptions::default() };
            rows(TextReader::open(Slow(bytes, 1), &options, "f").expect("a reader").expect("a header"))
        };
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert_eq!(read(b"a,\xe9\ncaf\xe9,\x80\n", Encoding::Latin1), ["1: café|€"]);
        let text = "a,b\n\"two\nlines\",é\n3,😀\n";
        for bytes in [utf16(text), utf16(&format!("\u{feff}{text}"))] {
            assert_eq!(read(&bytes, Encoding::Utf16), ["1: two\nlines|é", "2: 3|😀"]);
        }
        let mut bytes = utf16("a,b\n1,");
        bytes.extend([0x3d, 0xd8]);
        bytes.extend(utf16("\n3,4\n"));
        assert_eq!(read(&bytes, Encoding::Utf16), ["1! not UTF-16", "2: 3|4"]);
    }

    #[test]
    fn the_header_names_the_columns() {
        let text = "\u{feff} a ,\"b c\",Ä\n";
        let reader = open(Slow(text.as_bytes(), 1)).expect("a reader").expect("a header");
        assert_eq!(reader.header(), ["a", "b c", "Ä"]);
        let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["a", "b c", "Ä", "_row", "_problem"]);
        for nothing in ["", "\n\r\n", "\u{feff}"] {
            assert!(open(nothing.as_bytes()).expect("no error").is_none(), "{nothing:?}");
        }
    }

    #[test]
    fn a_bad_header_is_an_error_that_shows_no_value() {
        for (text, message, column) in [
            (&b"ana,b,ana \n"[..], "a column of the header has the name of another one", Some("3")),
            (b"a,,c\n", "a column of the header has no name", Some("2")),
            (b"a,b,\n", "a column of the header has no name", Some("3")),
            (b"_row,b\n", "a column of the header has the name of another one", Some("1")),
            (b"a,b\xe9\n", "the header is not UTF-8", None),
            (b"a\xff,b\n", "the header is not UTF-8", None),
            (b"a,_file\n", "a column of the header has the name of another one", Some("2")),
            (b"a,\"b\n1,2\n", "the header opens a quote and never closes it", None),
            (b"a;b;c\n1;2;3\n", "the header is one column, with delimiters of another kind in it", None),
            (b"a\tb\tc\n", "the header is one column, with delimiters of another kind in it", None),
        ] {
            let error = open(text).map(|_| ()).expect_err(message);
            assert_eq!((error.kind(), error.message()), (Kind::Data, message));
            let context: Vec<_> = error.context().iter().map(|(key, value)| (*key, value.as_str())).collect();
            let mut expected: Vec<_> = column.map(|column| ("column", column)).into_iter().collect();
            expected.insert(0, ("file", "surveys.csv"));
            assert_eq!(context, expected);
        }
    }

    #[test]
    fn batches_are_bounded_by_rows_and_by_bytes() {
        let narrow = format!("a\n{}", "1\n".repeat(20_000));
        let sizes = |text: &str| -> Vec<usize> {
            let reader = open(text.as_bytes()).expect("a reader").expect("a header");
            reader.map(|batch| batch.expect("a batch").num_rows()).collect()
        };
        assert_eq!(sizes(&narrow), [8192, 8192, 3616]);
        let wide = format!("a\n{}", format!("{}\n", "x".repeat(1 << 20)).repeat(20));
        assert_eq!(sizes(&wide), [8, 8, 4]);
    }

    #[test]
    fn an_open_quote_in_a_long_file_costs_its_line() {
        let line = "3,4 and some more text\n";
        let count = 2 * MAX_RECORD / line.len();
        let text = format!("a,b\n1,\"x\n{}5,\"6\n7,8\n", line.repeat(count));
        let mut reader = open(text.as_bytes()).expect("a reader").expect("a header");
        let (mut read, mut bad) = (0, Vec::new());
        for batch in reader.by_ref() {
            let batch = batch.expect("a batch");
            let (numbers, problems) =
                (batch.column(2).as_primitive::<Int64Type>(), batch.column(3).as_string::<i32>());
            read += batch.num_rows();
            bad.extend(
                (0..batch.num_rows()).filter(|&row| problems.is_valid(row)).map(|row| numbers.value(row)),
            );
        }
        assert_eq!((read, bad), (count + 3, vec![1, count as i64 + 2]));
        assert!(reader.records.window.capacity() <= MAX_RECORD, "memory is bounded");
    }

    #[test]
    fn a_record_may_be_as_long_as_the_limit() {
        // With quotes, delimiter and line break, exactly the limit.
        let text =
            |length: usize| format!("a,b\n1,\"two\n{}\"\n3,4\n", "x".repeat(length - "1,\"two\n\"\n".len()));
        let reader = |text| open(std::io::Cursor::new(text)).expect("a reader").expect("a header");
        let read = rows(reader(text(MAX_RECORD)));
        assert_eq!((read.len(), read[0].starts_with("1: 1|two\nxxx"), read[1].as_str()), (2, true, "2: 3|4"));
        let longer = rows(reader(text(MAX_RECORD + 1)));
        assert_eq!(longer, ["1! quote never closed", "2! ragged", "3: 3|4"]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_an_error() {
        let text = format!("a,b\n1,2\n3,{}\n", "x".repeat(MAX_RECORD));
        let mut reader = open(text.as_bytes()).expect("a reader").expect("a header");
        let error = reader.next().expect("an error").expect_err("an error");
        assert_eq!((error.kind(), error.message()), (Kind::Data, "a line is longer than 8 MiB"));
        assert!(reader.next().is_none(), "an error is the end");
    }

    #[test]
    fn a_failing_input_keeps_its_own_error() {
        struct Failing(Option<std::io::Error>);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let length = buffer.len().min(8);
                buffer[..length].copy_from_slice(&b"a,b\n1,2\n"[..length]);
                self.0.take().map_or(Ok(length), Err)
            }
        }
        let changed = std::io::Error::other(Error::unavailable("the object changed"));
        for (error, kind) in [(changed, Kind::Unavailable), (ErrorKind::UnexpectedEof.into(), Kind::Io)] {
            let error = open(Failing(Some(error))).map(|_| ()).expect_err("an error");
            assert_eq!((error.kind(), error.context()), (kind, &[("file", "surveys.csv".to_owned())][..]));
        }
        let again = std::io::Error::from(ErrorKind::Interrupted);
        assert!(open(Failing(Some(again))).expect("a reader").is_some());
    }
}
