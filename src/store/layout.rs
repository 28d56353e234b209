//! `tables/<table>/as_of=<day>/…`: published tables once more, for tools that cannot follow `latest.json`.
//!
//! Copies, made after the commit and never read by the program. A day's files are those of the newest kept
//! run of that day; `tables/runs.json` says which one. A day that is being written has none there, so that
//! whoever comes next writes it again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Store;
use super::history::History;
use super::publish::{self, folder_of, json, parse};
use crate::error::{Context, Error, Result};

const FOLDER: &str = "tables";
const RUNS: &str = "runs.json";

/// By day, the run that its files are of.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Days(BTreeMap<String, Option<String>>);

/// Brings the folder in line with the runs that are kept: the day of the run named, and all days that are in
/// it already. Without a run and without the folder it does nothing.
///
/// # Errors
/// `Kind::Data` where a published file is not as its manifest says; those of the storage.
pub async fn renew(output: &Store, run_id: Option<&str>) -> Result<()> {
    let tables = output.child(FOLDER)?;
    let mut days: Days = match tables.read_if_there(RUNS).await? {
        Some(text) => parse(&tables, RUNS, &text)?,
        None => Days::default(),
    };
    if days.0.is_empty() && run_id.is_none() {
        return Ok(());
    }
    let history = History::read(output).await?;
    let named = run_id.and_then(|run_id| history.entry(run_id)).map(|entry| entry.as_of.clone());
    let wanted: BTreeSet<String> = days.0.keys().cloned().chain(named).collect();
    for day in wanted {
        let kept = history.runs.iter().rev().find(|entry| !entry.is_removed && entry.as_of == day);
        let kept = kept.map(|entry| entry.run_id.clone());
        if kept.is_some() && days.0.get(&day) == Some(&kept) {
            continue;
        }
        days.0.insert(day.clone(), None);
        tables.write(RUNS, json(&days)?).await?;
        write_day(output, &tables, &day, kept.as_deref()).await.with("day", &day)?;
        match kept {
            Some(_) => days.0.insert(day, kept),
            None => days.0.remove(&day),
        };
        tables.write(RUNS, json(&days)?).await?;
    }
    Ok(())
}

/// A day's files as those of the run, or none; what else lies there of that day goes.
async fn write_day(output: &Store, tables: &Store, day: &str, run_id: Option<&str>) -> Result<()> {
    let mut written = BTreeSet::new();
    if let Some(run_id) = run_id {
        let folder = output.child(&folder_of(run_id)?)?;
        let files = publish::manifest(output, run_id).await?.files;
        for file in files.iter().filter(|file| file.rows.is_some()) {
            let Some((table, name)) = file.path.split_once('/') else { continue };
            let path = format!("{table}/as_of={day}/{name}");
            let copy = tables.write(&path, folder.read(&file.path).await?).await?;
            if copy.sha256 != file.sha256 {
                return Err(Error::data("a published file is not as its manifest says")
                    .with("run", run_id)
                    .with("path", &file.path));
            }
            written.insert(path);
        }
    }
    let there = tables.list(&format!("*/as_of={day}/*.parquet")).await?;
    let others = there.into_iter().map(|object| object.path).filter(|path| !written.contains(path));
    tables.delete(&others.collect::<Vec<_>>()).await?;
    tables.remove_empty_folders()
}

#[cfg(test)]
mod tests {
    use super::super::Bytes;
    use super::*;

    fn run(run_id: &str, as_of: &str) -> serde_json::Value {
        serde_json::json!({"order": 1, "run_id": run_id, "as_of": as_of, "fingerprint": "f", "was_latest": true})
    }

