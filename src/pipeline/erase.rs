//! Erasure from what is kept: runs, rejected rows, landed exports, and pages beside the runs (`beside.rs`).
//!
//! A run that holds rows of somebody on the list is written again without them and put in its place: the new
//! one whole, then `latest.json` or the history, then the old one removed. Whoever follows `latest.json` finds
//! a whole run at any moment, and what is broken off is finished by the next run or the next `erase`.
//! Figures over many customers stay as they were published; those of few go (`lost.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::{Column as ColumnRef, ScalarValue};
use datafusion::logical_expr::{Expr, JoinType, cast, lit};
use datafusion::prelude::DataFrame;

use super::lost::Lost;
use super::publish::{check, write_pages};
use super::tables::{RunParts, metadata};
use super::{Request, Stop, Wish};
use crate::contract::Watch;
use crate::engine::functions::one_spelling;
use crate::engine::{self, Engine, write};
use crate::error::{Context, Error, Kind, Result};
use crate::exposures::{batch, texts};
use crate::pages;
use crate::privacy::Key;
use crate::progress::Progress;
use crate::published::{self, Published};
use crate::queries::{self, ColumnKind};
use crate::sources::erasure::{self, Erasure, Told};
use crate::sources::modes::AsOf;
use crate::sources::{pin, typed};
use crate::store::history::History;
use crate::store::lock::{Holder, Lock};
use crate::store::publish::{Manifest, Output, Run, manifest_if_whole};
use crate::store::{self, Store, layout};

/// A column of the list, and a value in its one spelling.
type Value = (String, String);

/// Every version that exports hold counts, whatever its time: the year 2200.
const FAR_MICROS: i64 = 7_258_118_400_000_000;

/// What was done.
#[derive(Debug, Default)]
pub struct Erased {
    /// Runs: as it was called, as it is called now, and rows taken out.
    pub runs: Vec<(String, String, u64)>,
    /// Runs that were searched.
    pub searched: usize,
    /// Objects of rejected rows and of landed exports that were removed.
    pub rejects: usize,
    pub landed: usize,
    /// Pages drawn again that were removed.
    pub redrawn: usize,
}

/// Takes those on the erasure list out of everything that is kept.
///
/// # Errors
/// `Kind::Usage` without a list; `Kind::Config` for a run with pseudonyms of another key; `Kind::Busy` while
/// a run is at work; those of the storage. What has been done by then stays done.
pub async fn erase(request: &Request, mut stop: Stop, progress: &dyn Progress) -> Result<Erased> {
    let config = &request.config;
    let store =
        Store::open(&config.output, &config.base, &config.environment.0).with("output", &config.output)?;
    let list = stop.or(erasure::read(config)).await.map_err(|e| e.in_configuration(&config.file))?;
    let list = list.ok_or_else(|| {
        Error::usage("the configuration names no erasure list")
            .hint("name one: [privacy] erasure_list = \"s3://…/erasure.csv\"")
    })?;
    let holder = Holder { name: request.holder.clone(), nonce: request.nonce.clone(), now: request.clock };
    let stopper = stop.stopper();
    let lock = stop.or(Lock::take(&store, &holder, move || stopper.send(Wish::LockLost))).await?;
    let done = stop.or(erase_alone(request, &list, &store, &lock, progress)).await;
    if let Err(error) = lock.release().await {
        progress.warns("the output could not be unlocked", &[("reason", error.message().to_string())]);
    }
    done
}

