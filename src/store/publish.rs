//! Publishing a run: its files, then its manifest, then the one small object that makes it the latest.
//!
//! ```text
//! intent.json      names what the run is about to write, so that a later one can clean up   intent.rs
//! runs/<run_id>/   tables and pages, hashed on the way
//!                  checked: every size and footer, with `--verify full` every byte          the caller
//!                  manifest.json: files, inputs, settings
//! latest.json      replaced if it is still as the run found it: the only commit point
//! history.json     one more entry                                                           history.rs
//! intent.json      one entry less
//! ```
//!
//! Nobody looks into `runs/<run_id>/` before `latest.json` points there. It moves forward in as-of only,
//! so that a run over an older day can be repeated without taking the newer report away. A run that fails
//! before the commit point deletes what it wrote, by name; what fails after it is done by the next run.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::history::{Entry, History};
use super::intent::{self, Intent, State};
use super::lock::Lock;
use super::{Bytes, Object, ObjectWriter, Snapshot, Store, Written};
use crate::error::{Error, Result};

pub(super) const LATEST: &str = "latest.json";
pub(super) const MANIFEST: &str = "manifest.json";
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub schema_version: String,
    pub as_of: String,
    /// Of everything that can change a result.
    pub fingerprint: String,
    /// A hash of each thing that results depend on, by its name, but for the as-of.
    #[serde(default)]
    pub fingerprint_parts: BTreeMap<String, String>,
    /// Of everything that was known of it before an input was read: equal where there is nothing to do.
    #[serde(default)]
    pub work_fingerprint: String,
    pub code_version: String,
    /// The latest run when this one began, with which `rpt_restatements` compares.
    #[serde(default)]
    pub previous_run_id: Option<String>,
    /// The settings' text, as the user wrote it.
    pub configuration: String,
    /// Every setting with its value. Neither holds secrets: those stand in the environment.
    #[serde(default)]
    pub settings: serde_json::Value,
    /// A hash of each touchpoint's definition.
    #[serde(default)]
    pub touchpoints: BTreeMap<String, String>,
    pub inputs: Vec<Input>,
    /// How much of the inputs was read, table by table.
    #[serde(default)]
    pub reads: Vec<Reads>,
    /// The run whose place this one has taken, with rows taken out: [`Run::replace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
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

/// What one table of a source lies in, and what was read of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    pub source: String,
    pub table: String,
    /// Those that were read; skipped ones are not among them.
    pub objects: u64,
    /// Of all objects at the address, skipped ones too.
    pub bytes_there: u64,
    /// Bytes that the storage was asked for, each time that it was. Copies of text that an earlier night
    /// had landed are read in the place of their objects, and do not count.
    pub bytes_read: u64,
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

/// The place that runs are published to, as a run finds it when it begins.
#[derive(Clone)]
pub struct Output {
    store: Store,
    latest: Option<Latest>,
    start: Snapshot,
    is_alone: bool,
}

impl Output {
    /// Looks at what is published here; from this moment on nobody else may publish if this run is to.
    ///
    /// # Errors
    /// `Kind::Io` for a damaged `latest.json`, unless it is to be replaced in any case (`make_latest`).
    pub async fn open(store: &Store, lock: &Lock, make_latest: bool) -> Result<Output> {
        let start = store.snapshot(LATEST).await?;
        let latest = match latest_of(store, &start) {
            Err(_) if make_latest => None,
            latest => latest?,
        };
        Ok(Output { store: store.clone(), latest, start, is_alone: lock.is_certain() })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The latest run when this one began.
    pub fn latest(&self) -> Option<&Latest> {
        self.latest.as_ref()
    }

    pub(super) fn is_alone(&self) -> bool {
        self.is_alone
    }
}

/// A run on its way to being published.
pub struct Run {
    output: Output,
    folder: Store,
    run_id: String,
    intent: Intent,
    files: Vec<File>,
    /// Every object begun, so that exactly those can be removed.
    begun: Vec<String>,
    /// What the history will say; none before the commit.
    entry: Option<Entry>,
}

impl Run {
    /// Begins a run that writes these tables and pages (names, or patterns of them), and nothing else, by
    /// saying so in `intent.json`.
    pub async fn begin(output: &Output, run_id: &str, tables: &[String], pages: &[&str]) -> Result<Run> {
        let folder = output.store.child(&folder_of(run_id)?)?;
        let parts = tables.iter().map(|table| format!("{table}/part-*.parquet"));
        let others = pages.iter().copied().chain([MANIFEST]).map(str::to_owned);
        let names = parts.chain(others).collect();
        let fence = fence_of(&output.start);
        let intent = Intent { run_id: run_id.to_owned(), fence, state: State::Writing, names };
        intent::enter(&output.store, &intent).await?;
        let (output, run_id) = (output.clone(), run_id.to_owned());
        Ok(Run { output, folder, run_id, intent, files: Vec::new(), begun: Vec::new(), entry: None })
    }

