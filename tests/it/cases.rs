//! Cases as data: drop in a folder, get a test.
//!
//! ```text
//! tests/cases/<name>/
//!   why.md                     the rule that the case shows, in a sentence or two
//!   aftersale.toml             the smallest configuration; addresses are relative
//!   given/<feed>.csv           the export
//!   command                    further arguments; `run` where there is none
//!   expected/<table>.csv       rows of a published table: the columns of the header are compared, in any
//!                              order of rows; null is empty, floats count to the digits printed
//!   expected/exit_code         for a run that stops; nothing may be published then, and tables are those
//!   expected/stderr            kept under failed/; each line of stderr must be said
//! ```
//!
//! An expectation may look at some rows only: `# only touchpoint = late, early` above its header. It may
//! carry a word of its own for a second look at a table: `fct_exposures.delivery.csv`.
//! What is expected is worked out by hand from the rules, never copied from what the program prints.
//! `AFTERSALE_CASE=<word> cargo test --release cases` runs the cases whose name holds the word.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::{aftersale, text};
use crate::table::{self, Table, difference};

/// As many as there were when this was last touched: a glob that matches nothing is no success.
const AT_LEAST: usize = 104;
const AT_ONCE: usize = 4;
/// Failures that are told in full; the others by name.
const SHOWN: usize = 10;

#[test]
fn every_case_comes_out_as_expected() {
    let word = std::env::var("AFTERSALE_CASE").unwrap_or_default();
    let all = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"));
    let cases: Vec<&PathBuf> = all.iter().filter(|case| name(case).contains(&word)).collect();
    assert!(!cases.is_empty() && (!word.is_empty() || cases.len() >= AT_LEAST), "{} cases", cases.len());

    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = run(case) {
                        let why = fs::read_to_string(case.join("why.md")).unwrap_or_default();
                        let report = format!("==== tests/cases/{}\n{why}\n{failure}", name(case));
                        failures.lock().expect("no thread panics here").push(report);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics here");
    failures.sort();
    let shown: Vec<&str> = failures.iter().take(SHOWN).map(String::as_str).collect();
    let others: Vec<&str> =
        failures.iter().skip(SHOWN).filter_map(|failure| failure.lines().next()).collect();
    let told = format!("{}\n{}", shown.join("\n"), others.join("\n"));
    assert!(failures.is_empty(), "{} of {} cases fail\n\n{told}", failures.len(), cases.len());
}

/// Runs one case and compares all that it expects.
fn run(case: &Path) -> Result<(), String> {
    let why = fs::read_to_string(case.join("why.md")).unwrap_or_default();
    if why.trim().is_empty() {
        return Err("why.md does not say what the case is for".into());
    }
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let output = folder.path();
    let config = case.join("aftersale.toml");
    let command = fs::read_to_string(case.join("command")).unwrap_or_else(|_| "run".into());
    let mut arguments: Vec<&str> = command.split_whitespace().collect();
    arguments.extend(["--config", text(&config), "--output", text(output)]);
    let outcome = aftersale(&arguments);

    let expected = case.join("expected");
    let code = fs::read_to_string(expected.join("exit_code")).unwrap_or_else(|_| "0".into());
    let mut wrong = Vec::new();
    if outcome.code.to_string() != code.trim() {
        return Err(format!("expected exit code {}\n{}", code.trim(), outcome.told()));
    }
    for line in fs::read_to_string(expected.join("stderr")).unwrap_or_default().lines() {
        if !outcome.stderr.contains(line) {
            wrong.push(format!("standard error does not say {line:?}\n{}", outcome.told()));
        }
    }
    let published = output.join("latest.json").exists();
    if published != (outcome.code == 0) {
        wrong.push(format!("published: {published}, but\n{}", outcome.told()));
    }
    let mut compared = 0;
    for file in files(&expected).iter().filter(|file| file.extension().is_some_and(|end| end == "csv")) {
        let file_name = name(file);
        let table = file_name.split('.').next().unwrap_or_default();
        let found = match published {
            true => table::run_folder(output).join(table),
            false => match files(&output.join("failed")).as_slice() {
                [run] => run.join(table),
                runs => {
                    wrong.push(format!("{} runs are kept under failed/\n{}", runs.len(), outcome.told()));
                    continue;
                }
            },
        };
        if !found.is_dir() {
            wrong.push(format!("there is no table {table}\n{}", outcome.told()));
            continue;
        }
        let expectation = fs::read_to_string(file).map_err(|e| e.to_string())?;
        let found = looked_at(&expectation, table::read_folder(&found))?;
        if let Some(difference) = difference(&Table::read_csv(&expectation), &found) {
            wrong.push(format!("-- {file_name}\n{difference}"));
        }
        compared += 1;
    }
    if compared == 0 && outcome.code == 0 {
        wrong.push("nothing is expected of the published tables".into());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The rows that the lines `# only <column> = <value>, <value>` above the header ask for.
pub fn looked_at(expectation: &str, found: Table) -> Result<Table, String> {
    let comments = expectation.lines().map_while(|line| line.strip_prefix('#'));
    comments.filter_map(|line| line.trim().strip_prefix("only ")).try_fold(found, |found, line| {
        let (column, values) = line.split_once('=').ok_or(format!("not understood: # only {line}"))?;
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        if !found.columns.iter().any(|known| known == column.trim()) {
            return Err(format!("no column `{}`", column.trim()));
        }
        Ok(found.only(column.trim(), &values))
    })
}

/// What stands in a folder, by name; nothing where there is none.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

pub fn name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_string()
}
