//! Publishing a run: its files, then its manifest, then the one small object that makes it the latest.
//!
//! Everything a run writes lies under `runs/<run_id>/`, where nobody looks before `latest.json` points
//! there; replacing `latest.json` is the only commit point. It moves forward in as-of only, so that a
//! run over an older day can be repeated without taking the newer report away. A run that fails before
//! the commit point deletes what it wrote, by name.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bytes, Object, ObjectWriter, Store, Written};
use crate::error::{Error, Result};

const LATEST: &str = "latest.json";
const MANIFEST: &str = "manifest.json";
const CONTRACT: &str = "contract.json";

/// `latest.json`: where the newest run lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    pub schema_version: String,
    pub run_id: String,
    /// ISO 8601 and always of one form: it is compared as text.
    pub as_of: String,
    /// The run's folder, relative to the output.
    pub path: String,
}

/// `manifest.json`: what the run is made of and what it made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub run_id: String,
    #[serde(flatten)]
    pub about: About,
    /// In the order of their paths.
    pub files: Vec<File>,
}

/// The part of the manifest that the caller knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub schema_version: String,
    pub as_of: String,
    /// Of everything that can change a result.
    pub fingerprint: String,
    pub code_version: String,
    /// The effective settings as text; secrets are never among the settings.
    pub configuration: String,
    pub inputs: Vec<Input>,
    /// What the inputs looked like, in the caller's words; null in manifests of older versions.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub contract: Value,
}

/// `contract.json`: how the inputs have changed since a run, taken over by a person. It holds until the
/// next run is published with a contract of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The run that was the latest when it was taken over.
    pub after_run: String,
    pub contract: Value,
    pub inputs: Vec<Input>,
}

/// One object that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub key: String,
    pub bytes: u64,
    pub etag: String,
    pub last_modified_micros: i64,
}

/// One object that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Relative to the run's folder.
    pub path: String,
    pub bytes: u64,
    /// None for what is not a table.
    pub rows: Option<u64>,
    pub sha256: String,
}

impl From<&Object> for Input {
    fn from(object: &Object) -> Self {
        Input {
            key: object.url.clone(),
            bytes: object.bytes,
            etag: object.etag.clone(),
            last_modified_micros: object.last_modified_micros,
        }
    }
}

/// What a commit came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub run_id: String,
    /// The run's folder: the whole address.
    pub url: String,
    /// False if a run of a newer as-of was left in its place.
    pub is_latest: bool,
}

/// A run on its way to being published.
pub struct Run {
    output: Store,
    folder: Store,
    run_id: String,
    files: Vec<File>,
    /// Every object begun, so that exactly those can be removed.
    begun: Vec<String>,
}

impl Run {
    /// Begins a run; nothing is written yet.
    pub fn begin(output: &Store, run_id: &str) -> Result<Run> {
        let (output, folder) = (output.clone(), output.child(&folder_of(run_id)?)?);
        Ok(Run { output, folder, run_id: run_id.to_owned(), files: Vec::new(), begun: Vec::new() })
    }

    /// A writer for one part of a table. Once finished, hand what it wrote to [`Run::record`].
    pub async fn table_writer(&mut self, table: &str, part: usize) -> Result<ObjectWriter> {
        let path = format!("{table}/part-{part:05}.parquet");
        self.begun.push(path.clone());
        self.folder.writer(&path).await
    }

    /// Names a finished part in the manifest.
    pub fn record(&mut self, rows: u64, written: Written) {
        self.add(Some(rows), written);
    }

    /// Writes a file that is not a table, such as a page, and names it in the manifest.
    pub async fn write(&mut self, path: &str, bytes: Bytes) -> Result<()> {
        self.begun.push(path.to_owned());
        let written = self.folder.write(path, bytes).await?;
        self.add(None, written);
        Ok(())
    }

    fn add(&mut self, rows: Option<u64>, written: Written) {
        let Written { path, bytes, sha256 } = written;
        self.files.push(File { path, bytes, rows, sha256 });
    }