async fn erase_alone(
    request: &Request,
    list: &Erasure,
    store: &Store,
    lock: &Lock,
    progress: &dyn Progress,
) -> Result<Erased> {
    let mut done = Erased::default();
    Output::open(store, lock, false).await?.tidy().await?;
    let told = match told(request, list, progress).await {
        Ok(told) => told,
        Err(why) => {
            let about = [("reason", why.message().to_string())];
            progress.warns(
                "the exports cannot be read: what they tell of those on the list is not known",
                &about,
            );
            Told::default()
        }
    };
    let values: BTreeSet<&Value> = list.values.iter().chain(&told.values).collect();
    let (mut unreadable, mut known) = (Vec::new(), BTreeSet::new());
    let mut cannot = |run: String, why: &Error| {
        let about = [("run", run.clone()), ("reason", why.message().to_string())];
        progress.warns("a run cannot be searched", &about);
        unreadable.push(run);
    };
    for entry in History::read(store).await?.runs.into_iter().filter(|entry| !entry.is_removed) {
        match manifest_if_whole(store, &entry.run_id).await? {
            Ok(manifest) => {
                done.searched += 1;
                // Anew each time: the run before may have been the latest.
                let output = Output::open(store, lock, false).await?;
                match from_run(request, &values, &output, &manifest, &mut known).await {
                    Ok(Some((now, rows))) => {
                        output.tidy().await?;
                        progress.says(&format!("run {} is now {now}: {rows} rows taken out", entry.run_id));
                        done.runs.push((entry.run_id, now, rows));
                    }
                    Ok(None) => {}
                    Err(why) if is_of_the_run(&why) => cannot(entry.run_id, &why),
                    Err(why) => return Err(why.with("run", &entry.run_id)),
                }
            }
            Err(why) => cannot(entry.run_id, &why),
        }
    }
    // Copies of the runs' tables, where there are any.
    layout::renew(store, None).await?;
    done.rejects = remove_rejects(store).await?;
    done.redrawn = remove_redrawn(store).await?;
    done.landed = remove_landed(request, store).await?;
    let unclear = match done.searched {
        0 => Vec::new(),
        _ => unclear(list, &told, &known),
    };
    let has_unclear = !unclear.is_empty();
    let rows = unclear.join(", ");
    match (unreadable.is_empty(), has_unclear) {
        (true, false) => Ok(done),
        (true, true) => Err(Error::data("rows of the erasure list name nobody that can be told; all else is done")
            .with("rows", rows)
            .hint("neither the exports nor a kept run tell whose the address is, or it is several customers': add the customer_id to these rows")),
        (false, _) => {
            let error = Error::io("some runs could not be searched; all else is done")
                .with("runs", unreadable.join(", "))
                .hint("the lines above say why: put back what they lack (files, the former key), or remove their folders");
            Err(if has_unclear { error.with("rows of the list that name nobody", rows) } else { error })
        }
    }
}

/// What the exports, as they are now, tell of those on the list. Text is landed for this only.
async fn told(request: &Request, list: &Erasure, progress: &dyn Progress) -> Result<Told> {
    let config = &request.config;
    let scratch = super::scratch_folder()?;
    let landing = Store::open(&scratch.path().to_string_lossy(), scratch.path(), &BTreeMap::new())?;
    let tables = store::scratch(&scratch.path().join("tables"))?;
    let engine = Engine::new(&request.limits, tables, &scratch.path().join("spill"))?;
    engine.context().register_udf(super::follow_up_names(config));
    let pinned = pin::pin(config, None).await?;
    let mut watch = Watch::new(None, true);
    let opened = typed::open(&engine, &pinned, &landing.child("landed")?, &mut watch, progress).await?;
    let standing = AsOf { at: FAR_MICROS, last_delivery: None };
    let feeds = typed::stage(&engine, config, &opened, standing, Some(list), &mut watch, progress).await?;
    erasure::told(&engine, config, &feeds).await
}

/// Rows of the list, from 1, of which nobody can say who is meant.
fn unclear(list: &Erasure, told: &Told, known: &BTreeSet<Value>) -> Vec<String> {
    let is_clear =
        |value: &Value| value.0 == "customer_id" || told.clear.contains(value) || known.contains(value);
    let rows = list.rows.iter().zip(1..).filter(|(row, _)| !row.iter().any(is_clear));
    rows.map(|(_, number): (_, usize)| number.to_string()).collect()
}