    async fn published(output: &Store, run_id: &str, as_of: &str, files: &[(&str, &str)]) {
        let mut listed = Vec::new();
        for (path, text) in files {
            let text = Bytes::from(text.as_bytes().to_vec());
            let written = output.write(&format!("runs/{run_id}/{path}"), text).await.unwrap();
            let rows = path.ends_with(".parquet").then_some(1);
            listed.push(serde_json::json!({
                "path": path, "bytes": written.bytes, "rows": rows, "sha256": written.sha256,
            }));
        }
        let about = publish::About { as_of: as_of.into(), ..publish::About::default() };
        let mut manifest = serde_json::to_value(about).unwrap();
        manifest["run_id"] = run_id.into();
        manifest["files"] = listed.into();
        output.write(&format!("runs/{run_id}/manifest.json"), json(&manifest).unwrap()).await.unwrap();
    }

    async fn history(output: &Store, runs: &[serde_json::Value]) {
        let text = json(&serde_json::json!({"runs": runs})).unwrap();
        output.write("history.json", text).await.unwrap();
    }

    async fn there(output: &Store) -> Vec<String> {
        let tables = output.child(FOLDER).unwrap();
        let mut told = Vec::new();
        for object in tables.list("*/*/*").await.unwrap() {
            let text = tables.read(&object.path).await.unwrap();
            told.push(format!("{} {}", object.path, String::from_utf8_lossy(&text)));
        }
        told
    }

    #[tokio::test]
    async fn each_day_holds_the_files_of_its_newest_kept_run() {
        let output = Store::in_memory(&[]).await.unwrap();
        renew(&output, None).await.unwrap();
        assert!(there(&output).await.is_empty(), "nothing asked for");
        let two = [("a/part-00000.parquet", "a1"), ("a/part-00001.parquet", "a2"), ("page.html", "p")];
        published(&output, "one", "2026-10-01", &two).await;
        history(&output, &[run("one", "2026-10-01")]).await;
        renew(&output, Some("one")).await.unwrap();
        let first = ["a/as_of=2026-10-01/part-00000.parquet a1", "a/as_of=2026-10-01/part-00001.parquet a2"];
        assert_eq!(there(&output).await, first);

        // The next day, and the first one again with fewer parts.
        published(&output, "two", "2026-10-02", &[("a/part-00000.parquet", "b1")]).await;
        published(&output, "again", "2026-10-01", &[("a/part-00000.parquet", "c1")]).await;
        let mut runs = vec![run("one", "2026-10-01"), run("two", "2026-10-02"), run("again", "2026-10-01")];
        history(&output, &runs).await;
        renew(&output, Some("two")).await.unwrap();
        let both = ["a/as_of=2026-10-01/part-00000.parquet c1", "a/as_of=2026-10-02/part-00000.parquet b1"];
        assert_eq!(there(&output).await, both);

        // What was broken off is written again.
        let tables = output.child(FOLDER).unwrap();
        tables
            .write(RUNS, json(&serde_json::json!({"2026-10-01": null, "2026-10-02": "two"})).unwrap())
            .await
            .unwrap();
        tables.delete(&["a/as_of=2026-10-01/part-00000.parquet".into()]).await.unwrap();
        renew(&output, None).await.unwrap();
        assert_eq!(there(&output).await, both);

        // A run that is not kept any more takes its day with it; another of that day stands in.
        runs[2]["is_removed"] = true.into();
        runs[1]["is_removed"] = true.into();
        history(&output, &runs).await;
        renew(&output, None).await.unwrap();
        assert_eq!(there(&output).await, first);
    }

    #[tokio::test]
    async fn a_damaged_file_is_not_copied_as_whole() {
        let output = Store::in_memory(&[]).await.unwrap();
        published(&output, "one", "2026-10-01", &[("a/part-00000.parquet", "a1")]).await;
        history(&output, &[run("one", "2026-10-01")]).await;
        output.write("runs/one/a/part-00000.parquet", Bytes::from_static(b"xx")).await.unwrap();
        let error = renew(&output, Some("one")).await.unwrap_err();
        assert!(error.message().contains("not as its manifest says"));
    }
}
