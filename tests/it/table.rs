//! Published tables as text, and text tables compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, SecondsFormat};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Rows of text; null is empty, instants are RFC 3339 in UTC, floats are written to be read back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn column(&self, name: &str) -> usize {
        let found = self.columns.iter().position(|column| column == name);
        found.unwrap_or_else(|| panic!("no column `{name}`; there are {}", self.columns.join(", ")))
    }

    /// The rows as they are, with these columns only.
    pub fn select(&self, names: &[String]) -> Table {
        let places: Vec<usize> = names.iter().map(|name| self.column(name)).collect();
        let row = |row: &Vec<String>| places.iter().map(|place| row[*place].clone()).collect();
        Table { columns: names.to_vec(), rows: self.rows.iter().map(row).collect() }
    }

    pub fn without(&self, names: &[&str]) -> Table {
        let kept = |column: &&String| !names.contains(&column.as_str());
        self.select(&self.columns.iter().filter(kept).cloned().collect::<Vec<_>>())
    }

    /// The rows that have one of these values in that column.
    pub fn only(&self, column: &str, values: &[&str]) -> Table {
        let place = self.column(column);
        let kept = |row: &&Vec<String>| values.contains(&row[place].as_str());
        Table { columns: self.columns.clone(), rows: self.rows.iter().filter(kept).cloned().collect() }
    }

    pub fn sorted(mut self) -> Table {
        self.rows.sort();
        self
    }

    /// The one row with that value in that column, by column name.
    pub fn row(&self, column: &str, value: &str) -> BTreeMap<&str, &str> {
        let place = self.column(column);
        let rows: Vec<_> = self.rows.iter().filter(|row| row[place] == value).collect();
        assert!(rows.len() == 1, "{} rows have {column} = {value:?}", rows.len());
        self.columns.iter().map(String::as_str).zip(rows[0].iter().map(String::as_str)).collect()
    }

    pub fn read_csv(text: &str) -> Table {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let fields = |record: &csv::StringRecord| record.iter().map(str::to_string).collect();
        let columns = fields(reader.headers().expect("a header"));
        let rows = reader.records().map(|record| fields(&record.expect("a row of the header's width")));
        Table { columns, rows: rows.collect() }
    }

    /// Aligned columns, as a person compares them.
    pub fn show(&self) -> String {
        let lines: Vec<&Vec<String>> = std::iter::once(&self.columns).chain(&self.rows).collect();
        let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        for line in lines {
            for (field, width) in line.iter().zip(&widths) {
                let _ = write!(text, "  {field:<width$}");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

/// As many digits behind the point as whole numbers are held to.
const EXACTLY: usize = 9;

/// What differs between what was expected and what was found, or nothing. Only the expected columns are
/// compared, numbers to the most digits that the expectation prints in that column, whole ones exactly; order
/// does not matter.
pub fn difference(expected: &Table, found: &Table) -> Option<String> {
    if let Some(missing) = expected.columns.iter().find(|column| !found.columns.contains(column)) {
        return Some(format!("no column `{missing}`; there are {}", found.columns.join(", ")));
    }
    let (mut expected, mut found) = (expected.clone(), found.select(&expected.columns));
    for place in 0..expected.columns.len() {
        let decimals = |row: &Vec<String>| row[place].split_once('.').map_or(0, |(_, digits)| digits.len());
        let digits = match expected.rows.iter().map(decimals).max() {
            None | Some(0) => EXACTLY,
            Some(digits) => digits,
        };
        for row in expected.rows.iter_mut().chain(&mut found.rows) {
            if let Some(number) = float(&row[place]) {
                // No negative zero.
                let rounded = format!("{number:.digits$}");
                row[place] = if float(&rounded) == Some(0.0) { format!("{:.digits$}", 0.0) } else { rounded };
            }
        }
    }
    let (expected, found) = (expected.sorted(), found.sorted());
    let side_by_side = || format!("expected\n{}found\n{}", expected.show(), found.show());
    (expected != found).then(side_by_side)
}

/// A decimal number; dates, times and ids with leading zeros are none.
fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    (plain && !leading_zero).then(|| text.parse().ok()).flatten()
}

/// What `latest.json` under an output folder says.
pub fn latest(output: &Path) -> serde_json::Value {
    json(&output.join("latest.json"))
}

/// The folder of the published run.
pub fn run_folder(output: &Path) -> PathBuf {
    let run_id = latest(output)["run_id"].as_str().expect("a run id").to_string();
    output.join("runs").join(run_id)
}

pub fn json(path: &Path) -> serde_json::Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One table of the published run.
pub fn published(output: &Path, name: &str) -> Table {
    read_folder(&run_folder(output).join(name))
}

/// All tables of the published run, by name; each row is named by the columns of its table's grain.
pub fn all_published(output: &Path) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    for entry in fs::read_dir(run_folder(output)).expect("a run's folder") {
        let path = entry.expect("an entry").path();
        // Sheets are pages.
        if path.is_dir() && !path.ends_with("stores") {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_string();
            let table = read_folder(&path);
            rows_have_names(&name, &table);
            tables.insert(name, table);
        }
    }
    assert!(tables.len() >= 8, "only {} tables are published", tables.len());
    tables
}

/// No two rows agree in all columns that the query's header calls the grain.
fn rows_have_names(name: &str, table: &Table) {
    let queries = aftersale::queries::all().expect("the queries' headers are right");
    let Some(query) = queries.iter().find(|query| query.name == name) else { return };
    // A row of an export has no name of its own.
    if !query.grain.iter().all(|column| table.columns.contains(column)) {
        assert_eq!(name, "rejected_rows", "the grain of {name} names no columns: {:?}", query.grain);
        return;
    }
    let mut seen = BTreeSet::new();
    for row in table.select(&query.grain).rows {
        assert!(seen.insert(row.clone()), "two rows of {name} are called {row:?}");
    }
}

/// The parts of a table, in the order of their names.
pub fn read_folder(folder: &Path) -> Table {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut parts: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    parts.sort();
    let mut table = Table::default();
    for part in parts {
        let file = File::open(&part).expect("a part opens");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a part is Parquet");
        table.columns = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        for batch in reader.build().expect("a part can be read") {
            let batch = batch.expect("rows can be read");
            let columns: Vec<Vec<String>> = batch.columns().iter().map(|column| texts(column)).collect();
            table
                .rows
                .extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect()));
        }
    }
    table
}