/// Whether only this run cannot be searched: others can.
fn is_of_the_run(why: &Error) -> bool {
    let is_of_it = matches!(why.kind(), Kind::Config | Kind::Data | Kind::Usage | Kind::Io);
    is_of_it && !Run::is_undecided(why)
}

// ---- one run ---------------------------------------------------------------------------------------------

/// Writes a run again without those on the list; none where it holds nothing of theirs.
async fn from_run(
    request: &Request,
    values: &BTreeSet<&Value>,
    output: &Output,
    manifest: &Manifest,
    known: &mut BTreeSet<Value>,
) -> Result<Option<(String, u64)>> {
    let config = &request.config;
    let there = Published::open(&config.output, config, Some(&manifest.run_id)).await?;
    let key = there.pseudonym_key(config)?;
    let found = Found::look(&there, &Names::new(values, key), known).await?;
    if found.is_nothing() {
        return Ok(None);
    }
    let run_id = match manifest.run_id.rsplit_once('-') {
        Some((start, _)) => format!("{start}-{}", request.nonce),
        None => format!("{}-{}", manifest.run_id, request.nonce),
    };
    // Several runs of one fingerprint would be called the same.
    let run_id = match History::read(output.store()).await?.entry(&run_id) {
        Some(entry) => format!("{run_id}{:02}", entry.order),
        None => run_id,
    };
    let mut tables: Vec<String> = manifest
        .files
        .iter()
        .filter(|file| file.rows.is_some())
        .filter_map(|file| published::table_of(&file.path))
        .map(str::to_string)
        .collect();
    tables.dedup();
    // Pages are drawn anew: what somebody wrote may stand on one.
    let has_pages = manifest.files.iter().any(|file| file.rows.is_none());
    let paths = if has_pages { pages::PATHS.as_slice() } else { &[] };
    let mut about = manifest.about.clone();
    about.replaces = Some(manifest.run_id.clone());
    let mut run = Run::begin(output, &run_id, &tables, paths).await?;
    let written = async {
        let dictionary = Dictionary::read(&there).await?;
        let lost = Lost::look(&there.engine, config.analysis.min_cell).await?;
        let mut taken_out = 0;
        for table in &tables {
            let left = match found.left(&there, table).await.with("table", table)? {
                None => lost.left(&there.engine, table).await.with("table", table)?,
                left => left,
            };
            match left {
                Some(rows) => {
                    let rows = sorted(rows, table)?;
                    let (rows, schema, about) = dictionary.of(table, rows, manifest)?;
                    let stream = rows.execute_stream().await.map_err(|e| engine::error(e, table))?;
                    let mut parts = RunParts { run: &mut run, table: table.clone() };
                    let kept =
                        write::write_parts(stream, schema, &about, &mut parts).await.with("table", table)?;
                    taken_out += there.engine.count(table).await?.saturating_sub(kept);
                }
                None => copy(output.store(), manifest, table, &mut run).await.with("table", table)?,
            }
        }
        if has_pages {
            write_pages(&mut run, &about, output.store(), &request.limits).await?;
        }
        let (folder, files) = run.written();
        check(folder, files, request.verify_full).await?;
        Ok(taken_out)
    };
    let replaced = match written.await {
        Ok(rows) => run.replace(about).await.map(|()| rows),
        Err(error) => Err(error),
    };
    match replaced {
        Ok(rows) => {
            run.close().await?;
            Ok(Some((run_id, rows)))
        }
        Err(error) if Run::is_undecided(&error) => Err(error),
        Err(error) => {
            // What cannot be removed now, its intent names.
            let _ = run.discard().await;
            Err(error)
        }
    }
}

