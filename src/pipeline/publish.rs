//! The end of a run: tables written, checked, and published; and the run that is not needed.

use futures::{StreamExt, TryStreamExt, stream};

use super::fingerprint::PROGRAM;
use super::inputs::Inputs;
use super::{Job, Outcome, Request, SCHEMA_VERSION, Stop, drift};
use crate::engine::{Limits, write};
use crate::error::{Context, Error, Result, printable};
use crate::pages;
use crate::progress::Progress;
use crate::published;
use crate::queries::{self, Query};
use crate::store::publish::{About, File, Manifest, Output, Published, Run};
use crate::store::{Keep, Store, layout};

/// Files that are checked side by side.
const CHECKS_IN_FLIGHT: usize = 8;
/// Read of a Parquet file's end at first; most footers fit.
const FOOTER_BYTES: u64 = 64 * 1024;

/// The latest run, if it did just what this one would do. What a person has taken over since (`contract.json`)
/// is to become part of a run, even of one with the same figures: until then later exports are compared with it.
pub(super) fn nothing_to_do(output: &Output, request: &Request, inputs: &Inputs) -> Option<Outcome> {
    let latest = output.latest().filter(|_| !request.make_latest && inputs.previous.accepted.is_none())?;
    // A run whose manifest is gone is no reason not to make one.
    let manifest = inputs.previous.manifest.as_ref()?;
    (manifest.about.work_fingerprint == inputs.parts.of_work(request.as_of)).then(|| Outcome {
        run_id: latest.run_id.clone(),
        url: format!("{}/{}", output.store().url(), latest.path),
        is_latest: true,
        summary: None,
    })
}

