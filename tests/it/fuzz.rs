//! Configurations, mappings and the rows of text files, as nobody would write them: never a panic, never a
//! hang, never a row that is not counted.
//!
//! `AFTERSALE_LONG=1` tries 10,000 inputs of each kind, the short version 400. A failure names its seed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aftersale::config::{Config, Encoding, Environment};
use aftersale::engine::{functions, mapped};
use aftersale::sources::json::{JsonOptions, JsonReader, Layout};
use aftersale::sources::text::{ROW, TextOptions, TextReader};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::DFSchema;
use datafusion::prelude::SessionContext;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One input takes milliseconds; one that takes so long hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn inputs() -> (usize, u64) {
    match std::env::var("AFTERSALE_LONG").is_ok_and(|long| long == "1") {
        true => (10_000, rand::rng().random()),
        false => (400, 7),
    }
}

/// A seed text with pieces replaced, doubled, left out, and words of the kind strewn in.
fn mutated(seeds: &[&str], words: &[&str], luck: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seeds[luck.random_range(0..seeds.len())].as_bytes().to_vec();
    for _ in 0..luck.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = luck.random_range(0..bytes.len());
        let end = (at + luck.random_range(1..20)).min(bytes.len());
        match luck.random_range(0..6) {
            0 => bytes[at] = luck.random(),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = luck.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            3 => bytes.truncate(at),
            _ => {
                let word = words[luck.random_range(0..words.len())];
                bytes.splice(at..at, word.bytes());
            }
        }
    }
    bytes
}

/// Hands each input to the body, and says which one it was that broke it.
fn each(kind: &str, seeds: &[&str], words: &[&str], mut body: impl FnMut(&[u8])) {
    let (count, seed) = inputs();
    let mut luck = ChaCha8Rng::seed_from_u64(seed);
    for number in 0..count {
        let input = mutated(seeds, words, &mut luck);
        let start = Instant::now();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&input)));
        let shown = String::from_utf8_lossy(&input);
        assert!(ended.is_ok(), "{kind}, seed {seed}, input {number}:\n{shown}");
        assert!(start.elapsed() < PATIENCE, "{kind}, seed {seed}, input {number} hangs:\n{shown}");
    }
    println!("{kind}: {count} inputs: 0 panics, 0 hangs");
}

#[test]
fn configurations() {
    let presets = ["plain", "olist", "zendesk"].map(|name| {
        let path = format!("{}/src/cli/presets/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        // Every key that is commented out, too.
        std::fs::read_to_string(path).expect("a preset").replace("\n# ", "\n")
    });
    let least = "[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\nurl = \"t.csv\"\n";
    let words = [
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        "#",
        "[[touchpoints]]\n",
        "[privacy]\n",
        "-1",
        "1e999",
        "99999999999999999999",
        "true",
        "${",
        "}",
        "\u{0}",
        "é",
        "url = \"\"\n",
        "mode = \"upsert\"\n",
        "../..",
    ];
    let seeds = [presets[0].as_str(), &presets[1], &presets[2], least];
    each("configurations", &seeds, &words, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Err(error) = Config::parse(text, "a.toml", PathBuf::from("."), Environment::default()) {
            assert_eq!(error.kind().exit_code(), 78, "{error}");
        }
    });
}

#[test]
fn mappings() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ctx = SessionContext::new();
    functions::register(&ctx);
    let columns = ["id", "score", "created at", "E-Mail"];
    let fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    ctx.register_batch("t", RecordBatch::new_empty(schema.clone())).expect("a table");
    let schema = DFSchema::try_from(schema).expect("a schema");
    let seeds = [
        "case when score <> '' then cast(score as double) else null end",
        "coalesce(id, \"E-Mail\", 'x') in ('a', 'b') and not score like '%5'",
        "get_field(read_time(\"created at\", 'Europe/Madrid', null, null, '%d/%m/%Y'), 'at')",
        "select id, max(score) over (partition by id order by \"created at\") from t where id is not null",
        "with a as (select * from t) select id from a union all select score from t order by 1 limit 3",
    ];
    let words = [
        "(",
        ")",
        ",",
        "'",
        "\"",
        "select ",
        " from t ",
        " over () ",
        "null",
        "now()",
        "random()",
        "$1",
        "--",
        "/*",
        "*",
        "::int",
        "interval '1 day'",
        "exists (select 1)",
        "t.t.t",
        "case ",
        " end",
        "[1]",
        "\u{0}",
        "create table x as ",
        "; drop table t",
        "9999999999999999999999",
    ];
    each("mappings", &seeds, &words, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let _ = mapped::expression(&ctx, text, &schema);
        let _ = runtime.block_on(mapped::query(&ctx, text, &["t"]));
    });
}