/// A table in which nothing is theirs, byte by byte.
async fn copy(output: &Store, manifest: &Manifest, table: &str, run: &mut Run) -> Result<()> {
    let folder = output.child(&format!("runs/{}", manifest.run_id))?;
    let files = manifest.files.iter().filter(|file| published::table_of(&file.path) == Some(table));
    for (part, file) in files.enumerate() {
        let bytes = folder.read(&file.path).await?;
        let mut writer = run.table_writer(table, part).await?;
        tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes)
            .await
            .map_err(|e| Error::io("a table cannot be copied").caused_by(e))?;
        let written = writer.finish().await?;
        if written.sha256 != file.sha256 {
            return Err(Error::data("a published file is not as its manifest says").with("path", &file.path));
        }
        run.record(file.rows.unwrap_or(0), written);
    }
    Ok(())
}

/// What customers on the list are called in a run's tables.
struct Names<'a> {
    /// The value that a name stands for.
    listed: BTreeMap<String, &'a Value>,
    key: Option<&'a Key>,
}

impl<'a> Names<'a> {
    fn new(values: &BTreeSet<&'a Value>, key: Option<&'a Key>) -> Names<'a> {
        let name = |(kind, value): &Value| match kind.as_str() {
            "customer_id" => value.clone(),
            // A customer of whom no more is known is called so.
            _ => format!("{kind} {value}"),
        };
        let published = |name: String| key.map_or(name.clone(), |key| key.pseudonym(&name));
        let listed = values.iter().map(|value| (published(name(value)), *value)).collect();
        Names { listed, key }
    }

    /// The value that a published name stands for.
    fn value(&self, published: &str) -> Option<&Value> {
        match self.key {
            Some(_) => self.listed.get(published).copied(),
            None => self.listed.get(&one_spelling(published)).copied(),
        }
    }
}

/// What a run holds of them: `erased_customers`, `erased_journeys` and `erased_answers` in its session.
struct Found {
    customers: usize,
    /// Rejected rows with a key: nobody can tell any more whose they are.
    rejected_keys: u64,
}

const JOURNEYS: &str = "select distinct journey_id from fct_journeys where journey_id is not null and exists \
    (select 1 from erased_customers where erased_customers.customer_id = fct_journeys.customer_id)";
const ANSWERS: &str = "select distinct response_id from fct_exposures where exists \
    (select 1 from erased_customers where erased_customers.customer_id = fct_exposures.customer_id) \
    or exists (select 1 from erased_journeys where erased_journeys.journey_id = fct_exposures.journey_id)";

impl Found {
    async fn look(there: &Published, names: &Names<'_>, known: &mut BTreeSet<Value>) -> Result<Found> {
        let engine = &there.engine;
        let mut customers = BTreeSet::new();
        for table in ["fct_journeys", "fct_exposures"] {
            let plan = engine
                .query(&format!("select distinct customer_id from {table} where customer_id is not null"))
                .await?;
            for rows in engine.collect(plan, table).await? {
                let ids = texts(rows.column(0))?;
                for id in ids.iter().flatten() {
                    if let Some(value) = names.value(id) {
                        known.insert(value.clone());
                        customers.insert(id.to_string());
                    }
                }
            }
        }
        let ids = Arc::new(StringArray::from_iter_values(&customers));
        engine.register_rows("erased_customers", batch(vec![("customer_id", ids)])?)?;
        engine.keep("erased_journeys", engine.query(JOURNEYS).await?).await?;
        engine.keep("erased_answers", engine.query(ANSWERS).await?).await?;
        let keys = engine.query("select key from rejected_rows where key is not null").await?;
        let rejected_keys = keys.count().await.map_err(|e| engine::run_error(e, "rejected_rows"))? as u64;
        Ok(Found { customers: customers.len(), rejected_keys })
    }

    fn is_nothing(&self) -> bool {
        self.customers == 0 && self.rejected_keys == 0
    }