    /// A writer for one part of a table. Once finished, hand what it wrote to [`Run::record`].
    pub async fn table_writer(&mut self, table: &str, part: usize) -> Result<ObjectWriter> {
        self.writer(&format!("{table}/part-{part:05}.parquet")).await
    }

    async fn writer(&mut self, path: &str) -> Result<ObjectWriter> {
        if !self.intent.names(path) {
            return Err(Error::internal("a run writes what its intent does not name").with("path", path));
        }
        self.begun.push(path.to_owned());
        self.folder.writer(path).await
    }

    /// Names a finished part in the manifest.
    pub fn record(&mut self, rows: u64, written: Written) {
        let Written { path, bytes, sha256 } = written;
        self.files.push(File { path, bytes, rows: Some(rows), sha256 });
    }

    /// Writes a page and names it in the manifest.
    pub async fn write_page(&mut self, path: &str, text: String) -> Result<()> {
        if !self.intent.names(path) {
            return Err(Error::internal("a run writes what its intent does not name").with("path", path));
        }
        self.begun.push(path.to_owned());
        let Written { path, bytes, sha256 } = self.folder.write(path, text.into()).await?;
        self.files.push(File { path, bytes, rows: None, sha256 });
        Ok(())
    }

    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// What has been written so far, and where it lies, for those who check it before the commit.
    pub fn written(&self) -> (&Store, &[File]) {
        (&self.folder, &self.files)
    }

    /// Writes the manifest, then points `latest.json` at this run, unless a newer as-of is there
    /// (`make_latest` overrides that).
    ///
    /// # Errors
    /// `Kind::Busy` if another run has published meanwhile; the run is then to be discarded, as it is if
    /// the manifest fails. If `latest.json` fails otherwise, the run is kept: the answer may have been
    /// lost and readers be sent there already. [`Run::is_undecided`] tells.
    pub async fn commit(&mut self, about: About, make_latest: bool) -> Result<Published> {
        let latest = self.as_latest(&about)?;
        let entry = Entry {
            order: 0,
            run_id: self.run_id.clone(),
            as_of: about.as_of.clone(),
            fingerprint: about.fingerprint.clone(),
            was_latest: true,
            is_removed: false,
            replaces: None,
        };
        self.write_manifest(about).await?;

        let newer = self.output.latest.as_ref().filter(|there| !make_latest && there.as_of > latest.as_of);
        let is_latest = newer.is_none();
        if is_latest {
            self.point_at(&latest).await?;
        } else {
            intent::move_on(&self.output.store, &self.run_id, State::Complete).await?;
        }
        self.entry = Some(Entry { was_latest: is_latest, ..entry });
        Ok(Published { run_id: self.run_id.clone(), url: self.folder.url().to_owned(), is_latest })
    }

    fn as_latest(&self, about: &About) -> Result<Latest> {
        Ok(Latest {
            schema_version: about.schema_version.clone(),
            run_id: self.run_id.clone(),
            as_of: about.as_of.clone(),
            path: folder_of(&self.run_id)?,
        })
    }

    async fn write_manifest(&mut self, about: About) -> Result<()> {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Manifest { run_id: self.run_id.clone(), about, files: self.files.clone() };
        self.begun.push(MANIFEST.to_owned());
        self.folder.write(MANIFEST, json(&manifest)?).await.map(|_| ())
    }

