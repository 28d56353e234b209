//! Every published column that names a row of an export or a customer, or holds a customer's words, says so in
//! its query's header (`id`, `customer`, `comment`). Where pseudonyms are asked for, what the exports call them
//! is looked for in every file that is published, whatever tables there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aftersale::queries::{self, ColumnKind};

use crate::program::{aftersale_with, text};
use crate::table::read_folder;
use crate::world;

const KEY: (&str, &str) = ("NIGHT_KEY", "a key of no fewer than 32 letters");
/// Every id, address and comment of the exports holds it.
const CANARY: &str = "canary";
const WORDS: &str = "canary-words";

/// Tables that this world does not fill; they hold figures of touchpoints and segments, and no rows of exports.
const EMPTY: [&str; 1] = ["rpt_change"];

/// The small world, its ids, addresses and comments marked.
fn marked(folder: &Path) -> PathBuf {
    let config = world::write(folder, &world::feeds(400), 1);
    let mut identities = "customer_id,kind,value\n".to_string();
    for feed in ["surveys", "purchases", "tickets", "ticket_events", "interactions"] {
        let path = folder.join("given").join(feed).join("000.csv");
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(&path).expect("an export");
        let header = reader.headers().expect("a header").clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
        let mut writer = csv::WriterBuilder::new().flexible(true).from_path(&path).expect("a file");
        let has_email = ["surveys", "purchases"].contains(&feed);
        let further = has_email.then_some("email");
        writer.write_record(header.iter().chain(further)).expect("written");
        for (number, row) in rows.iter().enumerate() {
            let mut cells = Vec::new();
            for (name, cell) in header.iter().zip(row) {
                cells.push(match name {
                    name if name.ends_with("_id") && !cell.is_empty() => format!("{CANARY}-{cell}"),
                    "comment" => format!("{WORDS} of row {number}"),
                    _ => cell.to_string(),
                });
                if feed == "purchases" && name == "customer_id" && !cell.is_empty() && number % 7 == 0 {
                    identities += &format!("{CANARY}-{cell},email,{CANARY}-{cell}@x.example\n");
                }
            }
            if has_email && row.len() == header.len() {
                cells.push(format!("{CANARY}-{}@x.example", number % 90));
            }
            writer.write_record(&cells).expect("written");
        }
        writer.flush().expect("written");
    }
    fs::create_dir_all(folder.join("given/identities")).expect("a folder can be made");
    fs::write(folder.join("given/identities/000.csv"), identities).expect("written");
    let settings = fs::read_to_string(&config).expect("read");
    let further = "[privacy]\npseudonym_key = \"NIGHT_KEY\"\n[sources.identities]\nurl = \"given/identities/\"\n\
                   format = \"csv\"\n";
    fs::write(&config, format!("{settings}\n{further}")).expect("written");
    config
}

/// What is wrong with a published table: columns whose kind does not say what they hold.
fn undeclared(name: &str, folder: &Path, comments: &BTreeSet<(String, String)>) -> Vec<String> {
    let table = read_folder(folder);
    let mut wrong = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let may_hold_words = comments.contains(&(name.to_string(), column.clone()));
        let is_told = |cell: &&String| match may_hold_words {
            true => cell.replace(WORDS, "").contains(CANARY),
            false => cell.contains(CANARY),
        };
        if let Some(cell) = table.rows.iter().map(|row| &row[place]).find(is_told) {
            wrong.push(format!("{name}.{column} holds {cell:?}"));
        }
    }
    wrong
}

#[test]
fn what_exports_call_persons_and_rows_stands_in_no_published_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = marked(folder.path());
    let output = folder.path().join("out");
    let arguments = ["run", "--config", text(&config), "--output", text(&output)];
    aftersale_with(&arguments, &[KEY]).expect(0);
    // Late rows, so that figures are restated.
    let surveys = folder.path().join("given/surveys/000.csv");
    let rows = fs::read_to_string(&surveys).expect("read");
    let late: String = (0..40)
        .map(|n| {
            format!(
                "{CANARY}-late-{n},2025-03-{:02} 10:00,0,,{CANARY}-O{},transactional,,{WORDS},\n",
                1 + n % 28,
                1 + n
            )
        })
        .collect();
    fs::write(&surveys, rows + &late).expect("written");
    aftersale_with(&arguments, &[KEY]).expect(0);
    aftersale_with(&["report", "--config", text(&config), "--output", text(&output)], &[KEY]).expect(0);

    let published = queries::stages().expect("headers").into_iter().filter(queries::Query::is_published);
    let mut comments = BTreeSet::new();
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for query in published {
        rows.insert(query.name.clone(), 0);
        let words = query.columns.iter().filter(|column| column.kind == ColumnKind::Comment);
        comments.extend(words.map(|column| (query.name.clone(), column.name.clone())));
    }
    let (mut wrong, mut files) = (Vec::new(), 0);
    for path in glob::glob(&format!("{}/**/*", output.display())).expect("a pattern") {
        let path = path.expect("a path");
        // Copies of the exports.
        if path.is_dir() || path.starts_with(output.join("landed")) {
            continue;
        }
        files += 1;
        let parent = path.parent().expect("a folder");
        if path.extension().is_some_and(|ending| ending == "parquet") {
            let name = parent.file_name().and_then(|name| name.to_str()).expect("a name").to_string();
            wrong.extend(undeclared(&name, parent, &comments));
            *rows.entry(name).or_default() += read_folder(parent).rows.len();
        } else {
            let seen = String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned();
            // Shared words of comments may stand on pages.
            if seen.replace(WORDS, "").contains(CANARY) {
                wrong.push(path.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "declare these columns `id`, `customer` or `comment`:\n{}", wrong.join("\n"));
    assert!(files > 30, "only {files} files");
    // A table without rows shows nothing: this world has to be made to fill it.
    let empty: Vec<&str> =
        rows.iter().filter(|(_, rows)| **rows == 0).map(|(name, _)| name.as_str()).collect();
    assert_eq!(empty, EMPTY, "tables without rows");
}