    /// Writes the manifest, then points `latest.json` at this run, unless a newer as-of is there
    /// (`make_latest` overrides that). If the manifest fails, the run is discarded. If `latest.json`
    /// fails, the run is kept: the answer may have been lost and readers be sent there already.
    pub async fn commit(mut self, about: About, make_latest: bool) -> Result<Published> {
        let latest = Latest {
            schema_version: about.schema_version.clone(),
            run_id: self.run_id.clone(),
            as_of: about.as_of.clone(),
            path: folder_of(&self.run_id)?,
        };
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest =
            Manifest { run_id: self.run_id.clone(), about, files: std::mem::take(&mut self.files) };
        if let Err(error) = self.write(MANIFEST, json(&manifest)?).await {
            // The first failure is the one to tell; leftovers without a manifest are nobody's run.
            let _ = self.discard().await;
            return Err(error);
        }
        let is_latest = self
            .output
            .update(LATEST, |current| {
                let stays = match current {
                    Some(current) if !make_latest => {
                        parse::<Latest>(&self.output, LATEST, current)?.as_of > latest.as_of
                    }
                    _ => false,
                };
                if stays { Ok(None) } else { json(&latest).map(Some) }
            })
            .await
            .map_err(|error| error.with("written but not published", self.folder.url()))?;
        Ok(Published { run_id: self.run_id, url: self.folder.url().to_owned(), is_latest })
    }

    /// After an error or a stop: removes exactly the objects that this run began.
    pub async fn discard(self) -> Result<()> {
        self.folder.delete(&self.begun).await
    }
}

/// The newest published run, if there is one.
pub async fn latest(output: &Store) -> Result<Option<Latest>> {
    match output.read_if_there(LATEST).await? {
        Some(bytes) => parse(output, LATEST, &bytes).map(Some),
        None => Ok(None),
    }
}

/// What a run is made of. A run without a manifest was never finished.
pub async fn manifest(output: &Store, run_id: &str) -> Result<Manifest> {
    let path = format!("{}/{MANIFEST}", folder_of(run_id)?);
    parse(output, &path, &output.read(&path).await?)
}

/// What was taken over since `run_id`, if anything.
pub async fn accepted(output: &Store, run_id: &str) -> Result<Option<Accepted>> {
    let Some(bytes) = output.read_if_there(CONTRACT).await? else { return Ok(None) };
    Ok(Some(parse::<Accepted>(output, CONTRACT, &bytes)?).filter(|accepted| accepted.after_run == run_id))
}

/// Takes changed inputs over.
///
/// # Errors
/// `Kind::Unavailable` where another run has been published meanwhile: it has its own contract.
pub async fn accept(output: &Store, accepted: &Accepted) -> Result<()> {
    let text = json(accepted)?;
    output.update(CONTRACT, |_| Ok(Some(text.clone()))).await?;
    match latest(output).await? {
        Some(latest) if latest.run_id == accepted.after_run => Ok(()),
        _ => Err(Error::unavailable("another run was published meanwhile")
            .with("output", output.url())
            .hint("run `aftersale check` again")),
    }
}

fn folder_of(run_id: &str) -> Result<String> {
    if run_id.is_empty() || run_id.contains('/') {
        return Err(Error::usage("not a run's id").with("run", run_id));
    }
    Ok(format!("runs/{run_id}"))
}

fn json(value: &impl Serialize) -> Result<Bytes> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::internal("cannot write JSON").caused_by(source))?;
    text.push(b'\n');
    Ok(text.into())
}