impl Job<'_> {
    /// Writes every published table, checks them, writes the manifest, and last the pointer that makes it
    /// true. Returns the published run and its rows.
    pub(super) async fn publish(
        &self,
        output: &Output,
        request: &Request,
        mut stop: Stop,
        progress: &dyn Progress,
    ) -> Result<(Outcome, u64)> {
        let summary = self.summary().await?;
        let about = self.about(output)?;
        let mut tables: Vec<String> =
            queries::stages()?.into_iter().filter(Query::is_published).map(|query| query.name).collect();
        tables.push("data_dictionary".into());
        let mut run = Run::begin(output, &self.run_id, &tables, &pages::PATHS).await?;
        let written = async {
            let rows = self.write_tables(&mut run).await?;
            write_pages(&mut run, &about, output.store(), &request.limits).await?;
            let (folder, files) = run.written();
            check(folder, files, request.verify_full).await?;
            Ok(rows)
        };
        let published = match stop.or(written).await {
            Ok(rows) => run.commit(about, request.make_latest).await.map(|published| (published, rows)),
            Err(error) => Err(error),
        };
        match published {
            Ok((published, rows)) => {
                self.tidy_up(output, request, run, progress).await;
                let Published { run_id, url, is_latest } = published;
                Ok((Outcome { run_id, url, is_latest, summary: Some(summary) }, rows))
            }
            Err(error) if Run::is_undecided(&error) => Err(error),
            Err(error) => {
                if let Err(second) = run.discard().await {
                    progress.warns(
                        "what the run had written could not be removed; the next one will do it",
                        &[("run", self.run_id.clone()), ("reason", second.message().to_string())],
                    );
                }
                Err(error)
            }
        }
    }

    /// After the commit nothing fails any more: what cannot be done now is done by the next run.
    async fn tidy_up(&self, output: &Output, request: &Request, run: Run, progress: &dyn Progress) {
        let retention = &self.config.retention;
        let run_id = run.run_id().to_owned();
        let done = async {
            run.close().await?;
            output.tidy().await?;
            if let Some(keep) = retention.keep_runs {
                let keep = Keep::of(keep, retention.min_age_days, (request.clock)());
                for run in output.remove_old(keep).await? {
                    progress.says(&format!("removed by [retention]: run {run}"));
                }
            }
            if self.config.bi_layout {
                layout::renew(output.store(), Some(&run_id)).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = done.await {
            let reason = error.message().to_string();
            progress.warns(
                "published, but tidying up has failed; the next run will do it",
                &[("reason", reason)],
            );
        }
    }

    fn about(&self, output: &Output) -> Result<About> {
        let objects = self.pinned.iter().flat_map(|source| &source.tables).flat_map(|table| &table.objects);
        let touchpoints = self.catalogue.touchpoints.iter();
        Ok(About {
            schema_version: SCHEMA_VERSION.into(),
            as_of: self.as_of_day.to_string(),
            fingerprint: self.fingerprint.clone(),
            fingerprint_parts: self.parts.0.clone(),
            work_fingerprint: self.parts.of_work(self.asked_as_of),
            code_version: PROGRAM.into(),
            previous_run_id: output.latest().map(|latest| latest.run_id.clone()),
            configuration: printable(&self.config.text),
            settings: self.config.settings()?,
            touchpoints: touchpoints.map(|t| (t.id.clone(), t.hash.clone())).collect(),
            inputs: objects.map(Into::into).collect(),
            reads: self.reads(),
            replaces: None,
            contract: drift::as_json(&self.watch.now)?,
        })
    }
}

/// The pages, drawn from the tables as they were written: a page drawn again later is the same.
pub(super) async fn write_pages(run: &mut Run, about: &About, store: &Store, limits: &Limits) -> Result<()> {
    let (folder, files) = run.written();
    let address = folder.url().to_owned();
    let manifest = Manifest { run_id: run.run_id().to_owned(), about: about.clone(), files: files.to_vec() };
    let written = published::Published::of(store, manifest, limits).await?;
    for page in pages::draw(&written, &address).await? {
        run.write_page(&page.path, page.text).await.with("page", &page.path)?;
    }
    Ok(())
}

/// Whether each file lies there as it was written: its size and its footer, or (`fully`) every byte.
pub(super) async fn check(folder: &Store, files: &[File], fully: bool) -> Result<()> {
    stream::iter(files)
        .map(|file| async move { check_file(folder, file, fully).await.with("file", &file.path) })
        .buffered(CHECKS_IN_FLIGHT)
        .try_collect()
        .await
}

async fn check_file(folder: &Store, file: &File, fully: bool) -> Result<()> {
    let wrong = |what: &str| {
        Error::io(format!("a file is not as it was written: {what}"))
            .with("location", folder.url())
            .hint("run again; if it happens again, the storage loses what it is given")
    };
    let object = folder.stat(&file.path).await?.ok_or_else(|| wrong("it is not there"))?;
    if object.bytes != file.bytes {
        return Err(wrong("its size").with("bytes", object.bytes).with("written", file.bytes));
    }
    if fully && folder.sha256(&object).await? != file.sha256 {
        return Err(wrong("its bytes"));
    }
    let Some(rows) = file.rows else { return Ok(()) };
    let mut wanted = FOOTER_BYTES;
    loop {
        let tail = folder.tail(&object, wanted).await?;
        match write::footer_rows(&tail, object.bytes) {
            Ok(found) if found == rows => return Ok(()),
            Ok(_) => return Err(wrong("its number of rows")),
            Err(Some(more)) if wanted < object.bytes => wanted = more.max(wanted * 2),
            Err(_) => return Err(wrong("its footer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::store::Bytes;

    #[tokio::test]
    async fn a_file_that_is_not_as_it_was_written_is_found() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..50_000));
        let rows = RecordBatch::try_from_iter([("number", column)]).unwrap();
        let mut parquet = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut parquet, rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        let file = |rows, bytes: &[u8]| File {
            path: "t/part-00000.parquet".into(),
            bytes: bytes.len() as u64,
            rows: Some(rows),
            sha256: format!("{:x}", Sha256::digest(bytes)),
        };
        let found = async |there: Vec<u8>, file: File, fully| {
            let store = Store::in_memory(&[]).await.unwrap();
            store.write(&file.path, Bytes::from(there)).await.unwrap();
            check(&store, &[file], fully).await.map_err(|error| error.message().to_string())
        };
        let whole = file(50_000, &parquet);
        for fully in [false, true] {
            assert_eq!(found(parquet.clone(), whole.clone(), fully).await, Ok(()));
            let wrong = |what: &str| Err(format!("a file is not as it was written: {what}"));
            assert_eq!(found(parquet[1..].to_vec(), whole.clone(), fully).await, wrong("its size"));
            assert_eq!(
                found(parquet.clone(), file(49_999, &parquet), fully).await,
                wrong("its number of rows")
            );
            let mut cut = parquet.clone();
            cut.truncate(parquet.len() - 3);
            assert_eq!(found(cut.clone(), file(50_000, &cut), fully).await, wrong("its footer"));
            // In the middle of the data only all of its bytes tell.
            let mut flipped = parquet.clone();
            flipped[1000] ^= 1;
            let expected = if fully { wrong("its bytes") } else { Ok(()) };
            assert_eq!(found(flipped, whole.clone(), fully).await, expected);
            let gone =
                check(&Store::in_memory(&[]).await.unwrap(), std::slice::from_ref(&whole), fully).await;
            assert!(gone.unwrap_err().message().ends_with("it is not there"));
        }
    }
}
