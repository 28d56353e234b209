use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;

use super::*;
use crate::error::Kind;
use crate::sources::{object, text};

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

fn options(records: Option<&str>) -> JsonOptions {
    let path = |records: &str| records.split('.').map(str::to_string).collect();
    JsonOptions { layout: Layout::Array(records.map(path).unwrap_or_default()), encoding: Encoding::Utf8 }
}

fn lines() -> JsonOptions {
    JsonOptions { layout: Layout::Lines, encoding: Encoding::Utf8 }
}

fn open<'a>(bytes: &'a [u8], step: usize, options: &JsonOptions) -> Result<Option<JsonReader<Slow<'a>>>> {
    JsonReader::open(|| Ok(Slow(bytes, step)), options, "tickets.json")
}

/// The columns, then every row as `number: values` (`-` for null), or `number! problem`.
fn rows(reader: JsonReader<impl Read>) -> Vec<String> {
    let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = vec![names[..names.len() - 2].join("|")];
    for batch in reader {
        let batch = batch.expect("a batch");
        let last = batch.num_columns() - 1;
        let problems = batch.column(last).as_string::<i32>();
        let numbers = batch.column(last - 1).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let raw = &batch.columns()[..last - 1];
            if problems.is_valid(row) {
                assert!(raw.iter().all(|column| column.is_null(row)), "a bad row has no values");
                rows.push(format!("{}! {}", numbers.value(row), problems.value(row)));
                continue;
            }
            let value = |column: &ArrayRef| match column.is_valid(row) {
                true => column.as_string::<i32>().value(row).to_string(),
                false => "-".into(),
            };
            let values: Vec<String> = raw.iter().map(value).collect();
            rows.push(format!("{}: {}", numbers.value(row), values.join("|")));
        }
    }
    rows
}

#[test]
fn lines_are_read_one_by_one() {
    for (text, expected) in [
        ("{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n", &["a|b", "1: 1|x", "2: 2|y"][..]),
        ("{\"a\":1}\r\n{\"a\":2}", &["a", "1: 1", "2: 2"]),
        ("\u{feff}{\"a\":1}\n", &["a", "1: 1"]),
        // Blank lines are no rows, and count.
        ("\n{\"a\":1}\n  \n{\"a\":2}\n\n", &["a", "2: 1", "4: 2"]),
        // Columns in the order in which they appear, however late.
        ("{\"b\":1}\n{\"a\":2}\n{\"c\":3,\"b\":4}\n", &["b|a|c", "1: 1|-|-", "2: -|2|-", "3: 4|-|3"]),
        // Digits stay as they are written.
        (
            "{\"id\":12345678901234567890,\"n\":1.10,\"m\":-0,\"e\":1E+2,\"t\":\"00123\"}\n",
            &["id|n|m|e|t", "1: 12345678901234567890|1.10|-0|1E+2|00123"],
        ),
        ("{\"a\":true,\"b\":false,\"c\":null,\"d\":\"\"}\n", &["a|b|c|d", "1: true|false|-|"]),
        ("{\"a\":\"caf\\u00e9 \\\"x\\\" \\ud83d\\ude00\\n\"}", &["a", "1: café \"x\" 😀\n"]),
        // Objects become dotted names, arrays stay.
        (
            "{\"via\":{\"channel\":\"web\",\"from\":{\"id\":7}},\"tags\":[ \"a\", {\"b\":1} ],\"o\":{}}\n",
            &["via.channel|via.from.id|tags", "1: web|7|[ \"a\", {\"b\":1} ]"],
        ),
        ("{\"via\":null}\n{\"via\":{\"channel\":\"web\"}}\n", &["via|via.channel", "1: -|-", "2: -|web"]),
        // A line that cannot be read costs itself.
        (
            "{\"a\":1}\n{\"a\":\n{\"a\":1}}\n{\"a\" 1}\nnot json\n{\"a\":01}\n{\"a\":1,}\n{\"a\":\"\\ud83d\"}\n{\"a\":3}\n",
            &[
                "a",
                "1: 1",
                "2! not JSON",
                "3! not JSON",
                "4! not JSON",
                "5! not JSON",
                "6! not JSON",
                "7! not JSON",
                "8! not JSON",
                "9: 3",
            ],
        ),
        ("[1]\n7\n{\"a\":1}\n", &["a", "1! not a JSON object", "2! not a JSON object", "3: 1"]),
        (
            "{\"a\":1,\"a\":2}\n{\"a.b\":1,\"a\":{\"b\":2}}\n{\"a\":1}\n",
            &["a", "1! a JSON name twice", "2! a JSON name twice", "3: 1"],
        ),
        // A row that is rejected makes no columns.
        ("{\"x\":1 \"a\":2}\n{\"a\":1}\n", &["a", "1! not JSON", "2: 1"]),
        ("{}\n", &["", "1: "]),
    ] {
        for step in [1, 2, 3, 7, 1000] {
            let reader = open(text.as_bytes(), step, &lines()).expect("a reader").expect("rows");
            assert_eq!(rows(reader), expected, "{text:?}, {step} bytes at a time");
        }
    }
}

