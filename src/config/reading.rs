//! How a table's objects are read: options of a source, and of each of its tables.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Format, Place, as_text_if_any};
use crate::engine::formats::TimeFormat;
use crate::error::Result;

/// In place of a zone: each file states its own in the rows that `skip_after_header` skips.
const FROM_HEADER: &str = "from header";

/// How bytes become rows, and how the values in them are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Between two fields of CSV.
    #[serde(serialize_with = "as_character")]
    pub delimiter: u8,
    pub encoding: Encoding,
    /// Rows right after the header that are no data: further header rows.
    pub skip_after_header: u32,
    /// The array of rows inside a JSON object, as a path of names joined by dots.
    pub records: Option<String>,
    /// Of times that do not say theirs, where the configuration says it.
    #[serde(serialize_with = "as_text_if_any")]
    pub timezone: Option<Tz>,
    /// Each file states the zone in its further header rows.
    pub zone_in_header: bool,
    /// How times are written; tried before the forms that are always read.
    pub timestamp_formats: Vec<String>,
    /// Before the decimals of numbers that are text.
    pub decimal: char,
    /// Texts that stand for no value.
    pub nulls: Vec<String>,
    /// A folder is read only where an object of this name lies.
    pub ready: Option<String>,
    pub partition: Option<Partition>,
}

impl Default for Reading {
    fn default() -> Self {
        Reading {
            delimiter: b',',
            encoding: Encoding::Utf8,
            skip_after_header: 0,
            records: None,
            timezone: None,
            zone_in_header: false,
            timestamp_formats: Vec::new(),
            decimal: '.',
            nulls: Vec::new(),
            ready: None,
            partition: None,
        }
    }
}

/// How text is written where no byte order mark says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    /// Read as windows-1252, as browsers do: the same but for 27 signs such as €, where Latin-1 has none.
    #[serde(rename = "latin-1")]
    Latin1,
    /// Little endian, unless the byte order mark says otherwise.
    #[serde(rename = "utf-16")]
    Utf16,
}

/// Folders such as `ds=2026-11-01/` that hold the rows of some days only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// The name before the `=`.
    pub column: String,
    pub covers: Covers,
    /// How many days a row may lie outside of its folder's.
    pub slack_days: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    Day,
    Month,
}

fn as_character<S: serde::Serializer>(byte: &u8, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_char(char::from(*byte))
}

// ---- as typed ----------------------------------------------------------------------------------------

/// The options as they stand at a source or at a table.
#[derive(Default, Clone)]
pub(super) struct TypedReading {
    pub delimiter: Option<Spanned<String>>,
    pub encoding: Option<Spanned<Encoding>>,
    pub skip_after_header: Option<Spanned<u32>>,
    pub records: Option<Spanned<String>>,
    pub timezone: Option<Spanned<String>>,
    pub timestamp_formats: Option<Spanned<Vec<String>>>,
    pub decimal: Option<Spanned<String>>,
    pub nulls: Option<Spanned<Vec<String>>>,
    pub ready: Option<Spanned<String>>,
    pub partition: Option<Spanned<TypedPartition>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedPartition {
    column: String,
    covers: Covers,
    #[serde(default)]
    slack_days: u32,
}

impl TypedReading {
    /// What a table says, and for the rest what its source says.
    pub fn or(self, source: &TypedReading) -> TypedReading {
        let source = source.clone();
        TypedReading {
            delimiter: self.delimiter.or(source.delimiter),
            encoding: self.encoding.or(source.encoding),
            skip_after_header: self.skip_after_header.or(source.skip_after_header),
            records: self.records.or(source.records),
            timezone: self.timezone.or(source.timezone),
            timestamp_formats: self.timestamp_formats.or(source.timestamp_formats),
            decimal: self.decimal.or(source.decimal),
            nulls: self.nulls.or(source.nulls),
            ready: self.ready.or(source.ready),
            partition: self.partition.or(source.partition),
        }
    }