fn parse<T: DeserializeOwned>(output: &Store, path: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|source| {
        Error::io("a published file cannot be read")
            .with("location", format!("{}/{path}", output.url()))
            .hint(match path {
                CONTRACT => "`aftersale check --accept` writes contract.json anew",
                _ => "`aftersale run --make-latest` publishes anew, and replaces a damaged latest.json",
            })
            .caused_by(source)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::error::Kind;

    fn about(as_of: &str) -> About {
        About {
            schema_version: "1.0".into(),
            as_of: as_of.into(),
            fingerprint: "f".into(),
            code_version: "0".into(),
            configuration: String::new(),
            inputs: Vec::new(),
            contract: Value::Null,
        }
    }

    async fn begun(output: &Store, run_id: &str) -> Run {
        let mut run = Run::begin(output, run_id).unwrap();
        let mut writer = run.table_writer("rpt_nps", 0).await.unwrap();
        writer.write_all(b"PAR1").await.unwrap();
        run.record(3, writer.finish().await.unwrap());
        run.write("leadership.html", Bytes::from_static(b"<html>")).await.unwrap();
        run
    }

    async fn names(output: &Store) -> Vec<String> {
        output.list("").await.unwrap().into_iter().map(|object| object.path).collect()
    }

    #[tokio::test]
    async fn latest_moves_forward_only() {
        let folder = tempfile::tempdir().unwrap();
        let local = Store::open("out", folder.path(), &BTreeMap::new()).unwrap();
        for output in [local, Store::in_memory(&[]).await.unwrap()] {
            assert_eq!(latest(&output).await.unwrap(), None);
            for (run_id, as_of, make_latest, now_latest) in [
                ("a", "2025-06-02", false, "a"),
                ("b", "2025-06-01", false, "a"),
                ("c", "2025-06-02", false, "c"),
                ("d", "2025-06-01", true, "d"),
            ] {
                let published = begun(&output, run_id).await.commit(about(as_of), make_latest).await.unwrap();
                assert_eq!(published.is_latest, now_latest == run_id);
                assert_eq!(published.url, format!("{}/runs/{run_id}", output.url()));
                assert_eq!(latest(&output).await.unwrap().unwrap().run_id, now_latest);
                assert_eq!(manifest(&output, run_id).await.unwrap().about.as_of, as_of);
            }
        }
    }

    #[tokio::test]
    async fn what_is_published_is_named_and_measured() {
        let output = Store::in_memory(&[]).await.unwrap();
        begun(&output, "a").await.commit(about("2025-06-02"), false).await.unwrap();
        let text = output.read("latest.json").await.unwrap();
        assert_eq!(
            text,
            "{\n  \"schema_version\": \"1.0\",\n  \"run_id\": \"a\",\n  \"as_of\": \"2025-06-02\",\n  \
             \"path\": \"runs/a\"\n}\n"
        );
        let files = manifest(&output, "a").await.unwrap().files;
        let short: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.bytes, file.rows)).collect();
        assert_eq!(short, [("leadership.html", 6, None), ("rpt_nps/part-00000.parquet", 4, Some(3))]);
    }

    #[tokio::test]
    async fn discarding_removes_this_run_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let local = Store::open("out", folder.path(), &BTreeMap::new()).unwrap();
        for output in [local, Store::in_memory(&[]).await.unwrap()] {
            begun(&output, "a").await.commit(about("2025-06-02"), false).await.unwrap();
            let before = names(&output).await;
            let mut run = begun(&output, "b").await;
            let unfinished = run.table_writer("rpt_nps", 1).await.unwrap();
            output.write("runs/b/not-ours", Bytes::new()).await.unwrap();
            drop(unfinished);
            run.discard().await.unwrap();
            output.delete(&["runs/b/not-ours".to_owned()]).await.unwrap();
            assert_eq!(names(&output).await, before);
            assert_eq!(before.len(), 4);
        }
        assert!(!folder.path().join("out/runs/b").exists());
    }

    #[tokio::test]
    async fn a_manifest_that_fails_discards_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let output = Store::open(".", folder.path(), &BTreeMap::new()).unwrap();
        let run = begun(&output, "a").await;
        std::fs::create_dir_all(folder.path().join("runs/a/manifest.json/in-the-way")).unwrap();
        run.commit(about("2025-06-02"), false).await.unwrap_err();
        assert_eq!(names(&output).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_pointer_that_fails_keeps_the_run() {
        let output = Store::in_memory(&[("latest.json", "{")]).await.unwrap();
        let error = begun(&output, "a").await.commit(about("2025-06-02"), false).await.unwrap_err();
        assert!(error.context().iter().any(|(_, place)| place == "memory/runs/a"));
        assert_eq!(names(&output).await.len(), 4);
        assert!(begun(&output, "b").await.commit(about("2025-06-02"), true).await.unwrap().is_latest);
    }

    #[tokio::test]
    async fn what_is_accepted_holds_until_the_next_run() {
        let output = Store::in_memory(&[]).await.unwrap();
        let accepted_after = |run_id: &str| Accepted {
            after_run: run_id.into(),
            contract: serde_json::json!({"feeds": {}}),
            inputs: Vec::new(),
        };
        begun(&output, "a").await.commit(about("2025-06-01"), false).await.unwrap();
        assert_eq!(accepted(&output, "a").await.unwrap(), None);
        accept(&output, &accepted_after("a")).await.unwrap();
        assert_eq!(accepted(&output, "a").await.unwrap(), Some(accepted_after("a")));
        begun(&output, "b").await.commit(about("2025-06-02"), false).await.unwrap();
        assert_eq!(accepted(&output, "b").await.unwrap(), None);
        assert_eq!(accept(&output, &accepted_after("a")).await.unwrap_err().kind(), Kind::Unavailable);
    }

    #[test]
    fn a_run_id_is_one_name() {
        let output = Store::open("out", Path::new("/data"), &BTreeMap::new()).unwrap();
        for run_id in ["", "..", "a/b", "../a"] {
            assert!(Run::begin(&output, run_id).is_err(), "{run_id}");
        }
    }
}