    /// A table's rows that are nobody's on the list; none where all of them are.
    async fn left(&self, there: &Published, table: &str) -> Result<Option<DataFrame>> {
        let failed = |e| engine::error(e, table);
        let rows = there.engine.table(table).await?;
        let columns: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        let has = |name: &str| columns.iter().any(|column| column == name);
        let query = queries::stages()?.into_iter().find(|query| query.name == table);
        if table == "rejected_rows" {
            let keyless = |name: &String| match name.as_str() {
                "key" => lit(ScalarValue::Utf8(None)).alias("key"),
                name => named(name),
            };
            let rows = rows.select(columns.iter().map(keyless).collect::<Vec<_>>()).map_err(failed)?;
            return Ok((self.rejected_keys > 0).then_some(rows));
        }
        if self.customers == 0 || !["customer_id", "journey_id", "response_id"].into_iter().any(has) {
            return Ok(None);
        }
        let is_of_answers = query.as_ref().is_some_and(|query| query.names_a_row("response_id"));
        let mut rows = rows;
        for (column, erased) in [
            ("customer_id", "erased_customers"),
            ("journey_id", "erased_journeys"),
            ("response_id", "erased_answers"),
        ] {
            if has(column) && (column != "response_id" || is_of_answers) {
                rows = without(&there.engine, rows, column, erased, column).await?;
            }
        }
        if has("source") && has("source_key") {
            // Answers of theirs on a journey of somebody else's.
            let others = rows.clone().filter(named("source").not_eq(lit("surveys"))).map_err(failed)?;
            let answers = rows.filter(named("source").eq(lit("surveys"))).map_err(failed)?;
            let answers =
                without(&there.engine, answers, "source_key", "erased_answers", "response_id").await?;
            rows = others.union(answers).map_err(failed)?;
        }
        if has("response_id") && !is_of_answers {
            rows = without_their_answer(&there.engine, rows, &columns).await?;
        }
        Ok(Some(rows))
    }
}

/// Rows whose column is not among the erased.
async fn without(
    engine: &Engine,
    rows: DataFrame,
    column: &str,
    erased: &str,
    their: &str,
) -> Result<DataFrame> {
    let failed = |e| engine::error(e, erased);
    let theirs = engine.table(erased).await?.select(vec![named(their).alias("_erased")]).map_err(failed)?;
    rows.join(theirs, JoinType::LeftAnti, &[column], &["_erased"], None).map_err(failed)
}

/// What a journey says of its answer, where that was theirs: nothing.
async fn without_their_answer(engine: &Engine, rows: DataFrame, columns: &[String]) -> Result<DataFrame> {
    const OF_THE_ANSWER: [&str; 3] = ["response_id", "score", "nps_class"];
    let failed = |e| engine::error(e, "erased_answers");
    let others = without(engine, rows.clone(), "response_id", "erased_answers", "response_id").await?;
    let theirs = engine
        .table("erased_answers")
        .await?
        .select(vec![named("response_id").alias("_erased")])
        .and_then(|erased| rows.join(erased, JoinType::LeftSemi, &["response_id"], &["_erased"], None))
        .map_err(failed)?;
    let schema = engine::plain_schema(&theirs);
    let mut outputs = Vec::new();
    for name in columns {
        outputs.push(match OF_THE_ANSWER.contains(&name.as_str()) {
            true => {
                let kind = schema.field_with_name(name).map_err(|e| failed(e.into()))?.data_type();
                lit(ScalarValue::try_from(kind).map_err(failed)?).alias(name)
            }
            false => named(name),
        });
    }
    theirs.select(outputs).and_then(|theirs| others.union(theirs)).map_err(failed)
}

/// As the table is published.
fn sorted(rows: DataFrame, table: &str) -> Result<DataFrame> {
    let query = queries::stages()?.into_iter().find(|query| query.name == table);
    let order: Vec<_> =
        query.iter().flat_map(|query| &query.order).map(|name| named(name).sort(true, true)).collect();
    let failed = |e| engine::error(e, table);
    if order.is_empty() { Ok(rows) } else { rows.sort(order).map_err(failed) }
}

fn named(name: &str) -> Expr {
    Expr::Column(ColumnRef::new_unqualified(name))
}

/// A table's rows, their schema and the file's metadata.
type AsPublished = (DataFrame, SchemaRef, Vec<(String, String)>);

