//! A published run, opened again: what `show` and `trace` read.

use arrow::array::RecordBatch;

use crate::config::{Config, nearest};
use crate::engine::{self, Engine, Limits, mapped};
use crate::error::{Context, Error, Kind, Result};
use crate::privacy::Key;
use crate::store::publish::{self, Manifest};
use crate::store::{self, Object, Store};

/// One run, its tables named in a session.
pub struct Published {
    pub engine: Engine,
    pub manifest: Manifest,
    tables: Vec<(String, u64)>,
    _scratch: tempfile::TempDir,
}

impl Published {
    /// Opens the latest run at `output`, or the one named.
    ///
    /// # Errors
    /// `Kind::Usage` where nothing has been published yet; those of the storage.
    pub async fn open(output: &str, config: &Config, run_id: Option<&str>) -> Result<Published> {
        let store = Store::open(output, &config.base, &config.environment.0).with("output", output)?;
        let manifest = match run_id {
            Some(run_id) => publish::manifest(&store, run_id).await.map_err(|e| match e.kind() {
                Kind::Io => Error::usage("there is no such run")
                    .with("run", run_id)
                    .hint("the runs are the folders under `runs/` at the output"),
                _ => e,
            })?,
            None => match publish::latest(&store).await? {
                Some(latest) => publish::manifest(&store, &latest.run_id).await?,
                None => {
                    return Err(Error::usage("nothing has been published here yet")
                        .with("output", store.url())
                        .hint("run `aftersale run` first, or name another place with --output"));
                }
            },
        };
        // One thread, so that rows are shown in the order in which they stand.
        Published::of(&store, manifest, &Limits { threads: 1, memory_pool: 1 << 30 }).await
    }

    /// A run whose files are there, published or about to be.
    ///
    /// # Errors
    /// `Kind::Data` where a file that the manifest names is not there; those of the storage.
    pub async fn of(store: &Store, manifest: Manifest, limits: &Limits) -> Result<Published> {
        let scratch =
            tempfile::tempdir().map_err(|e| Error::io("no scratch folder can be made").caused_by(e))?;
        let engine = Engine::new(
            limits,
            store::scratch(&scratch.path().join("tables"))?,
            &scratch.path().join("spill"),
        )?;
        let mut names: Vec<(String, u64)> = Vec::new();
        for file in &manifest.files {
            let (Some(table), Some(rows)) = (table_of(&file.path), file.rows) else { continue };
            match names.iter_mut().find(|(name, _)| name == table) {
                Some((_, sum)) => *sum += rows,
                None => names.push((table.to_string(), rows)),
            }
        }
        let published = Published { engine, manifest, tables: names, _scratch: scratch };
        for (name, _) in &published.tables {
            register(&published.engine, store, &published.manifest, name, name).await.with("table", name)?;
        }
        Ok(published)
    }

    /// The key that the run's ids were made pseudonyms with; none where they stand as they are.
    ///
    /// # Errors
    /// `Kind::Config` where the configuration names another key, or none.
    pub fn pseudonym_key<'a>(&self, config: &'a Config) -> Result<Option<&'a Key>> {
        let Some(id) = self.manifest.about.settings["privacy"]["pseudonym_key"]["id"].as_str() else {
            return Ok(None);
        };
        let key = config.privacy.pseudonym_key.as_ref().filter(|key| key.id() == id);
        let other = || {
            Error::config("the run's ids are pseudonyms made with another key")
                .with("run", &self.manifest.run_id)
                .with("key", id)
                .hint("name the variable that holds it: [privacy] pseudonym_key")
        };
        key.map(Some).ok_or_else(other)
    }

    /// Rows of a table, as the manifest says.
    pub fn rows_of(&self, table: &str) -> Option<u64> {
        self.tables.iter().find(|(name, _)| name == table).map(|(_, rows)| *rows)
    }

    /// The run and its tables, for a person.
    pub fn list(&self) -> String {
        let mut text = format!("run {}\n", self.manifest.run_id);
        for (name, rows) in &self.tables {
            text.push_str(&format!("{name:<24} {rows:>12} rows\n"));
        }
        text
    }

    /// Some rows of a table.
    ///
    /// # Errors
    /// `Kind::Usage` for a table, column or condition that does not fit.
    pub async fn rows(
        &self,
        table: &str,
        condition: Option<&str>,
        columns: &[String],
        limit: usize,
    ) -> Result<Vec<RecordBatch>> {
        if !self.tables.iter().any(|(name, _)| name == table) {
            let names: Vec<&str> = self.tables.iter().map(|(name, _)| name.as_str()).collect();
            let refused = Error::usage(format!("`{table}` is not a published table"));
            return Err(match nearest(table, &names) {
                Some(name) => refused.hint(format!("did you mean `{name}`?")),
                None => refused.hint(format!("the tables are {}", names.join(", "))),
            });
        }
        let mut plan = self.engine.table(table).await?;
        let as_usage = |e: Error| match e.kind() {
            Kind::Data | Kind::Config | Kind::Internal => {
                Error::usage(format!("the request does not fit the table: {}", e.message()))
                    .hint("--where is one SQL condition over the table's columns; --columns names each once")
            }
            _ => e,
        };
        if let Some(condition) = condition {
            let condition =
                mapped::expression(self.engine.context(), condition, plan.schema()).map_err(as_usage)?;
            plan = plan.filter(condition).map_err(|e| as_usage(engine::error(e, table)))?;
        }
        if !columns.is_empty() {
            let there: Vec<String> =
                plan.schema().fields().iter().map(|field| field.name().clone()).collect();
            if let Some(unknown) = columns.iter().find(|column| !there.contains(column)) {
                return Err(Error::usage(format!("`{unknown}` is not a column of `{table}`"))
                    .hint(format!("its columns are {}", there.join(", "))));
            }
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            plan = plan.select_columns(&columns).map_err(|e| as_usage(engine::error(e, table)))?;
        }
        let plan = plan.limit(0, Some(limit)).map_err(|e| as_usage(engine::error(e, table)))?;
        let empty = RecordBatch::new_empty(engine::plain_schema(&plan));
        let rows = self.engine.collect(plan, table).await.map_err(as_usage)?;
        Ok(if rows.is_empty() { vec![empty] } else { rows })
    }
}

/// Whether a run has published a table.
pub fn holds(manifest: &Manifest, table: &str) -> bool {
    manifest.files.iter().any(|file| table_of(&file.path) == Some(table))
}

/// Gives a published table of a run a name in a session.
///
/// # Errors
/// `Kind::Data` where a file that the manifest names is not there; those of the storage.
pub async fn register(
    engine: &Engine,
    output: &Store,
    manifest: &Manifest,
    table: &str,
    name: &str,
) -> Result<()> {
    let folder = output.child(&format!("runs/{}", manifest.run_id))?;
    let mut objects: Vec<Object> = Vec::new();
    for file in manifest.files.iter().filter(|file| table_of(&file.path) == Some(table)) {
        let object = folder.stat(&file.path).await?.ok_or_else(|| {
            Error::data("a published file is not there")
                .with("path", &file.path)
                .hint("publish the run again")
        })?;
        objects.push(object);
    }
    let address = format!("published://{}", name.replace('_', "-"));
    engine::register_store(engine.context(), name, &address, folder.pinned(&objects)?, true).await?;
    Ok(())
}

/// The table that a file of a run belongs to: its folder.
pub fn table_of(path: &str) -> Option<&str> {
    path.split_once('/').map(|(table, _)| table)
}