    /// Writes the manifest and puts this run in the place of the one that it names as replaced, in
    /// `latest.json` if that was the latest, and in the history. [`Output::tidy`] then removes that one.
    ///
    /// # Errors
    /// Those of [`Run::commit`].
    pub async fn replace(&mut self, about: About) -> Result<()> {
        let Some(earlier) = about.replaces.clone() else {
            return Err(Error::internal("a run replaces none").with("run", &self.run_id));
        };
        let latest = self.as_latest(&about)?;
        self.write_manifest(about).await?;
        if self.output.latest.as_ref().is_some_and(|there| there.run_id == earlier) {
            self.point_at(&latest).await?;
        } else {
            intent::move_on(&self.output.store, &self.run_id, State::Complete).await?;
        }
        History::replace(&self.output.store, &earlier, &self.run_id).await
    }

    /// The commit point.
    async fn point_at(&self, latest: &Latest) -> Result<()> {
        let store = &self.output.store;
        match store.replace(LATEST, json(latest)?, &self.output.start).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // Nobody else writes here, and nothing of ours is still on its way.
            Err(error) if self.output.is_alone && !self.is_published().await => return Err(error),
            Err(error) => return Err(error.with(UNDECIDED, self.folder.url())),
        }
        // Whoever came after has entered this run into the history, if it was ever the latest.
        if History::read(store).await?.entry(&self.run_id).is_some() {
            return Ok(());
        }
        Err(Error::busy("another run has published here meanwhile; this one is discarded")
            .with("output", store.url())
            .hint("nothing is lost: run again"))
    }

    async fn is_published(&self) -> bool {
        // What cannot be read may be ours.
        latest(&self.output.store)
            .await
            .map_or(true, |there| there.is_some_and(|there| there.run_id == self.run_id))
    }

    /// Whether readers may already have been sent to a run whose commit failed.
    pub fn is_undecided(error: &Error) -> bool {
        error.context().iter().any(|(key, _)| *key == UNDECIDED)
    }

    /// After the commit: enters the run into the history and ends its intent. What fails here is done by
    /// the next run.
    pub async fn close(self) -> Result<()> {
        if let Some(entry) = self.entry {
            History::enter(&self.output.store, entry).await?;
        }
        intent::leave(&self.output.store, &self.run_id).await
    }

    /// After an error or a stop: removes exactly the objects that this run began.
    pub async fn discard(self) -> Result<()> {
        self.folder.end_uploads(i64::MAX).await?;
        self.folder.delete(&self.begun).await?;
        self.folder.remove_staged(&|path| self.intent.names(path))?;
        intent::leave(&self.output.store, &self.run_id).await
    }
}

const UNDECIDED: &str = "written but perhaps not published";

/// The newest published run, if there is one.
pub async fn latest(output: &Store) -> Result<Option<Latest>> {
    latest_of(output, &output.snapshot(LATEST).await?)
}

pub(super) fn latest_of(output: &Store, found: &Snapshot) -> Result<Option<Latest>> {
    found.bytes.as_ref().map(|bytes| parse(output, LATEST, bytes)).transpose()
}

/// What tells one state of `latest.json` from all others.
pub(super) fn fence_of(latest: &Snapshot) -> Option<String> {
    latest.bytes.as_ref().map(|bytes| format!("{:x}", Sha256::digest(bytes)))
}

/// What a run is made of. A run without a manifest was never finished.
pub async fn manifest(output: &Store, run_id: &str) -> Result<Manifest> {
    let path = format!("{}/{MANIFEST}", folder_of(run_id)?);
    parse(output, &path, &output.read(&path).await?)
}

/// The same, or why it cannot be used: it is gone, or damaged.
///
/// # Errors
/// Those of the storage.
pub async fn manifest_if_whole(output: &Store, run_id: &str) -> Result<Result<Manifest>> {
    let path = format!("{}/{MANIFEST}", folder_of(run_id)?);
    Ok(match output.read_if_there(&path).await? {
        Some(bytes) => parse(output, &path, &bytes),
        None => {
            Err(Error::io("its manifest is not there").with("location", format!("{}/{path}", output.url())))
        }
    })
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

pub(super) fn folder_of(run_id: &str) -> Result<String> {
    if run_id.is_empty() || run_id.contains('/') {
        return Err(Error::usage("not a run's id").with("run", run_id));
    }
    Ok(format!("runs/{run_id}"))
}

pub(super) fn json(value: &impl Serialize) -> Result<Bytes> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::internal("cannot write JSON").caused_by(source))?;
    text.push(b'\n');
    Ok(text.into())
}

