//! What cannot be a case of text files: Parquet as others write it, and what the next night reads again.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::program::{Outcome, aftersale, text};
use crate::table::{self, Table};

/// 2025-05-10 as a day of the Julian calendar's count, by which INT96 counts.
const MAY_TENTH: i64 = 2_460_806;
const HOUR_NANOS: i64 = 3_600_000_000_000;

/// Runs on `surveys` as the folder holds them and one purchase; returns the published run's folder.
fn run(folder: &Path, surveys: &str) -> Outcome {
    fs::write(folder.join("purchases.csv"), "order_id,ordered_at\nO1,2025-05-01\n").expect("written");
    let config = folder.join("aftersale.toml");
    let settings = "timezone = \"Europe/Madrid\"\n[analysis]\nmax_rejected_share = 1.0\n\
                    [sources.purchases]\nurl = \"purchases.csv\"\n[sources.surveys]\n";
    fs::write(&config, format!("{settings}{surveys}\n")).expect("written");
    aftersale(&["run", "--config", text(&config), "--output", text(&folder.join("out")), "--make-latest"])
}

fn published(folder: &Path, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let run = table::run_folder(&folder.join("out"));
    let columns: Vec<String> = columns.iter().map(|column| column.to_string()).collect();
    let Table { rows, .. } = table::read_folder(&run.join(table)).select(&columns).sorted();
    rows
}

/// Answers of one order, their time as INT96: days and nanoseconds of the day.
fn write_int96(path: &Path, answers: &[(&str, i64, i64)]) {
    let schema = "message answers {
        required binary response_id (UTF8); required int96 responded_at; required double score;
        required binary order_id (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let mut writer = SerializedFileWriter::new(File::create(path).expect("a file"), schema, Arc::default())
        .expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let texts = |values: Vec<&str>| values.into_iter().map(ByteArray::from).collect::<Vec<_>>();
    let ids = texts(answers.iter().map(|(id, ..)| *id).collect());
    let orders = texts(vec!["O1"; answers.len()]);
    let times: Vec<Int96> = answers
        .iter()
        .map(|(_, day, nanos)| {
            let mut time = Int96::new();
            time.set_data(*nanos as u32, (*nanos >> 32) as u32, *day as u32);
            time
        })
        .collect();
    let scores = vec![9.0; answers.len()];
    let mut column = 0;
    while let Some(mut writer) = group.next_column().expect("a column") {
        let written = match column {
            1 => writer.typed::<Int96Type>().write_batch(&times, None, None),
            2 => writer.typed::<DoubleType>().write_batch(&scores, None, None),
            0 => writer.typed::<ByteArrayType>().write_batch(&ids, None, None),
            _ => writer.typed::<ByteArrayType>().write_batch(&orders, None, None),
        };
        assert_eq!(written.expect("written"), answers.len());
        writer.close().expect("closed");
        column += 1;
    }
    group.close().expect("closed");
    writer.close().expect("closed");
}

#[test]
fn old_parquet_times_are_utc_unless_their_source_says_otherwise() {
    // 213,504 days are 2^64 nanoseconds, all but a few hours: a time so far ahead must not come round.
    let answers = [("R1", MAY_TENTH, 10 * HOUR_NANOS), ("R2", MAY_TENTH + 213_504, 10 * HOUR_NANOS)];
    for (zone, expected) in
        [("", "2025-05-10T10:00:00Z"), ("timezone = \"Europe/Madrid\"", "2025-05-10T08:00:00Z")]
    {
        // Another zone is another type, which a run beside the first would not take over unasked.
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_int96(&folder.path().join("surveys.parquet"), &answers);
        run(folder.path(), &format!("url = \"surveys.parquet\"\n{zone}")).expect(0);
        let answers = published(folder.path(), "fct_exposures", &["response_id", "responded_at"]);
        assert_eq!(answers, [["R1", expected]], "{zone}");
        let rejected = published(folder.path(), "rejected_rows", &["key", "reason"]);
        assert_eq!(rejected, [["R2", "implausible responded_at"]], "{zone}");
    }
}

#[test]
fn numbers_that_are_none_are_counted_and_bytes_that_are_no_text_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ids: BinaryArray = [&b"R1"[..], b"R2", b"\xff\xfe", b" "].into_iter().map(Some).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("response_id", Arc::new(ids)),
        ("responded_at", Arc::new(StringArray::from(vec!["2025-05-10 10:00"; 4]))),
        ("score", Arc::new(Float64Array::from(vec![9.0, f64::NAN, 9.0, 9.0]))),
        ("weight", Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None, None, Some(1.5)]))),
        ("order_id", Arc::new(StringArray::from(vec!["O1"; 4]))),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("rows");
    let file = File::create(folder.path().join("surveys.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a writer");
    writer.write(&rows).expect("written");
    writer.close().expect("closed");
    run(folder.path(), "url = \"surveys.parquet\"").expect(0);
    let answers = published(folder.path(), "fct_exposures", &["response_id", "weight"]);
    assert_eq!(answers, [["R1", ""]]);
    let rejected = published(folder.path(), "rejected_rows", &["row", "key", "reason"]);
    assert_eq!(
        rejected,
        [["2", "R2", "unreadable score"], ["3", "", "not UTF-8"], ["4", "", "missing response_id"]]
    );
    let quality = published(folder.path(), "rpt_data_quality", &["section", "measure", "rows"]);
    assert!(
        quality.contains(&["values", "weight unreadable", "1"].map(String::from).to_vec()),
        "{quality:?}"
    );
}