fn texts(column: &dyn Array) -> Vec<String> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).expect("a column of a known type");
    let text = |row: usize| match column.data_type() {
        _ if column.is_null(row) => String::new(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            let instant = DateTime::from_timestamp_micros(micros).expect("inside the calendar");
            instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
        }
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        _ => formatter.value(row).to_string(),
    };
    (0..column.len()).map(text).collect()
}

#[test]
fn numbers_are_compared_to_the_digits_expected() {
    let expected = Table::read_csv("a,b\n0.33,x\n2,y\n");
    let found = |a: &str| Table::read_csv(&format!("b,c,a\ny,,1.9999999\nx,,{a}\n"));
    assert_eq!(difference(&expected, &found("0.3333333")), None);
    assert!(difference(&expected, &found("0.34")).expect("a difference").contains("0.33  x"));
    assert!(difference(&expected, &found("")).is_some());
    assert!(
        difference(&Table::read_csv("d\n"), &found("0")).expect("a difference").contains("no column `d`")
    );
    assert_eq!(float("007"), None);
    assert_eq!(float("2025-05-01"), None);
}

#[test]
#[should_panic(expected = "two rows of rpt_nps are called")]
fn a_row_that_stands_twice_is_seen() {
    let row = "2026-10,all,all\n";
    let table = Table::read_csv(&format!("period,segment_dimension,segment\n{row}{row}"));
    rows_have_names("rpt_nps", &table);
}

#[test]
fn whole_numbers_are_held_exactly() {
    let (expected, found) = (Table::read_csv("x\n12\n"), Table::read_csv("x\n12.4\n"));
    assert!(difference(&expected, &found).is_some());
    assert!(difference(&Table::read_csv("x\n12.4\n"), &Table::read_csv("x\n12.44\n")).is_none());
}
