//! The promise of publication, as a reader sees it: whoever follows `latest.json`, at any moment, finds a
//! whole run; and nothing lies there that no run is responsible for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

/// How often a test tries: `AFTERSALE_LONG=1` as often as it is meant to, `AFTERSALE_LONG=N` N times, else seldom.
pub fn times(seldom: usize, often: usize) -> usize {
    match std::env::var("AFTERSALE_LONG").ok().and_then(|times| times.parse().ok()) {
        Some(1) => often,
        Some(times) => times,
        None => seldom,
    }
}

/// What is published in a folder.
pub struct Found {
    pub latest: String,
    /// Of runs whose files are there.
    pub history: Vec<String>,
    pub unfinished: Vec<String>,
}

fn json(path: &Path) -> Result<serde_json::Value, String> {
    let text = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The run that `latest.json` leads to, if it is whole: every file as its manifest says, by its hash.
pub fn latest_run(output: &Path) -> Result<String, String> {
    let latest = json(&output.join("latest.json"))?;
    let folder = output.join(latest["path"].as_str().ok_or("latest.json has no path")?);
    let manifest = json(&folder.join("manifest.json"))?;
    let files = manifest["files"].as_array().ok_or("no files")?;
    if manifest["run_id"] != latest["run_id"] || files.len() < 8 {
        return Err(format!("{} is another run's manifest", folder.display()));
    }
    for file in files {
        let path = folder.join(file["path"].as_str().unwrap_or_default());
        let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        if file["sha256"] != format!("{:x}", Sha256::digest(&bytes)) {
            return Err(format!("{} is not as it was written", path.display()));
        }
    }
    Ok(latest["run_id"].as_str().unwrap_or_default().to_string())
}

/// The whole output: the latest run is whole, and every other is in the history or named by an intent.
pub fn kept(output: &Path) -> Result<Found, String> {
    let latest = latest_run(output)?;
    let ids = |value: &serde_json::Value, keep: &dyn Fn(&serde_json::Value) -> bool| -> Vec<String> {
        let entries = value.as_array().into_iter().flatten().filter(|entry| keep(entry));
        entries.map(|entry| entry["run_id"].as_str().unwrap_or_default().to_string()).collect()
    };
    // Before the first run has ended there is none.
    let history = json(&output.join("history.json")).unwrap_or_default();
    let entries = history["runs"].as_array().into_iter().flatten();
    let replaced: Vec<&str> = entries.filter_map(|entry| entry["replaces"].as_str()).collect();
    let is_replaced = |run: &String| replaced.contains(&run.as_str());
    let kept = ids(&history["runs"], &|entry| entry["is_removed"] != true);
    let intent = json(&output.join("intent.json")).unwrap_or_default();
    let unfinished = ids(&intent["unfinished"], &|_| true);
    let runs = fs::read_dir(output.join("runs")).map_err(|e| e.to_string())?;
    let there: BTreeSet<String> =
        runs.map(|run| run.expect("a folder").file_name().to_string_lossy().into_owned()).collect();
    if let Some(nobodys) =
        there.iter().find(|run| !kept.contains(run) && !unfinished.contains(run) && !is_replaced(run))
    {
        return Err(format!("{nobodys} is no run of the history, and no intent names it"));
    }
    Ok(Found { latest, history: kept, unfinished })
}

/// After a run that ended by itself: nothing is left of killed ones, and nobody holds the lock.
pub fn tidy(output: &Path) -> Result<Found, String> {
    let found = kept(output)?;
    if !found.unfinished.is_empty() || !found.history.contains(&found.latest) {
        return Err(format!("unfinished: {:?}, history: {:?}", found.unfinished, found.history));
    }
    // While an old run is removed, it is gone before the history says so.
    if let Some(gone) = found.history.iter().find(|run| !output.join("runs").join(run).is_dir()) {
        return Err(format!("{gone} stands in the history and is gone"));
    }
    for path in glob::glob(&format!("{}/**/*", output.display())).expect("a pattern") {
        let path = path.expect("a path");
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_empty = path.is_dir() && fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        let is_leftover = name.contains('#') || name == "_uploads" || is_empty;
        if is_leftover && !path.starts_with(output.join("landed")) {
            return Err(format!("{} is left", path.display()));
        }
    }
    Ok(found)
}

/// Somebody who follows `latest.json` again and again.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, String>>,
}

impl Reader {
    pub fn start(look: impl Fn() -> Result<(), String> + Send + 'static) -> Reader {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while !stopped.load(Ordering::Relaxed) {
                look()?;
                looks += 1;
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Ok(looks)
        });
        Reader { stop, thread }
    }

    /// How often it looked; fails with what it saw.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the reader ends").unwrap_or_else(|seen| panic!("a reader saw: {seen}"))
    }
}