    /// The options that only some formats have: name, place in the file, formats.
    fn of_some_formats(&self) -> Vec<(&'static str, usize, &'static [Format])> {
        use Format::{Csv, Json, Ndjson};
        let said = |name, at: Option<usize>, formats| at.map(|at| (name, at, formats));
        [
            said("delimiter", self.delimiter.as_ref().map(|v| v.span().start), &[Csv][..]),
            said("skip_after_header", self.skip_after_header.as_ref().map(|v| v.span().start), &[Csv]),
            said("records", self.records.as_ref().map(|v| v.span().start), &[Json]),
            said("encoding", self.encoding.as_ref().map(|v| v.span().start), &[Csv, Ndjson, Json]),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Place<'_> {
    /// Refuses options that none of these formats has: they would do nothing.
    pub(super) fn refuse_misplaced(&self, typed: &TypedReading, formats: &[Format]) -> Result<()> {
        for (name, at, takes) in typed.of_some_formats() {
            if !formats.iter().any(|format| takes.contains(format)) {
                let takes: Vec<&str> = takes.iter().map(|format| format.as_str()).collect();
                let found: Vec<&str> = formats.iter().map(|format| format.as_str()).collect();
                return Err(self
                    .error(at, format!("`{name}` means nothing for {}", found.join(", ")))
                    .hint(format!("it is an option of {}; leave it out", takes.join(", "))));
            }
        }
        Ok(())
    }

    pub(super) fn reading(&self, typed: &TypedReading) -> Result<Reading> {
        let mut reading = Reading::default();
        if let Some(said) = &typed.delimiter {
            reading.delimiter = match said.get_ref().as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => *byte,
                _ => {
                    return Err(self
                        .error(said.span().start, "`delimiter` is not one plain character")
                        .hint("write \";\", \"|\" or \"\\t\""));
                }
            };
        }
        if let Some(said) = &typed.decimal {
            reading.decimal = match said.get_ref().as_str() {
                "." => '.',
                "," => ',',
                _ => {
                    return Err(self
                        .error(said.span().start, "`decimal` is neither a point nor a comma")
                        .hint("write \",\" for numbers such as 4,5"));
                }
            };
        }
        if let Some(said) = &typed.timestamp_formats {
            for format in said.get_ref() {
                if let Err(why) = TimeFormat::new(format) {
                    return Err(self
                        .error(said.span().start, format!("`{format}` is no format of times: {why}"))
                        .hint(
                            "write it as \"%d/%m/%Y %H:%M\", or \"epoch_seconds\" or \"epoch_milliseconds\"",
                        ));
                }
            }
            reading.timestamp_formats.clone_from(said.get_ref());
        }
        if let Some(said) = &typed.records {
            if said.get_ref().split('.').any(str::is_empty) {
                return Err(self
                    .error(said.span().start, "`records` names no array")
                    .hint("name it as it stands in the object, such as \"tickets\" or \"data.tickets\""));
            }
            reading.records = Some(said.get_ref().clone());
        }
        if let Some(said) = &typed.ready {
            if said.get_ref().is_empty() || said.get_ref().contains(['/', '*', '?', '[']) {
                return Err(self
                    .error(said.span().start, "`ready` is not the name of an object")
                    .hint("name the marker that lies in each finished folder, such as \"_SUCCESS\""));
            }
            reading.ready = Some(said.get_ref().clone());
        }
        if let Some(said) = &typed.partition {
            let Partition { column, slack_days, .. } = said.get_ref().meant();
            if column.is_empty() || column.contains(['/', '=']) || slack_days > 36_500 {
                return Err(self.error(said.span().start, "`partition` is not understood").hint(
                    "write { column = \"ds\", covers = \"day\", slack_days = 3 } for folders such as ds=2026-11-01",
                ));
            }
            reading.partition = Some(said.get_ref().meant());
        }
        reading.encoding = typed.encoding.as_ref().map_or(reading.encoding, |said| *said.get_ref());
        reading.skip_after_header = typed.skip_after_header.as_ref().map_or(0, |said| *said.get_ref());
        match &typed.timezone {
            Some(said) if said.get_ref() == FROM_HEADER => {
                if reading.skip_after_header == 0 {
                    return Err(self
                        .error(
                            said.span().start,
                            format!("`timezone` is \"{FROM_HEADER}\" where no header row is"),
                        )
                        .hint("say with `skip_after_header` how many rows after the header describe the columns"));
                }
                reading.zone_in_header = true;
            }
            zone => reading.timezone = zone.as_ref().map(|zone| self.zone(zone)).transpose()?,
        }
        let nulls = typed.nulls.as_ref().map(|said| said.get_ref().as_slice()).unwrap_or_default();
        reading.nulls = nulls.iter().map(|null| null.trim().to_string()).collect();
        Ok(reading)
    }
}

impl TypedPartition {
    fn meant(&self) -> Partition {
        Partition { column: self.column.clone(), covers: self.covers, slack_days: self.slack_days }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Config, Environment};

    fn tickets(source: &str) -> Result<Config> {
        let text = format!("[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\n{source}\n");
        Config::parse(&text, "aftersale.toml", PathBuf::from("."), Environment::default())
    }

