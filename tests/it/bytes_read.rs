//! Columns that nothing maps, row groups without a row that counts and folders of other days are not read: the
//! manifest, the last line and the metrics state what was read of what is there.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::program::{Outcome, aftersale_with, text};
use crate::table::{json, run_folder};

const ROWS: u32 = 4_000;
/// Reads that lie closer together than a mebibyte are made as one: columns have to be wider than that.
const FILLER: usize = 1_000;

/// Purchases with `wide` further columns of 4 MB each between the two that count, in `groups` row groups;
/// `shard` is the number of the group.
fn purchases(path: &Path, wide: usize, groups: usize) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let texts = |texts: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
    columns.push(("order_id".into(), texts((0..ROWS).map(|row| format!("O{row}")).collect())));
    for column in 0..wide {
        let mut word = || -> String {
            let mut bytes = [0_u8; FILLER];
            random.fill(&mut bytes[..]);
            bytes.iter().map(|byte| char::from(b'a' + byte % 16)).collect()
        };
        columns.push((format!("filler_{column}"), texts((0..ROWS).map(|_| word()).collect())));
    }
    let day = |row: u32| format!("2025-05-{:02}T10:00:00Z", 1 + row % 20);
    columns.push(("ordered_at".into(), texts((0..ROWS).map(day).collect())));
    let in_group = ROWS as usize / groups;
    let shards = (0..ROWS as usize).map(|row| (row / in_group) as i64);
    columns.push(("shard".into(), Arc::new(Int64Array::from_iter_values(shards))));
    let rows = RecordBatch::try_from_iter(columns).expect("rows");
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(in_group))
        .set_dictionary_enabled(false)
        .build();
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let file = fs::File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).expect("a writer");
    writer.write(&rows).expect("written");
    writer.close().expect("closed");
}

fn run(folder: &TempDir, purchases: &str, arguments: &[&str]) -> Outcome {
    let surveys = "response_id,responded_at,score,order_id\nR1,2025-05-25,9,O1\nR2,2025-05-25,3,O2\nR3,2025-05-25,8,O3\n";
    fs::write(folder.path().join("surveys.csv"), surveys).expect("written");
    let config = folder.path().join("aftersale.toml");
    let settings = format!(
        "output = \"out\"\n[analysis]\nmin_link_rate = 0.0\n[sources.surveys]\nurl = \"surveys.csv\"\n\
         [sources.purchases]\nformat = \"parquet\"\n{purchases}"
    );
    fs::write(&config, settings).expect("written");
    let run = ["run", "--log-format", "json", "--config", text(&config)];
    aftersale_with(&[&run, arguments].concat(), &[]).expect(0)
}

/// (bytes there, bytes read) of the purchases, by the manifest; the last line says the sum over all tables.
fn bytes(folder: &TempDir, outcome: &Outcome) -> (u64, u64) {
    let manifest = json(&run_folder(&folder.path().join("out")).join("manifest.json"));
    let reads = manifest["reads"].as_array().expect("reads").clone();
    let of = |table: &serde_json::Value, name: &str| table[name].as_u64().expect("a number");
    let sum = |name: &str| reads.iter().map(|table| of(table, name)).sum::<u64>();
    let last: serde_json::Value =
        serde_json::from_str(outcome.stderr.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["bytes_read"], sum("bytes_read"), "{last}");
    assert_eq!(last["bytes_there"], sum("bytes_there"), "{last}");
    let table = reads.iter().find(|table| table["source"] == "purchases").expect("the purchases");
    (of(table, "bytes_there"), of(table, "bytes_read"))
}

#[test]
fn columns_that_are_not_mapped_are_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    purchases(&folder.path().join("purchases.parquet"), 5, 1);
    let size = fs::metadata(folder.path().join("purchases.parquet")).expect("a file").len();
    let outcome = run(&folder, "url = \"purchases.parquet\"\n", &[]);
    let (there, read) = bytes(&folder, &outcome);
    assert_eq!(there, size);
    // Orders and times are a hundredth of it. They are read more than once, each time with half a mebibyte at the
    // file's end, where its footer is.
    assert!(read > 0 && read < there / 5, "{read} of {there} bytes");

    // One of the wide columns mapped, and it is read.
    let mapped = "url = \"purchases.parquet\"\n[sources.purchases.columns]\nstore_id = \"filler_1\"\n";
    let (_, with_one) = bytes(&folder, &run(&folder, mapped, &[]));
    assert!(with_one > read + 4_000_000, "{with_one} bytes, and {read} without it");
}

#[test]
fn row_groups_without_a_row_that_counts_are_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    purchases(&folder.path().join("purchases.parquet"), 1, 8);
    let mapped = "url = \"purchases.parquet\"\nwhere = \"shard = 0\"\n[sources.purchases.columns]\n\
                  store_id = \"filler_0\"\n";
    let (_, one) = bytes(&folder, &run(&folder, mapped, &[]));
    let (there, all) = bytes(&folder, &run(&folder, &mapped.replace("shard = 0", "shard >= 0"), &[]));
    assert!(all > there / 2, "{all} of {there} bytes");
    // Each reading of the file has its last half mebibyte, whatever is asked for.
    assert!(one + there / 2 < all, "{one} bytes for one row group of eight, {all} for all of {there}");
}

#[test]
fn folders_of_other_days_are_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for day in ["2021-05-20", "2025-05-20"] {
        purchases(&folder.path().join(format!("purchases/ds={day}/000.parquet")), 1, 1);
    }
    let source = "url = \"purchases/\"\npartition = { column = \"ds\", covers = \"day\", slack_days = 3 }\n\
                  [sources.purchases.columns]\nstore_id = \"filler_0\"\norder_id = \"order_id || ds\"\n";
    let old = fs::metadata(folder.path().join("purchases/ds=2021-05-20/000.parquet")).expect("a file").len();
    let day = ["--as-of", "2025-05-31"];
    let (there, pruned) = bytes(&folder, &run(&folder, source, &day));
    assert_eq!(there, 2 * old);
    let whole = source.replace("partition =", "# partition =");
    let (_, all) = bytes(&folder, &run(&folder, &whole, &day));
    assert!(all > pruned + old / 2, "{pruned} bytes with one folder left out, {all} with both");
}