#[test]
fn bytes_that_are_no_text_cost_their_line() {
    let bytes = b"{\"a\":\"caf\xe9\"}\n{\"a\":1}\n";
    let reader = open(bytes, 5, &lines()).expect("a reader").expect("rows");
    assert_eq!(rows(reader), ["a", "1! not UTF-8", "2: 1"]);
    let latin = JsonOptions { encoding: Encoding::Latin1, ..lines() };
    assert_eq!(rows(open(bytes, 5, &latin).expect("a reader").expect("rows")), ["a", "1: café", "2: 1"]);
}

#[test]
fn arrays_are_read_element_by_element() {
    for (records, text, expected) in [
        (None, "[{\"a\":1},{\"a\":2}]", &["a", "1: 1", "2: 2"][..]),
        (None, "\u{feff} [ { \"a\" : 1 } , { \"a\" : \"]}\\\"\" } ] \n", &["a", "1: 1", "2: ]}\""]),
        (None, "[{\"a\":{\"b\":[{\"c\":[]}]}}]", &["a.b", "1: [{\"c\":[]}]"]),
        (None, "[{\"a\":1}] [{\"b\":2}]", &["a|b", "1: 1|-", "2: -|2"]),
        (
            None,
            "[{\"a\":1},{\"a\" 2},x y,[1],7,{\"a\":3}]",
            &[
                "a",
                "1: 1",
                "2! not JSON",
                "3! not JSON",
                "4! not JSON",
                "5! not a JSON object",
                "6! not a JSON object",
                "7: 3",
            ],
        ),
        (
            Some("tickets"),
            "{\"count\":2,\"next\":{\"tickets\":[9]},\"x\":\"}]\\\"\",\"tickets\":[{\"a\":1},{\"a\":2}],\"end\":[{}]}",
            &["a", "1: 1", "2: 2"],
        ),
        (
            Some("data.tickets"),
            "{\"tickets\":1,\"data\":{\"n\":-1.5,\"tickets\":[{\"a\":1}]},\"z\":0}",
            &["a", "1: 1"],
        ),
        // Pages one after the other, one of them without rows.
        (
            Some("tickets"),
            "{\"tickets\":[{\"a\":1}]}\n{\"tickets\":null}\n{\"tickets\":[]}\n{\"tickets\":[{\"a\":2}],\"n\":1}\n",
            &["a", "1: 1", "2: 2"],
        ),
    ] {
        for step in [1, 2, 3, 7, 1000] {
            let reader = open(text.as_bytes(), step, &options(records)).expect("a reader").expect("rows");
            assert_eq!(rows(reader), expected, "{text:?}, {step} bytes at a time");
        }
    }
}