/// More rows than the engine hands on at once, in one file smaller than it would cut by itself.
#[test]
fn one_small_parquet_file_of_many_rows_is_read_by_several_threads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let many = 9_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("response_id", Arc::new((0..many).map(|at| Some(format!("R{at}"))).collect::<StringArray>())),
        ("responded_at", Arc::new(StringArray::from(vec!["2025-05-10 10:00"; many]))),
        ("score", Arc::new(Float64Array::from(vec![9.0; many]))),
        ("order_id", Arc::new(StringArray::from(vec!["O1"; many]))),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("rows");
    let file = File::create(folder.path().join("surveys.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a writer");
    writer.write(&rows).expect("written");
    writer.close().expect("closed");
    run(folder.path(), "url = \"surveys.parquet\"").expect(0);
    assert_eq!(published(folder.path(), "fct_exposures", &["response_id"]).len(), many);
}

#[test]
fn numbers_are_times_where_their_unit_is_declared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("response_id", Arc::new(StringArray::from(vec!["R1"]))),
        ("responded_at", Arc::new(Float64Array::from(vec![1_746_871_200.5]))),
        ("score", Arc::new(Float64Array::from(vec![9.0]))),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("rows");
    let file = File::create(folder.path().join("surveys.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a writer");
    writer.write(&rows).expect("written");
    writer.close().expect("closed");
    let url = "url = \"surveys.parquet\"\n";
    run(folder.path(), url).expect(78).says(&["which is no time", "epoch_seconds"]);
    run(folder.path(), &format!("{url}timestamp_formats = [\"%d/%m/%Y\"]"))
        .expect(78)
        .says(&["epoch_seconds"]);
    run(
        folder.path(),
        &format!("{url}timestamp_formats = [\"epoch_seconds\"]\ncolumns = {{ order_id = \"'O1'\" }}"),
    )
    .expect(0);
    let answers = published(folder.path(), "fct_exposures", &["responded_at"]);
    assert_eq!(answers, [["2025-05-10T10:00:00.500Z"]]);
}

#[test]
fn an_unchanged_text_object_is_not_parsed_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let surveys = folder.path().join("surveys");
    fs::create_dir(&surveys).expect("a folder");
    let answer = |id: &str| {
        format!(
            "{{\"response_id\":\"{id}\",\"responded_at\":\"2025-05-10\",\"score\":9,\"order_id\":\"O1\"}}\n"
        )
    };
    for id in ["R1", "R2", "R3"] {
        fs::write(surveys.join(format!("{id}.json")), answer(id)).expect("written");
    }
    let lines = "url = \"surveys/\"\nformat = \"ndjson\"\n";
    let told = |parsed: usize, before: usize| {
        let files = if parsed == 1 { "file" } else { "files" };
        match before {
            0 => format!("surveys: {parsed} {files} parsed\n"),
            before => format!("surveys: {parsed} {files} parsed, {before} known from an earlier night\n"),
        }
    };
    run(folder.path(), lines).expect(0).says(&[&told(3, 0)]);
    run(folder.path(), lines).expect(0).says(&[&told(0, 3)]);
    fs::write(surveys.join("R2.json"), answer("R22")).expect("written");
    run(folder.path(), lines).expect(0).says(&[&told(1, 2)]);
    let ids = published(folder.path(), "fct_exposures", &["response_id"]);
    assert_eq!(ids, [["R1"], ["R22"], ["R3"]]);
    // What looks at values works on the copies; what looks at bytes makes others.
    run(folder.path(), &format!("{lines}nulls = [\"x\"]\ntimezone = \"UTC\"")).expect(0).says(&[&told(0, 3)]);
    run(folder.path(), &format!("{lines}encoding = \"latin-1\"")).expect(0).says(&[&told(3, 0)]);
    run(folder.path(), lines).expect(0).says(&[&told(0, 3)]);
}

/// One file of more rows than the engine takes at a time, on several threads: each row keeps its number in the
/// file, by which it is told.
#[test]
fn a_parquet_file_of_many_rows_is_read_by_several_threads() {
    const ROWS: usize = 20_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let orders: String = (1..=ROWS).map(|n| format!("O{n},2025-05-{:02} 10:00,C{n}\n", 1 + n % 20)).collect();
    let bytes = crate::mutated::parquet(&format!("order_id,ordered_at,customer_id\n{orders}"));
    std::fs::write(folder.path().join("purchases.parquet"), bytes).expect("written");
    let surveys =
        "response_id,responded_at,score,order_id\nR1,2025-05-25 10:00,9,O19999\nR2,2025-05-26 10:00,3,O7\n";
    std::fs::write(folder.path().join("surveys.csv"), surveys).expect("written");
    let config = folder.path().join("aftersale.toml");
    let settings =
        "[sources.surveys]\nurl = \"surveys.csv\"\n[sources.purchases]\nurl = \"purchases.parquet\"\n";
    std::fs::write(&config, settings).expect("written");
    let output = folder.path().join("out");
    let arguments = ["run", "--config", text(&config), "--output", text(&output), "--threads", "4"];
    aftersale(&arguments).expect(0);
    let journeys = crate::table::published(&output, "fct_journeys");
    let (id, row) = (journeys.column("journey_id"), journeys.column("source_row"));
    assert_eq!(journeys.rows.len(), ROWS);
    for journey in &journeys.rows {
        assert_eq!(journey[id], format!("O{}", journey[row]));
    }
}