/// Rows are numbered from 1, none is left out.
fn counted(batches: impl Iterator<Item = aftersale::error::Result<RecordBatch>>, in_order: bool) {
    let mut numbers = Vec::new();
    for batch in batches {
        let Ok(batch) = batch else { return };
        let rows = batch.column_by_name(ROW).expect("a number").as_primitive::<Int64Type>().clone();
        numbers.extend(rows.values().iter().copied());
    }
    let is_whole = numbers.iter().zip(1..).all(|(number, place)| *number == place);
    let grows = numbers.windows(2).all(|two| two[0] < two[1]);
    assert!(if in_order { is_whole } else { grows }, "{numbers:?}");
}

#[test]
#[should_panic(expected = "rows of a test, seed")]
fn an_input_that_breaks_is_named() {
    each("rows of a test", &["ab"], &["x"], |input| assert!(!input.contains(&b'x')));
}

#[test]
#[should_panic(expected = "[1, 3]")]
fn a_row_that_is_lost_is_seen() {
    let numbers = std::sync::Arc::new(arrow::array::Int64Array::from(vec![1, 3]));
    let batch = RecordBatch::try_from_iter([(ROW, numbers as arrow::array::ArrayRef)]).expect("a batch");
    counted([Ok(batch)].into_iter(), true);
}

#[test]
fn rows_of_csv() {
    let seeds = [
        "id,score,comment\n1,9,\"two\nlines, and a \"\"quote\"\"\"\n2,,\n3,x,y,z\n\n4,5,6\r\n",
        "\u{feff}id;score\n\"a;b\";1\n",
        "id\tscore\n1\t2",
    ];
    let words = ["\"", "\"\"", ",", ";", "\n", "\r", "\r\n", "\u{0}", "\u{feff}", "\t", "ä", "\"\n\"", "\\"];
    let encodings = [Encoding::Utf8, Encoding::Latin1, Encoding::Utf16];
    each("rows of CSV", &seeds, &words, |input| {
        for encoding in encodings {
            for delimiter in *b",;" {
                let options = TextOptions { delimiter, encoding };
                if let Ok(Some(reader)) = TextReader::open(input, &options, "a.csv") {
                    counted(reader, true);
                }
            }
        }
    });
}

#[test]
fn rows_of_json() {
    let seeds = [
        "{\"id\": 1, \"via\": {\"channel\": \"web\", \"x\": [1, {\"y\": null}]}}\n{\"id\": \"2\"}\n",
        "[{\"id\": 1.5e3}, {\"id\": \"\\u00e4\\ud83d\\ude00\"}]",
        "{\"count\": 2, \"data\": {\"tickets\": [{\"id\": 1}, {\"id\": 2}]}, \"next\": null}",
    ];
    let words = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\ud800",
        "null",
        "true",
        "1e999",
        "-",
        "\n",
        "{\"a\":",
        "[[",
        "\u{feff}",
        "\u{0}",
        "\"id\": ",
        "99999999999999999999999",
    ];
    let path = vec!["data".to_string(), "tickets".to_string()];
    each("rows of JSON", &seeds, &words, |input| {
        for layout in [Layout::Lines, Layout::Array(Vec::new()), Layout::Array(path.clone())] {
            let in_order = !matches!(layout, Layout::Lines);
            let options = JsonOptions { layout, encoding: Encoding::Utf8 };
            if let Ok(Some(reader)) = JsonReader::open(|| Ok(input), &options, "a.json") {
                counted(reader, in_order);
            }
        }
    });
}
