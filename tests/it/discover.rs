//! `aftersale init --from`: a configuration proposed for exports that nobody has described.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::program::{Outcome, aftersale, command, exit_code, text};

fn write(folder: &Path, name: &str, lines: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
    fs::write(path, lines).expect("written");
}

fn check(folder: &Path, proposal: &str) -> Outcome {
    let config = folder.join("aftersale.toml");
    fs::write(&config, proposal).expect("written");
    aftersale(&["check", "--config", text(&config)])
}

/// Names of a stranger's choice: two tables that can be told, and a score that cannot.
fn lake(folder: &Path) {
    write(
        folder,
        "lake/orders/2025-01.csv",
        "Order No,Customer,Order Date,Delivered on,Region,Remark\n\
         1001,C1,2025-01-02 10:00,2025-01-05,North,please ring twice at the door of the house\n\
         1002,C2,2025-01-03 11:00,2025-01-09,South,\n",
    );
    write(
        folder,
        "lake/orders/2025-02.csv",
        "Order No,Customer,Order Date,Delivered on,Region,Remark\n1003,C3,2025-02-03 11:00,,South,\n",
    );
    write(folder, "lake/orders/_SUCCESS", "");
    write(
        folder,
        "lake/nps/answers.csv",
        "Response ID,Submitted,Customer,E-Mail,Q1,Q2\n\
         R1,2025-01-20 09:00,C1,ann@example.com,9,It was all right in the end\n\
         R2,2025-01-21 09:00,C2,bo@example.com,2,late\n\
         R3,2025-02-21 09:00,C3,cy@example.com,10,\n",
    );
    write(folder, "lake/prices.csv", "colour,price\nred,3\n");
}

#[test]
fn a_stranger_fills_one_gap_and_is_done() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    let proposal = aftersale(&["init", "--from", text(&folder.path().join("lake"))]).expect(0).stdout;
    for line in [
        "lake/orders/\"\nformat = \"csv\"\n",
        "order_id = \"Order No\"           # 1001 | 1002 | 1003",
        "ordered_at = \"Order Date\"       # 2025-01-02 10:00 | 2025-01-03 11:00 | 2025-02-03 11:00",
        "delivered_at = \"Delivered on\"",
        "segments = [\"region\"]",
        "# ? score: which column is it? perhaps \"Q1\" (9 | 2 | 10)\n# score = \"\"\n",
        "# ? its times have no zone",
        "# not found: ",
        "prices.csv (1 object; 1 rows of them were looked at): which feed is it?",
        "_SUCCESS (empty)",
    ] {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
    for secret in ["ann@", "house", "in the end"] {
        assert!(!proposal.contains(secret), "{secret} is shown:\n{proposal}");
    }

    // It can be read as it is, and is refused for its gap and nothing else.
    check(folder.path(), &proposal).expect(78).says(&["nothing is mapped to the column `score`", "hint:"]);
    let outcome = check(folder.path(), &proposal.replace("# score = \"\"", "score = \"Q1\"")).expect(0);
    assert!(outcome.stdout.contains("100.0%: 3 latest_purchase"), "{}", outcome.told());
}

/// Packed exports are looked into like others, whatever their names say.
#[test]
fn compressed_exports_are_recognised() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    let lake = folder.path().join("lake");
    let answers = fs::read(lake.join("nps/answers.csv")).expect("an export");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&answers).expect("in memory");
    fs::remove_file(lake.join("nps/answers.csv")).expect("removed");
    fs::write(lake.join("nps/answers.csv.gz"), gzip.finish().expect("in memory")).expect("written");
    for month in ["orders/2025-01.csv", "orders/2025-02.csv"] {
        let plain = fs::read(lake.join(month)).expect("an export");
        fs::write(lake.join(month), zstd::encode_all(&plain[..], 1).expect("in memory")).expect("written");
    }
    let proposal = aftersale(&["init", "--from", text(&lake)]).expect(0).stdout;
    for line in ["order_id = \"Order No\"           # 1001 | 1002 | 1003", "perhaps \"Q1\" (9 | 2 | 10)"] {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
    check(folder.path(), &proposal.replace("# score = \"\"", "score = \"Q1\"")).expect(0);
}

#[test]
fn what_looks_like_nothing_is_left_as_a_question() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "lake/prices.csv", "colour,price\nred,3\n");
    let proposal =
        aftersale(&["init", "--from", text(&folder.path().join("lake/prices.csv"))]).expect(0).stdout;
    assert!(proposal.contains("# ? where are the answers?"), "{proposal}");
    check(folder.path(), &proposal).expect(78).says(&["sources", "hint:"]);

    aftersale(&["init", "--from", text(&folder.path().join("nowhere"))])
        .expect(64)
        .says(&["nothing lies at this address", "hint:"]);
    aftersale(&["init", "--from", "x", "--preset", "olist"]).expect(64);
}

/// Paths are written as they were asked for: the file will stand where the command was run.
#[test]
fn addresses_are_relative_where_they_were_given_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    let output = command(&["init", "--from", "lake/orders/", "lake/nps/*.csv"], &[])
        .current_dir(folder.path())
        .output();
    let output = output.expect("the program starts");
    assert_eq!(exit_code(output.status), 0);
    let proposal = String::from_utf8(output.stdout).expect("text");
    assert!(
        proposal.contains("url = \"lake/orders/\"") && proposal.contains("url = \"lake/nps/answers.csv\""),
        "{proposal}"
    );
    check(folder.path(), &proposal.replace("# score = \"\"", "score = \"Q1\"")).expect(0);
}

/// The sample of the program, in Parquet and CSV, named as ours: nothing is left to ask.
#[test]
fn exports_named_as_ours_need_no_answer() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
    let places: Vec<String> = ["surveys", "purchases", "tickets", "interactions"]
        .iter()
        .map(|feed| format!("{}/", sample.join(feed).display()))
        .collect();
    let mut arguments = vec!["init", "--from"];
    arguments.extend(places.iter().map(String::as_str));
    let proposal = aftersale(&arguments).expect(0).stdout;
    for feed in ["surveys", "purchases", "tickets", "interactions"] {
        assert!(proposal.contains(&format!("[sources.{feed}]\n")), "{feed}\n{proposal}");
    }
    assert!(!proposal.contains("which column is it?"), "{proposal}");
}