    #[test]
    fn a_table_has_its_own_word_or_its_sources() {
        let config = tickets(
            "format = \"csv\"\ndelimiter = \";\"\nnulls = [\" NULL \"]\nquery = \"select 1\"\ntimezone = \"Asia/Tokyo\"\n\
             [sources.tickets.tables]\none = { url = \"a/\", delimiter = \"\\t\", encoding = \"latin-1\" }\n\
             two = { url = \"b/\", format = \"json\", records = \"data.rows\", nulls = [], timezone = \"Japan\" }",
        );
        // Two names of one clock are two names.
        assert!(config.is_err());
        let config = tickets(
            "format = \"csv\"\ndelimiter = \";\"\nnulls = [\" NULL \"]\nquery = \"select 1\"\ntimezone = \"Asia/Tokyo\"\n\
             [sources.tickets.tables]\none = { url = \"a/\", delimiter = \"\\t\", encoding = \"latin-1\" }\n\
             two = { url = \"b/\", format = \"json\", records = \"data.rows\", nulls = [] }",
        )
        .unwrap();
        let tables = &config.sources["tickets"].tables;
        let (one, two) = (&tables["one"].reading, &tables["two"].reading);
        assert_eq!(
            (one.delimiter, one.encoding, one.nulls.as_slice()),
            (b'\t', Encoding::Latin1, &["NULL".to_string()][..])
        );
        assert_eq!(
            (tables["two"].format, two.records.as_deref(), two.nulls.len()),
            (Format::Json, Some("data.rows"), 0)
        );
        assert_eq!(config.sources["tickets"].timezone, Tz::Asia__Tokyo);
    }

    #[test]
    fn formats_are_told_by_names() {
        for (url, format) in [
            ("a.csv", Format::Csv),
            ("A.CSV.GZ", Format::Csv),
            ("s3://b/x/*.jsonl.zst", Format::Ndjson),
            ("a.ndjson", Format::Ndjson),
            ("a.json.gz", Format::Json),
            ("a.parquet", Format::Parquet),
        ] {
            let config = tickets(&format!("url = \"{url}\"")).unwrap();
            assert_eq!(config.sources["tickets"].tables["tickets"].format, format, "{url}");
        }
    }

    #[test]
    fn mistakes_are_refused_with_their_line() {
        for (source, message, line) in [
            ("url = \"a.gz\"", "the format cannot be told from the address", 4),
            ("url = \"a.csv\"\ndelimiter = \"::\"", "`delimiter` is not one plain character", 5),
            ("url = \"a.csv\"\ndelimiter = \"\\\"\"", "`delimiter` is not one plain character", 5),
            ("url = \"a.csv\"\ndecimal = \"'\"", "`decimal` is neither a point nor a comma", 5),
            ("url = \"a.csv\"\nrecords = \"rows\"", "`records` means nothing for csv", 5),
            ("url = \"a.parquet\"\nencoding = \"utf-16\"", "`encoding` means nothing for parquet", 5),
            ("url = \"a.json\"\nskip_after_header = 1", "`skip_after_header` means nothing for json", 5),
            ("url = \"a.json\"\nrecords = \"a..b\"", "`records` names no array", 5),
            (
                "url = \"a.csv\"\ntimezone = \"from header\"",
                "`timezone` is \"from header\" where no header row is",
                5,
            ),
            ("url = \"a.csv\"\nready = \"x/y\"", "`ready` is not the name of an object", 5),
            (
                "url = \"a.csv\"\npartition = { column = \"ds=\", covers = \"day\" }",
                "`partition` is not understood",
                5,
            ),
            (
                "url = \"a.csv\"\n\ntimestamp_formats = [\"%Y-%m\"]",
                "`%Y-%m` is no format of times: it does not say which day",
                6,
            ),
            (
                "query = \"select 1\"\ntables = { a = { url = \"a.csv\" }, b = { url = \"b.csv\", decimal = \",\" } }",
                "the tables of [sources.tickets] differ in their `decimal`",
                5,
            ),
            (
                "query = \"select 1\"\ndelimiter = \";\"\ntables = { a = { url = \"a.json\" } }",
                "`delimiter` means nothing for json",
                5,
            ),
        ] {
            let error = tickets(source).expect_err(source);
            let file = error.context().iter().find(|(key, _)| *key == "file").map(|(_, value)| value.clone());
            assert_eq!(
                (error.message(), file),
                (message, Some(format!("aftersale.toml:{line}"))),
                "{source}"
            );
            assert!(error.hint_text().is_some(), "{source}");
        }
        for source in
            ["url = \"a.csv\"\nencoding = \"latin1\"", "url = \"a.csv\"\npartition = { column = \"ds\" }"]
        {
            assert!(tickets(source).is_err(), "{source}");
        }
    }
}