pub(super) fn parse<T: DeserializeOwned>(output: &Store, path: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|source| {
        Error::io("a published file cannot be read")
            .with("location", format!("{}/{path}", output.url()))
            .hint(match path {
                CONTRACT => "`aftersale check --accept` writes contract.json anew",
                _ => "`aftersale run --make-latest` publishes anew, and replaces a damaged latest.json; other files can be put back from a copy",
            })
            .caused_by(source)
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::error::Kind;
    use crate::store::Keep;
    use crate::store::lock::Holder;

    fn about(as_of: &str) -> About {
        About {
            schema_version: "1.0".into(),
            as_of: as_of.into(),
            fingerprint: "f".into(),
            ..About::default()
        }
    }

    async fn output(store: &Store, make_latest: bool) -> Output {
        let holder = Holder { name: "test".into(), nonce: "n".into(), now: || 0 };
        let lock = Lock::take(store, &holder, || {}).await.unwrap();
        let output = Output::open(store, &lock, make_latest).await.unwrap();
        lock.release().await.unwrap();
        output
    }

    async fn begun(output: &Output, run_id: &str) -> Run {
        let mut run = Run::begin(output, run_id, &["rpt_nps".into()], &["pages/*.html"]).await.unwrap();
        let mut writer = run.table_writer("rpt_nps", 0).await.unwrap();
        writer.write_all(b"PAR1").await.unwrap();
        run.record(3, writer.finish().await.unwrap());
        run
    }

    async fn publish(store: &Store, run_id: &str, as_of: &str, make_latest: bool) -> Result<Published> {
        let mut run = begun(&output(store, make_latest).await, run_id).await;
        let published = run.commit(about(as_of), make_latest).await?;
        run.close().await?;
        Ok(published)
    }

    /// What lies there, but for the lock.
    async fn names(store: &Store) -> Vec<String> {
        let names = store.list("").await.unwrap().into_iter().map(|object| object.path);
        names.filter(|name| name != "lock.json").collect()
    }

    async fn stores() -> (tempfile::TempDir, [Store; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let local = Store::open("out", folder.path(), &BTreeMap::new()).unwrap();
        (folder, [local, Store::in_memory(&[]).await.unwrap()])
    }

    async fn ids(store: &Store) -> Vec<(String, bool)> {
        let runs = History::read(store).await.unwrap().runs;
        assert!(runs.iter().zip(1..).all(|(entry, number)| entry.order == number));
        runs.into_iter().map(|entry| (entry.run_id, entry.was_latest)).collect()
    }

    #[tokio::test]
    async fn latest_moves_forward_only() {
        let (_folder, stores) = stores().await;
        for store in stores {
            assert_eq!(latest(&store).await.unwrap(), None);
            for (run_id, as_of, make_latest, now_latest) in [
                ("a", "2025-06-02", false, "a"),
                ("b", "2025-06-01", false, "a"),
                ("c", "2025-06-02", false, "c"),
                ("d", "2025-06-01", true, "d"),
            ] {
                let published = publish(&store, run_id, as_of, make_latest).await.unwrap();
                assert_eq!(published.is_latest, now_latest == run_id);
                assert_eq!(published.url, format!("{}/runs/{run_id}", store.url()));
                assert_eq!(latest(&store).await.unwrap().unwrap().run_id, now_latest);
                assert_eq!(manifest(&store, run_id).await.unwrap().about.as_of, as_of);
            }
            let expected = [("a", true), ("b", false), ("c", true), ("d", true)];
            assert_eq!(ids(&store).await, expected.map(|(id, was)| (id.to_string(), was)));
            assert_eq!(intent::read(&store).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn what_is_published_is_named_and_measured() {
        let store = Store::in_memory(&[]).await.unwrap();
        publish(&store, "a", "2025-06-02", false).await.unwrap();
        let text = store.read("latest.json").await.unwrap();
        assert_eq!(
            text,
            "{\n  \"schema_version\": \"1.0\",\n  \"run_id\": \"a\",\n  \"as_of\": \"2025-06-02\",\n  \
             \"path\": \"runs/a\"\n}\n"
        );
        let files = manifest(&store, "a").await.unwrap().files;
        let short: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.bytes, file.rows)).collect();
        assert_eq!(short, [("rpt_nps/part-00000.parquet", 4, Some(3))]);
    }

    #[tokio::test]
    async fn discarding_removes_this_run_and_nothing_else() {
        let (folder, stores) = stores().await;
        for store in stores {
            publish(&store, "a", "2025-06-02", false).await.unwrap();
            let before = names(&store).await;
            let mut run = begun(&output(&store, false).await, "b").await;
            assert!(run.table_writer("other", 0).await.is_err(), "the intent does not name it");
            assert!(run.write_page("pages/a/b.html", String::new()).await.is_err(), "nor that");
            run.write_page("pages/a.html", "<p>".into()).await.unwrap();
            assert_eq!((run.written().1[1].bytes, run.written().1[1].rows), (3, None));
            let unfinished = run.table_writer("rpt_nps", 1).await.unwrap();
            store.write("runs/b/not-ours", Bytes::new()).await.unwrap();
            drop(unfinished);
            run.discard().await.unwrap();
            store.delete(&["runs/b/not-ours".to_owned()]).await.unwrap();
            assert_eq!(names(&store).await, before);
            assert_eq!(before.len(), 5, "{before:?}");
        }
        assert!(!folder.path().join("out/runs/b").exists());
    }

    #[tokio::test]
    async fn of_two_runs_that_began_alike_one_is_published() {
        let store = Store::in_memory(&[]).await.unwrap();
        let found = output(&store, false).await;
        let (mut first, mut second) = (begun(&found, "a").await, begun(&found, "b").await);
        assert!(first.commit(about("2025-06-02"), false).await.unwrap().is_latest);
        let error = second.commit(about("2025-06-03"), false).await.unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Busy);
        assert!(!Run::is_undecided(&error));
        second.discard().await.unwrap();
        first.close().await.unwrap();
        assert_eq!(latest(&store).await.unwrap().unwrap().run_id, "a");
        assert_eq!(ids(&store).await, [("a".to_string(), true)]);
    }

    /// The first run's answer was lost, and by the time it looks somebody else has published.
    #[tokio::test]
    async fn a_run_that_was_the_latest_for_a_while_is_not_discarded() {
        let store = Store::in_memory(&[]).await.unwrap();
        let mut first = begun(&output(&store, false).await, "a").await;
        let start = first.output.start.clone();
        first.commit(about("2025-06-02"), false).await.unwrap();
        output(&store, false).await.tidy().await.unwrap();
        publish(&store, "b", "2025-06-02", false).await.unwrap();
        first.output.start = start;
        assert!(first.commit(about("2025-06-02"), false).await.is_ok());
    }

    #[tokio::test]
    async fn what_a_killed_run_left_is_removed_by_name() {
        let (folder, stores) = stores().await;
        for store in stores {
            publish(&store, "a", "2025-06-02", false).await.unwrap();
            let before = names(&store).await;
            let mut killed = begun(&output(&store, false).await, "b").await;
            // Not even its destructors run.
            std::mem::forget(killed.table_writer("rpt_nps", 1).await.unwrap());
            store.write("runs/b/not-ours", Bytes::new()).await.unwrap();
            drop(killed);

            let removed = output(&store, false).await.tidy().await.unwrap();
            // In a bucket it may only seem dead, and could still be published.
            let alone = store.url() != "memory";
            assert_eq!(removed, if alone { vec!["b"] } else { Vec::new() });
            publish(&store, "c", "2025-06-02", false).await.unwrap();
            let removed = output(&store, false).await.tidy().await.unwrap();
            assert_eq!(removed, if alone { Vec::new() } else { vec!["b"] });
            let mut after = names(&store).await;
            after.retain(|name| !name.starts_with("runs/c/") && name != "runs/b/not-ours");
            assert_eq!(after, before);
            store.read("runs/b/not-ours").await.unwrap();
        }
        let left = std::fs::read_dir(folder.path().join("out/runs/b")).unwrap().count();
        assert_eq!(left, 1, "staged files and empty folders are left");
    }

    #[tokio::test]
    async fn what_is_accepted_holds_until_the_next_run() {
        let store = Store::in_memory(&[]).await.unwrap();
        let accepted_after = |run_id: &str| Accepted {
            after_run: run_id.into(),
            contract: serde_json::json!({"feeds": {}}),
            inputs: Vec::new(),
        };
        publish(&store, "a", "2025-06-01", false).await.unwrap();
        assert_eq!(accepted(&store, "a").await.unwrap(), None);
        accept(&store, &accepted_after("a")).await.unwrap();
        assert_eq!(accepted(&store, "a").await.unwrap(), Some(accepted_after("a")));
        publish(&store, "b", "2025-06-02", false).await.unwrap();
        assert_eq!(accepted(&store, "b").await.unwrap(), None);
        assert_eq!(accept(&store, &accepted_after("a")).await.unwrap_err().kind(), Kind::Unavailable);
    }

    #[tokio::test]
    async fn a_killed_run_that_was_published_or_complete_is_kept() {
        let (_folder, stores) = stores().await;
        for store in stores {
            publish(&store, "a", "2025-06-02", false).await.unwrap();
            for (run_id, as_of) in [("b", "2025-06-03"), ("c", "2025-06-01")] {
                begun(&output(&store, false).await, run_id).await.commit(about(as_of), false).await.unwrap();
                // Killed before `close`.
                assert_eq!(output(&store, false).await.tidy().await.unwrap(), Vec::<String>::new());
            }
            assert_eq!(ids(&store).await.len(), 3);
            assert_eq!(latest(&store).await.unwrap().unwrap().run_id, "b");
            manifest(&store, "c").await.unwrap();
            assert_eq!(intent::read(&store).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn old_runs_are_removed_by_count_and_age_and_never_the_latest() {
        let (_folder, stores) = stores().await;
        for store in stores {
            for (run_id, as_of) in
                [("a", "2025-06-05"), ("b", "2025-06-01"), ("c", "2025-06-02"), ("d", "2025-06-03")]
            {
                publish(&store, run_id, as_of, false).await.unwrap();
            }
            store.write("runs/b/notes.txt", Bytes::new()).await.unwrap();
            let output = output(&store, false).await;
            let remove = async |runs, since| output.remove_old(Keep { runs, since }).await.unwrap();
            assert_eq!(remove(2, 0).await, Vec::<String>::new(), "too young");
            assert_eq!(remove(2, i64::MAX).await, ["b"]);
            assert_eq!(remove(2, i64::MAX).await, Vec::<String>::new());
            assert!(manifest(&store, "b").await.is_err() && manifest(&store, "a").await.is_ok());
            store.read("runs/b/notes.txt").await.unwrap();
            assert!(ids(&store).await.len() == 4 && History::read(&store).await.unwrap().runs[1].is_removed);
        }
    }

    #[tokio::test]
    async fn what_a_run_cannot_remove_itself_the_next_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("out", folder.path(), &BTreeMap::new()).unwrap();
        let mut run = begun(&output(&store, false).await, "a").await;
        std::fs::create_dir_all(folder.path().join("out/runs/a/manifest.json/in-the-way")).unwrap();
        run.commit(about("2025-06-02"), false).await.unwrap_err();
        run.discard().await.unwrap_err();
        assert_eq!(output(&store, false).await.tidy().await.unwrap(), ["a"]);
        assert_eq!(names(&store).await, ["intent.json"]);
        assert!(!folder.path().join("out/runs").exists());
    }

    #[tokio::test]
    async fn a_damaged_pointer_is_replaced_on_request_only() {
        let store = Store::in_memory(&[("latest.json", "{")]).await.unwrap();
        let holder = Holder { name: "test".into(), nonce: "n".into(), now: || 0 };
        let lock = Lock::take(&store, &holder, || {}).await.unwrap();
        assert!(Output::open(&store, &lock, false).await.is_err());
        lock.release().await.unwrap();
        assert!(publish(&store, "b", "2025-06-02", true).await.unwrap().is_latest);
    }

    #[tokio::test]
    async fn a_run_id_is_one_name() {
        let store = Store::in_memory(&[]).await.unwrap();
        let output = output(&store, false).await;
        for run_id in ["", "..", "a/b", "../a"] {
            assert!(Run::begin(&output, run_id, &[], &[]).await.is_err(), "{run_id}");
        }
    }
}