#[test]
fn files_without_rows_are_empty() {
    for (options, text) in [
        (lines(), ""),
        (lines(), " \n\r\n"),
        (options(None), "  "),
        (options(None), "[ ]"),
        (options(Some("tickets")), "{\"tickets\":[],\"count\":0}"),
        (options(Some("tickets")), "{\"tickets\":null}"),
    ] {
        assert!(open(text.as_bytes(), 3, &options).expect("no error").is_none(), "{text:?}");
    }
}

#[test]
fn what_is_no_array_of_rows_is_an_error_of_the_data() {
    for (records, text, message) in [
        (None, "{\"tickets\":[]}", "the JSON is an object and no array"),
        (None, "7", "the file is no JSON array"),
        (None, "id,score\n", "the file is no JSON array"),
        (None, "[{\"a\":1},", "the JSON is cut off: a bracket is never closed"),
        (None, "[{\"a\":1}", "the JSON is cut off: a bracket is never closed"),
        (None, "[{\"a\":\"1}]", "the JSON is cut off: a bracket is never closed"),
        (None, "[{\"a\":1}}]", "a bracket closes what was never opened"),
        (Some("tickets"), "[{\"a\":1}]", "the JSON is an array, and `records` names one inside an object"),
        (Some("tickets"), "{\"error\":\"no\"}", "the JSON has no array `tickets`"),
        (Some("tickets"), "{\"tickets\":7}", "the JSON has no array `tickets`"),
        (Some("tickets"), "{\"tickets\":{}}", "the JSON has no array `tickets`"),
        (Some("a.b"), "{\"a\":7}", "the JSON has no array `a.b`"),
        (Some("tickets"), "{\"tickets\":[{\"a\":1}]", "the JSON is cut off: a bracket is never closed"),
        (Some("tickets"), "{\"tickets\"", "a name has no value"),
        (Some("tickets"), "{7}", "a name is expected"),
        (Some("r"), r#"{"r":[{"a":1}],"r":[{"a":2}]}"#, "a name of `records` stands twice in one object"),
        (
            Some("a.b"),
            r#"{"a":{"b":[],"c":[{"b":1}]},"a":{"b":[]}}"#,
            "a name of `records` stands twice in one object",
        ),
        (None, "[{\"_row\":1}]", "a name in the JSON is empty, or `_row`, `_problem` or `_file`"),
        (None, "[{\"\":1}]", "a name in the JSON is empty, or `_row`, `_problem` or `_file`"),
    ] {
        for step in [1, 1000] {
            let error = open(text.as_bytes(), step, &options(records)).map(|_| ()).expect_err(text);
            assert_eq!((error.kind(), error.message()), (Kind::Data, message), "{text}");
            assert!(error.context().contains(&("file", "tickets.json".to_string())), "{text}");
        }
    }
}

#[test]
fn memory_is_bounded_by_a_record() {
    let long = "x".repeat(MAX_RECORD + 10);
    let text = format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n");
    let error = open(text.as_bytes(), 1 << 20, &lines()).map(|_| ()).expect_err("too long");
    assert_eq!(error.message(), "a line is longer than 8 MiB");
    let text = format!("[{{\"a\":1}},{{\"a\":\"{long}\"}}]");
    let error = open(text.as_bytes(), 1 << 20, &options(None)).map(|_| ()).expect_err("too long");
    assert_eq!(error.message(), "an element of the JSON array is longer than 8 MiB");
    // What is not asked for may be of any length.
    let text = format!("{{\"raw\":\"{long}\",\"tickets\":[{{\"a\":1}}],\"more\":[\"{long}\"]}}");
    let reader = open(text.as_bytes(), 1 << 20, &options(Some("tickets"))).expect("a reader").expect("rows");
    assert_eq!(rows(reader), ["a", "1: 1"]);
    let many: Vec<String> = (0..=MAX_COLUMNS).map(|n| format!("{{\"{n}\":1}}")).collect();
    let error = open(many.join("\n").as_bytes(), 1000, &lines()).map(|_| ()).expect_err("too many");
    assert_eq!(error.message(), "the JSON has more than 2000 names");
}

#[test]
fn depth_is_bounded_and_deeper_objects_stay_json() {
    let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let mut fields = Vec::new();
    object::fields(&deep(40), &mut fields).expect("an object");
    assert_eq!(fields, [(vec!["a"; 32].join("."), Some(deep(8)))]);
    fields.clear();
    object::fields(&deep(100_000), &mut fields).expect("an object");
}

#[test]
fn batches_are_bounded_by_rows() {
    let text = "{\"a\":1}\n".repeat(20_000);
    let reader = open(text.as_bytes(), 1 << 20, &lines()).expect("a reader").expect("rows");
    let sizes: Vec<usize> = reader.map(|batch| batch.expect("a batch").num_rows()).collect();
    assert_eq!(sizes, [text::BATCH_ROWS, text::BATCH_ROWS, 3616]);
}

/// Any JSON value, as serde_json sees it.
fn value() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map("[a-c\"\\\\{}]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What the fields of an object should be, the slow way.
fn expected(value: &serde_json::Value, path: &str, into: &mut Vec<(String, Option<String>)>) {
    let serde_json::Value::Object(object) = value else { return };
    for (name, value) in object {
        let name = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            serde_json::Value::Object(_) => expected(value, &name, into),
            serde_json::Value::Null => into.push((name, None)),
            serde_json::Value::String(text) => into.push((name, Some(text.clone()))),
            other => into.push((name, Some(other.to_string()))),
        }
    }
}

proptest::proptest! {
    #[test]
    fn fields_are_those_that_serde_json_sees(value in value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("text")] {
            let (mut found, mut wanted) = (Vec::new(), Vec::new());
            let result = object::fields(&text, &mut found);
            if !value.is_object() {
                proptest::prop_assert_eq!(result, Err(object::NO_OBJECT));
                continue;
            }
            proptest::prop_assert_eq!(result, Ok(()));
            expected(&value, "", &mut wanted);
            // Arrays stay as they are written: compared as JSON.
            let plain = |fields: Vec<(String, Option<String>)>| -> Vec<(String, Option<String>)> {
                let compact = |text: String| match text.starts_with('[') {
                    true => serde_json::from_str::<serde_json::Value>(&text).map_or(text, |v| v.to_string()),
                    false => text,
                };
                fields.into_iter().map(|(name, value)| (name, value.map(compact))).collect()
            };
            proptest::prop_assert_eq!(plain(found), plain(wanted));
        }
    }

    #[test]
    fn elements_are_those_that_were_written(values in proptest::collection::vec(value(), 0..6), step in 1usize..9) {
        let array = serde_json::Value::Array(values.clone());
        let page = format!("{{\"n\":\"[\",\"rows\":{array},\"m\":[1]}}");
        for (records, text) in [(None, array.to_string()), (Some("rows"), page)] {
            let window = Window::new(Slow(text.as_bytes(), step), Encoding::Utf8, "f").expect("a window");
            let path = records.map(|name: &str| vec![name.to_string()]).unwrap_or_default();
            let mut elements = Elements::new(window, path);
            let mut found = Vec::new();
            while let Some((_, element)) = elements.advance().expect("an element") {
                found.push(serde_json::from_slice::<serde_json::Value>(element).expect("JSON"));
            }
            // The way through text may cost a float its last digit; both went it.
            let written: Vec<serde_json::Value> = serde_json::from_str(&array.to_string()).expect("JSON");
            proptest::prop_assert_eq!(&found, &written);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80), text in "[\\[\\]{}\",:\\\\a1n ]{0,40}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            for options in [lines(), options(None), options(Some("a")), options(Some("a.n"))] {
                if let Ok(Some(reader)) = open(bytes, 7, &options) {
                    reader.for_each(drop);
                }
            }
        }
    }
}