/// What the run itself says of its tables and columns.
struct Dictionary {
    /// By table: its meaning and its grain.
    tables: BTreeMap<String, (String, String)>,
    /// By table and column: its type and its meaning.
    columns: BTreeMap<(String, String), (String, String)>,
}

impl Dictionary {
    async fn read(there: &Published) -> Result<Dictionary> {
        let sql =
            "select \"table\", table_meaning, grain, \"column\", \"type\", meaning from data_dictionary";
        let plan = there.engine.query(sql).await?;
        let mut dictionary = Dictionary { tables: BTreeMap::new(), columns: BTreeMap::new() };
        for rows in there.engine.collect(plan, "data_dictionary").await? {
            let mut words = Vec::new();
            for column in rows.columns() {
                words.push(texts(column)?);
            }
            for row in 0..rows.num_rows() {
                let word = |column: usize| words[column].value(row).to_string();
                dictionary.tables.insert(word(0), (word(1), word(2)));
                dictionary.columns.insert((word(0), word(3)), (word(4), word(5)));
            }
        }
        Ok(dictionary)
    }

    /// A table's rows in the types, with the schema and the metadata, under which they were published.
    fn of(&self, table: &str, rows: DataFrame, manifest: &Manifest) -> Result<AsPublished> {
        let unknown = || Error::data("a published table is not in its run's dictionary").with("table", table);
        let (mut fields, mut outputs) = (Vec::<Field>::new(), Vec::new());
        for field in rows.schema().fields() {
            let known = self.columns.get(&(table.to_string(), field.name().clone()));
            let (kind, meaning) = known.ok_or_else(|| unknown().with("column", field.name()))?;
            let kind = ColumnKind::parse(kind).ok_or_else(unknown)?;
            fields.push(write::field(field.name(), kind, meaning));
            outputs.push(cast(named(field.name()), write::data_type(kind)).alias(field.name()));
        }
        let (meaning, grain) = self.tables.get(table).ok_or_else(unknown)?;
        let about = &manifest.about;
        Ok((
            rows.select(outputs).map_err(|e| engine::error(e, table))?,
            write::schema(fields),
            metadata(table, meaning, grain, &about.schema_version, &about.fingerprint),
        ))
    }
}

// ---- what is no run --------------------------------------------------------------------------------------

/// Rejected rows of runs that failed: whose they are, nobody can tell any more.
async fn remove_rejects(store: &Store) -> Result<usize> {
    let failed = store.child("failed")?;
    let kept = failed.list("*/rejected_rows/part-*.parquet").await?;
    let names: Vec<String> = kept.into_iter().map(|object| object.path).collect();
    failed.delete(&names).await?;
    failed.remove_empty_folders()?;
    Ok(names.len())
}

/// Pages that were drawn again: `aftersale report` draws them anew.
async fn remove_redrawn(store: &Store) -> Result<usize> {
    let redrawn = store.child("redrawn")?;
    let mut names = Vec::new();
    for pattern in pages::PATHS {
        names.extend(redrawn.list(&format!("*/{pattern}")).await?.into_iter().map(|object| object.path));
    }
    redrawn.delete(&names).await?;
    redrawn.remove_empty_folders()?;
    Ok(names.len())
}

/// Landed exports: the next run lands again what the exports hold by then.
async fn remove_landed(request: &Request, store: &Store) -> Result<usize> {
    let config = &request.config;
    let landing = match &config.landing {
        Some(landing) => {
            Store::open(landing, &config.base, &config.environment.0).with("landing", landing)?
        }
        None => store.child("landed")?,
    };
    let is_landed = |path: &str| {
        path.strip_suffix(".parquet")
            .is_some_and(|name| name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let names: Vec<String> = landing
        .list("*.parquet")
        .await?
        .into_iter()
        .map(|object| object.path)
        .filter(|path| is_landed(path))
        .collect();
    landing.delete(&names).await?;
    Ok(names.len())
}
