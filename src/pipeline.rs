//! The whole job, in the order in which it runs.
//!
//! ```text
//! pin          list every source once                                   sources::pin
//! stage        typed_*, unique_*: exports as canonical columns          sources::typed
//! 1_judged     what is valid, and why not                               queries/
//! 2_staging    stg_*, rejected_rows
//! 3_links      which journey and customer an event belongs to
//! 4_moments    the moment of truth of every answer and journey
//! 5_met        what each moment had met, as it stood then
//! 6_answers    every answer, linked and measured
//!              exposures: one column a touchpoint                       exposures
//! 7_tables     fct_*
//! 8_reports    rpt_*
//! checks       queries that return the rows that break a rule           queries/checks
//! publish      Parquet, manifest.json, then latest.json                 engine::write, store::publish
//! ```
//!
//! Nothing here knows the clock, the environment or a storage client.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Field, Int64Type, SchemaRef, TimestampMicrosecondType};
use chrono::NaiveDate;
use datafusion::prelude::DataFrame;
use sha2::{Digest, Sha256};

use crate::catalogue::Catalogue;
use crate::config::{Config, Mapping, RepeatResponses};
use crate::engine::{self, Engine, Limits, Parameter, write};
use crate::error::{Context, Error, Kind, Result};
use crate::exposures::{self, batch, texts};
use crate::progress::Progress;
use crate::queries::{self, Column, ColumnKind, Query};
use crate::sources::feeds;
use crate::sources::pin::{self, PinnedSource};
use crate::sources::typed::{self, Typed};
use crate::store::publish::{About, Run};
use crate::store::{self, ObjectWriter, Store};

/// Of the published tables; additive changes keep the first number.
pub const SCHEMA_VERSION: &str = "1.0";

/// What a run is asked to do.
pub struct Request {
    pub config: Config,
    /// The local day whose end is the as-of; none: the newest purchase or answer.
    pub as_of: Option<NaiveDate>,
    pub limits: Limits,
    /// Publish as the latest even if an earlier run looked at a later day.
    pub make_latest: bool,
    /// Tells apart two attempts at the same run.
    pub nonce: String,
}

/// A wish to stop, which may come at any time before the run commits.
pub struct Stop(tokio::sync::watch::Receiver<Option<i32>>);

/// Whoever may wish it.
pub struct Stopper(tokio::sync::watch::Sender<Option<i32>>);

impl Stop {
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = tokio::sync::watch::channel(None);
        (Stopper(sender), Stop(receiver))
    }

    /// The work's result, or `Kind::Stopped` as soon as the wish comes; the work is then dropped.
    async fn or<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            signal = self.signal() => {
                Err(Error::new(Kind::Stopped { signal }, "stopped by a signal; nothing was published"))
            }
            result = work => result,
        }
    }

    async fn signal(&mut self) -> i32 {
        match self.0.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // Nobody can wish it any more.
            _ => std::future::pending().await,
        }
    }
}

impl Stopper {
    pub fn send(&self, signal: i32) {
        // The run may have ended in the meantime.
        let _ = self.0.send(Some(signal));
    }
}

/// What a run did.
pub struct Outcome {
    pub run_id: String,
    /// The published run's address.
    pub url: String,
    /// False where a run of a later day stays the latest.
    pub is_latest: bool,
    pub summary: Summary,
}

/// Figures for the person at the terminal.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    pub as_of: String,
    pub nps: Option<String>,
    /// Touchpoint, label, reach, exposed answers, detractor shares, difference.
    pub touchpoints: Vec<TouchpointLine>,
    pub accounts: Vec<Account>,
    /// Feed, link rule or reason, rows, share.
    pub links: Vec<(String, String, i64, f64)>,
}

#[derive(Debug, Clone)]
pub struct TouchpointLine {
    pub id: String,
    pub label: String,
    pub role: String,
    pub exposed: i64,
    pub reach: Option<f64>,
    pub share_exposed: Option<f64>,
    pub share_unexposed: Option<f64>,
    pub difference: Option<f64>,
}

/// What became of a feed's rows.
#[derive(Debug, Clone)]
pub struct Account {
    pub feed: String,
    pub handed_on: i64,
    pub superseded: i64,
    pub rejected: i64,
    pub after_as_of: i64,
    pub staged: i64,
}

/// Runs the job and publishes it.
///
/// # Errors
/// Every kind; nothing is published unless the last step succeeds.
pub async fn run(request: &Request, mut stop: Stop, progress: &dyn Progress) -> Result<Outcome> {
    let config = &request.config;
    let output =
        Store::open(&config.output, &config.base, &config.environment.0).with("output", &config.output)?;
    let mut job = stop.or(Job::begin(request, &output, progress)).await?;
    if let Err(error) = stop.or(job.compute(progress)).await {
        return Err(job.keep_rejects(&output, error, progress).await);
    }
    progress.begins("publish");
    let (outcome, rows) = job.publish(&output, request, stop, progress).await?;
    progress.ends("publish", rows);
    Ok(outcome)
}

/// Everything but publishing: sources, mapping, rejects and links, and that every condition fits.
pub async fn check(request: &Request, mut stop: Stop, progress: &dyn Progress) -> Result<Summary> {
    stop.or(check_inputs(request, progress)).await
}

async fn check_inputs(request: &Request, progress: &dyn Progress) -> Result<Summary> {
    // What a check lands stays in its scratch folder.
    let scratch = scratch_folder()?;
    let output = Store::open(&scratch.path().to_string_lossy(), scratch.path(), &BTreeMap::new())?;
    let mut config = request.config.clone();
    config.landing = None;
    let request = Request {
        config,
        as_of: request.as_of,
        limits: request.limits.clone(),
        make_latest: false,
        nonce: request.nonce.clone(),
    };
    let job = Job::begin(&request, &output, progress).await?;
    job.compute_until("3_links", progress).await?;
    job.plan_the_rest().await?;
    exposures::check(&job.engine, &job.catalogue).await?;
    job.summary_of_inputs().await
}

fn scratch_folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("aftersale-").tempdir().map_err(|e| {
        Error::io("no scratch folder can be made").hint("check TMPDIR and the free space there").caused_by(e)
    })
}

/// A run in progress: the session, what it knows, and where it keeps things meanwhile.
struct Job<'a> {
    config: &'a Config,
    engine: Engine,
    catalogue: Catalogue,
    pinned: Vec<PinnedSource>,
    typed: BTreeMap<&'static str, Typed>,
    as_of_day: NaiveDate,
    fingerprint: String,
    run_id: String,
    _scratch: tempfile::TempDir,
}

impl<'a> Job<'a> {
    /// Pins the inputs, reads and maps them, and settles the as-of.
    async fn begin(request: &'a Request, output: &Store, progress: &dyn Progress) -> Result<Job<'a>> {
        let config = &request.config;
        let catalogue = Catalogue::read(config)?;
        let scratch = scratch_folder()?;
        let tables = store::scratch(&scratch.path().join("tables"))?;
        let mut engine = Engine::new(&request.limits, tables, &scratch.path().join("spill"))?;
        let landing = match &config.landing {
            Some(landing) => {
                Store::open(landing, &config.base, &config.environment.0).with("landing", landing)?
            }
            None => output.child("landed")?,
        };
        progress.begins("list");
        let pinned = pin::pin(config).await?;
        let objects = pinned.iter().flat_map(|s| &s.tables).map(|t| t.objects.len() as u64).sum();
        progress.ends("list", objects);
        for table in pinned.iter().flat_map(|source| &source.tables) {
            for (url, reason) in &table.skipped {
                progress
                    .warns("an object is skipped", &[("object", url.clone()), ("reason", (*reason).into())]);
            }
        }
        let typed = typed::stage(&engine, config, &pinned, &landing, progress).await?;
        let clock = engine::time::Clock::new(config.timezone);
        let (as_of, as_of_day) = match request.as_of {
            Some(day) => {
                let end = clock
                    .start_of_day(i64::from(day.to_epoch_days()) + 1)
                    .ok_or_else(|| Error::usage("the as-of is no day of this calendar"))?;
                (end - 1, day)
            }
            None => {
                let newest = newest_event(&engine).await?;
                let day = clock.local_day(newest).and_then(engine::time::date);
                (newest, day.ok_or_else(|| Error::internal("the newest event has no day"))?)
            }
        };
        set_parameters(&mut engine, config, as_of, &typed);
        let fingerprint = fingerprint(config, &pinned, as_of);
        let run_id = format!("{as_of_day}-{}-{}", &fingerprint[..12], request.nonce);
        let job = Job {
            config,
            engine,
            catalogue,
            pinned,
            typed,
            as_of_day,
            fingerprint,
            run_id,
            _scratch: scratch,
        };
        job.register_inputs().await?;
        Ok(job)
    }

    /// Small tables that queries read beside the feeds.
    async fn register_inputs(&self) -> Result<()> {
        use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
        let mut tables = Vec::new();
        for (feed, typed) in &self.typed {
            tables.extend(typed.tables.iter().map(|table| (*feed, table)));
        }
        let number = |f: &dyn Fn(&typed::TableRead) -> usize| -> ArrayRef {
            Arc::new(tables.iter().map(|(_, table)| i64::try_from(f(table)).ok()).collect::<Int64Array>())
        };
        self.engine.register_rows(
            "source_tables",
            batch(vec![
                ("source", Arc::new(StringArray::from_iter_values(tables.iter().map(|(feed, _)| *feed)))),
                ("table_name", Arc::new(StringArray::from_iter_values(tables.iter().map(|(_, t)| &t.name)))),
                ("objects", number(&|table| table.objects.len())),
                ("skipped", number(&|table| table.skipped.len())),
                ("rows_read", number(&|table| usize::try_from(table.rows).unwrap_or(usize::MAX))),
                (
                    "is_mapped_by_column",
                    Arc::new(
                        tables.iter().map(|(_, t)| Some(t.is_mapped_by_column)).collect::<BooleanArray>(),
                    ),
                ),
            ])?,
        )?;
        for (name, list) in [
            ("pooled_kinds", &self.config.analysis.survey_kinds),
            ("pooled_triggers", &self.config.analysis.survey_triggers),
        ] {
            let names = StringArray::from_iter_values(list.iter().flatten());
            self.engine.register_rows(name, batch(vec![("name", Arc::new(names))])?)?;
        }
        typed::value_notes(&self.engine).await
    }

    /// Everything up to the reports and the checks on them.
    async fn compute(&mut self, progress: &dyn Progress) -> Result<()> {
        self.compute_until("6_answers", progress).await?;
        progress.begins("exposures");
        exposures::check(&self.engine, &self.catalogue).await?;
        exposures::build(&self.engine, self.config, &self.catalogue, &self.typed).await?;
        exposures::answer_segments(&self.engine, self.config).await?;
        exposures::touchpoint_counts(&self.engine, self.config, &self.catalogue).await?;
        progress.ends("exposures", self.engine.count("exposures").await?);
        self.compute_between("7_tables", "8_reports", progress).await?;
        progress.begins("checks");
        let checks = queries::checks()?;
        for check in &checks {
            self.hold(check).await?;
        }
        progress.ends("checks", checks.len() as u64);
        Ok(())
    }

    async fn compute_until(&self, last: &str, progress: &dyn Progress) -> Result<()> {
        self.compute_between("1_judged", last, progress).await
    }

    /// Runs the folders from `first` to `last`, each query after those that it reads.
    async fn compute_between(&self, first: &str, last: &str, progress: &dyn Progress) -> Result<()> {
        let stages = queries::stages()?;
        let mut folders: Vec<&str> = stages.iter().map(|query| query.folder.as_str()).collect();
        folders.dedup();
        for folder in folders.into_iter().filter(|folder| (first..=last).contains(folder)) {
            progress.begins(folder);
            let mut rows = 0;
            for query in stages.iter().filter(|query| query.folder == folder) {
                let plan = self.engine.query(query.sql).await.with("query", &query.name)?;
                if query.kept || query.is_published() {
                    rows += self.engine.keep(&query.name, plan).await.with("query", &query.name)?;
                } else {
                    self.engine.view(&query.name, plan)?;
                }
            }
            match folder {
                "2_staging" => self.hold_inputs().await?,
                "3_links" => self.hold_links().await?,
                _ => {}
            }
            progress.ends(folder, rows);
        }
        Ok(())
    }

    /// The remaining folders up to the events, as plans only.
    async fn plan_the_rest(&self) -> Result<()> {
        for query in
            queries::stages()?.iter().filter(|q| ("4_moments".."6_answers").contains(&q.folder.as_str()))
        {
            let plan = self.engine.query(query.sql).await.with("query", &query.name)?;
            self.engine.view(&query.name, plan)?;
        }
        Ok(())
    }

    /// Too many rejects, or several kinds of survey without a word on pooling, stop the run.
    async fn hold_inputs(&self) -> Result<()> {
        for account in self.accounts().await? {
            let share = account.rejected as f64 / account.handed_on.max(1) as f64;
            if share > self.config.analysis.max_rejected_share {
                return Err(self.too_many_rejects(&account, share).await?);
            }
        }
        let analysis = &self.config.analysis;
        for (column, chosen, key) in [
            ("survey_kind", &analysis.survey_kinds, "survey_kinds"),
            ("trigger", &analysis.survey_triggers, "survey_triggers"),
        ] {
            let there = exposures::distinct_texts(&self.engine, "stg_surveys", column).await?;
            match chosen {
                None if there.len() > 1 => {
                    return Err(Error::config(format!("the answers come from surveys of several kinds (`{column}`)"))
                        .with("found", there.join(", "))
                        .hint(format!(
                            "say which to pool: `analysis.{key} = [\"{}\"]`; answers to different surveys are not alike",
                            there[0]
                        )));
                }
                Some(chosen) => {
                    if let Some(missing) = chosen.iter().find(|name| !there.contains(name)) {
                        return Err(Error::config(format!("no answer has the {column} `{missing}`"))
                            .with("found", there.join(", "))
                            .hint(format!("correct `analysis.{key}`")));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn too_many_rejects(&self, account: &Account, share: f64) -> Result<Error> {
        let plan = self
            .engine
            .query(&format!(
                "select reason, count(*) as rows, min(file) as file, min(row) as row from rejected_rows \
                 where source = '{}' group by reason order by rows desc, reason",
                account.feed
            ))
            .await?;
        let mut reasons = Vec::new();
        for batch in self.engine.collect(plan, "rejected_rows").await? {
            let (names, files) = (texts(batch.column(0))?, texts(batch.column(2))?);
            let (rows, first) =
                (batch.column(1).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int64Type>());
            for i in 0..batch.num_rows() {
                let place = match (files.is_null(i), first.is_null(i)) {
                    (false, false) => format!(", first: {} row {}", files.value(i), first.value(i)),
                    _ => String::new(),
                };
                reasons.push(format!("{} {}{place}", rows.value(i), names.value(i)));
            }
        }
        let rows = feeds::feed(&account.feed).map_or("row", |feed| feed.row);
        Ok(Error::data(format!(
            "{} of {} {rows}s of `{}` are rejected: {:.1}%",
            account.rejected,
            account.handed_on,
            account.feed,
            100.0 * share
        ))
        .with("source", &account.feed)
        .with("reasons", reasons.join("; "))
        .hint(format!(
            "mend the export or its mapping, or raise `analysis.max_rejected_share` (now {}) to publish without them",
            self.config.analysis.max_rejected_share
        )))
    }

    /// Too few answers that can be linked stop the run.
    async fn hold_links(&self) -> Result<()> {
        let links = self.links().await?;
        let of_answers = || links.iter().filter(|(feed, ..)| feed == "surveys");
        let all: i64 = of_answers().map(|(_, _, rows, _)| rows).sum();
        let linked: i64 = of_answers()
            .filter(|(_, measure, ..)| {
                matches!(measure.as_str(), "order_id" | "latest_purchase" | "customer")
            })
            .map(|(_, _, rows, _)| rows)
            .sum();
        let rate = linked as f64 / all.max(1) as f64;
        if all > 0 && rate < self.config.analysis.min_link_rate {
            let funnel: Vec<String> =
                of_answers().map(|(_, measure, rows, _)| format!("{rows} {measure}")).collect();
            return Err(Error::data(format!("only {linked} of {all} answers can be linked to a journey: {:.1}%", 100.0 * rate))
                .with("links", funnel.join("; "))
                .hint(format!(
                    "map `order_id` or `customer_id` of the surveys to what the purchases hold, or lower `analysis.min_link_rate` (now {})",
                    self.config.analysis.min_link_rate
                )));
        }
        Ok(())
    }

    /// One check: no row may break its sentence.
    async fn hold(&self, check: &Query) -> Result<()> {
        let plan = self.engine.query(check.sql).await.with("check", &check.name)?;
        let broken = plan.count().await.map_err(|e| engine::error(e, &check.name))?;
        if broken == 0 {
            return Ok(());
        }
        Err(Error::data(format!("{broken} rows break the check `{}`", check.name))
            .with("check", &check.sentence)
            .hint(
                "the tables do not hold together: please report it with the configuration and the versions",
            ))
    }

    /// Keeps what was rejected where a person can look, and says where.
    async fn keep_rejects(&self, output: &Store, error: Error, progress: &dyn Progress) -> Error {
        if error.kind() != Kind::Data {
            return error;
        }
        let kept = async {
            let rejected = queries::stages()?.into_iter().find(|query| query.name == "rejected_rows");
            let Some(query) = rejected else { return Ok(None) };
            if self.engine.table(&query.name).await.is_err() || self.engine.count(&query.name).await? == 0 {
                return Ok(None);
            }
            let folder = format!("failed/{}", self.run_id);
            let mut parts =
                Files { store: output.clone(), folder: folder.clone(), table: query.name.clone() };
            self.write_table(&query, &mut parts).await?;
            Ok::<_, Error>(Some(format!("{}/{folder}/{}", output.url().trim_end_matches('/'), query.name)))
        };
        match kept.await {
            Ok(Some(place)) => error.with("rejected rows", place),
            Ok(None) => error,
            Err(second) => {
                progress.warns(
                    "the rejected rows could not be kept",
                    &[("reason", second.message().to_string())],
                );
                error
            }
        }
    }

    // ---- publishing -----------------------------------------------------------------------------------

    /// Writes every published table, the manifest, and last the pointer that makes it true.
    async fn publish(
        &self,
        output: &Store,
        request: &Request,
        mut stop: Stop,
        progress: &dyn Progress,
    ) -> Result<(Outcome, u64)> {
        let mut run = Run::begin(output, &self.run_id)?;
        match stop.or(self.write_tables(&mut run)).await {
            Ok(rows) => {
                let summary = self.summary().await?;
                let published = run.commit(self.about(), request.make_latest).await?;
                let outcome = Outcome {
                    run_id: self.run_id.clone(),
                    url: published.url,
                    is_latest: published.is_latest,
                    summary,
                };
                Ok((outcome, rows))
            }
            Err(error) => {
                if let Err(second) = run.discard().await {
                    progress.warns(
                        "what the run had written could not be removed",
                        &[("run", self.run_id.clone()), ("reason", second.message().to_string())],
                    );
                }
                Err(error)
            }
        }
    }

    async fn write_tables(&self, run: &mut Run) -> Result<u64> {
        let mut total = 0;
        let published: Vec<Query> = queries::stages()?.into_iter().filter(Query::is_published).collect();
        let mut dictionary = Vec::new();
        for query in &published {
            let mut parts = RunParts { run, table: query.name.clone() };
            total += self.write_table(query, &mut parts).await.with("table", &query.name)?;
            dictionary.extend(self.columns(query).into_iter().map(|column| (query.clone(), column)));
        }
        total += self.write_dictionary(run, &dictionary).await?;
        Ok(total)
    }

    /// A kept table under its declared columns, sorted as its header says.
    async fn write_table<P: write::Parts>(&self, query: &Query, parts: &mut P) -> Result<u64> {
        let (plan, schema) = self.published(query).await?;
        let stream = plan.execute_stream().await.map_err(|e| engine::error(e, &query.name))?;
        write::write_parts(stream, schema, &self.metadata(&query.name, &query.sentence, &query.grain), parts)
            .await
    }

    async fn published(&self, query: &Query) -> Result<(DataFrame, SchemaRef)> {
        use datafusion::common::Column as ColumnRef;
        use datafusion::logical_expr::{Expr, cast};
        let columns = self.columns(query);
        let fields: Vec<Field> = columns.iter().map(|c| write::field(&c.name, c.kind, &c.meaning)).collect();
        let named = |name: &str| Expr::Column(ColumnRef::new_unqualified(name));
        let outputs: Vec<Expr> = columns
            .iter()
            .map(|column| cast(named(&column.name), write::data_type(column.kind)).alias(&column.name))
            .collect();
        let order = query.order.iter().map(|name| named(name).sort(true, true)).collect();
        let plan = self
            .engine
            .table(&query.name)
            .await?
            .select(outputs)
            .and_then(|rows| rows.sort(order))
            .map_err(|e| engine::error(e, &query.name))?;
        Ok((plan, write::schema(fields)))
    }

    /// A query's declared columns, those that stand for several spelled out.
    fn columns(&self, query: &Query) -> Vec<Column> {
        let mut columns = Vec::new();
        for column in &query.columns {
            let of = |name: String, meaning: String| Column { name, kind: column.kind, meaning };
            match column.name.as_str() {
                "seg_<dimension>" => columns.extend(
                    self.config
                        .segments
                        .iter()
                        .map(|name| of(format!("seg_{name}"), format!("{}: {name}", column.meaning))),
                ),
                "tp_<touchpoint>" => columns.extend(self.catalogue.touchpoints.iter().map(|touchpoint| {
                    of(format!("tp_{}", touchpoint.id), format!("{}: {}", touchpoint.label, column.meaning))
                })),
                "tp_<touchpoint>_state" => {
                    columns.extend(self.catalogue.touchpoints.iter().map(|touchpoint| {
                        of(
                            format!("tp_{}_state", touchpoint.id),
                            format!("{}: {}", touchpoint.label, column.meaning),
                        )
                    }))
                }
                _ => columns.push(column.clone()),
            }
        }
        columns
    }

    async fn write_dictionary(&self, run: &mut Run, columns: &[(Query, Column)]) -> Result<u64> {
        use arrow::array::{ArrayRef, Int64Array, StringArray};
        let text = |f: &dyn Fn(&Query, &Column) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(columns.iter().map(|(query, column)| f(query, column))))
        };
        let mut position = 0;
        let mut table = String::new();
        let positions: Int64Array = columns
            .iter()
            .map(|(query, _)| {
                position = if query.name == table { position + 1 } else { 1 };
                table.clone_from(&query.name);
                Some(position)
            })
            .collect();
        let rows = batch(vec![
            ("table", text(&|query, _| query.name.clone())),
            ("table_meaning", text(&|query, _| query.sentence.clone())),
            ("grain", text(&|query, _| query.grain.join(", "))),
            ("position", Arc::new(positions)),
            ("column", text(&|_, column| column.name.clone())),
            ("type", text(&|_, column| column.kind.as_str().into())),
            ("meaning", text(&|_, column| column.meaning.clone())),
        ])?;
        let meanings = [
            ("table", ColumnKind::Text, "the published table"),
            ("table_meaning", ColumnKind::Text, "what it holds"),
            ("grain", ColumnKind::Text, "the columns that name one row"),
            ("position", ColumnKind::Integer, "the column's place, from 1"),
            ("column", ColumnKind::Text, "its name"),
            ("type", ColumnKind::Text, "text, integer, float, boolean or timestamp (UTC, microseconds)"),
            ("meaning", ColumnKind::Text, "what it means, with its unit"),
        ];
        let schema = write::schema(
            meanings.iter().map(|(name, kind, text)| write::field(name, *kind, text)).collect(),
        );
        self.engine.register_rows("data_dictionary", rows)?;
        let stream = self.engine.table("data_dictionary").await?.execute_stream().await;
        let stream = stream.map_err(|e| engine::error(e, "data_dictionary"))?;
        let metadata = self.metadata(
            "data_dictionary",
            "every published table and column",
            &["table".into(), "column".into()],
        );
        let mut parts = RunParts { run, table: "data_dictionary".into() };
        write::write_parts(stream, schema, &metadata, &mut parts).await
    }

    fn metadata(&self, table: &str, sentence: &str, grain: &[String]) -> Vec<(String, String)> {
        vec![
            ("aftersale.table".into(), table.into()),
            ("aftersale.description".into(), sentence.into()),
            ("aftersale.grain".into(), grain.join(", ")),
            ("aftersale.schema_version".into(), SCHEMA_VERSION.into()),
            ("aftersale.fingerprint".into(), self.fingerprint.clone()),
        ]
    }

    fn about(&self) -> About {
        let objects = self.pinned.iter().flat_map(|source| &source.tables).flat_map(|table| &table.objects);
        About {
            schema_version: SCHEMA_VERSION.into(),
            as_of: self.as_of_day.to_string(),
            fingerprint: self.fingerprint.clone(),
            code_version: env!("CARGO_PKG_VERSION").into(),
            configuration: self.config.text.clone(),
            inputs: objects.map(Into::into).collect(),
        }
    }

    // ---- figures for the terminal ---------------------------------------------------------------------

    async fn accounts(&self) -> Result<Vec<Account>> {
        let mut accounts = Vec::new();
        for (feed, typed) in &self.typed {
            let handed_on = i64::try_from(typed.rows).unwrap_or(i64::MAX);
            let staged = i64::try_from(self.engine.count(&format!("stg_{feed}")).await?).unwrap_or(i64::MAX);
            let plan = self
                .engine
                .query(&format!(
                    "select count(*), count(reject_reason), \
                     count(case when reject_reason is null and is_after_as_of then 1 end) from judged_{feed}"
                ))
                .await?;
            let rows = self.engine.collect(plan, feed).await?;
            let figure = |column: usize| {
                rows.first().map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0))
            };
            accounts.push(Account {
                feed: (*feed).to_string(),
                handed_on,
                superseded: handed_on - figure(0),
                rejected: figure(1),
                after_as_of: figure(2),
                staged,
            });
        }
        Ok(accounts)
    }

    /// (feed, link rule or the reason why there is none, rows, share of the feed)
    async fn links(&self) -> Result<Vec<(String, String, i64, f64)>> {
        let plan = self
            .engine
            .query(
                "select feed, coalesce(link_rule, unlinked_reason) as measure, count(*) as rows, \
                 sum(count(*)) over (partition by feed) as total from int_links group by 1, 2 order by 1, 2",
            )
            .await?;
        let mut links = Vec::new();
        for batch in self.engine.collect(plan, "int_links").await? {
            let (feeds, measures) = (texts(batch.column(0))?, texts(batch.column(1))?);
            let (rows, totals) =
                (batch.column(2).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int64Type>());
            for i in 0..batch.num_rows() {
                let share = rows.value(i) as f64 / totals.value(i).max(1) as f64;
                links.push((feeds.value(i).to_string(), measures.value(i).to_string(), rows.value(i), share));
            }
        }
        Ok(links)
    }

    async fn summary_of_inputs(&self) -> Result<Summary> {
        Ok(Summary {
            as_of: self.as_of_day.to_string(),
            accounts: self.accounts().await?,
            links: self.links().await?,
            ..Summary::default()
        })
    }

    async fn summary(&self) -> Result<Summary> {
        use arrow::datatypes::Float64Type;
        let mut summary = self.summary_of_inputs().await?;
        let plan = self
            .engine
            .query(
                "select responses, nps, nps_low, nps_high from rpt_nps \
                 where period = 'window' and segment_dimension = 'all'",
            )
            .await?;
        for batch in self.engine.collect(plan, "rpt_nps").await? {
            for row in 0..batch.num_rows() {
                let float = |column: usize| batch.column(column).as_primitive::<Float64Type>().value(row);
                let responses = batch.column(0).as_primitive::<Int64Type>().value(row);
                summary.nps = Some(format!(
                    "NPS {:.1} ({:.1} to {:.1}), {responses} answers",
                    float(1),
                    float(2),
                    float(3)
                ));
            }
        }
        let plan = self
            .engine
            .query(
                "select touchpoint, label, role, exposed_responses, reach, detractor_share_exposed, \
                 detractor_share_unexposed, raw_risk_difference from rpt_touchpoint_impact \
                 where segment_dimension = 'all' \
                 order by raw_risk_difference * exposed_responses desc nulls last, touchpoint_position",
            )
            .await?;
        for batch in self.engine.collect(plan, "rpt_touchpoint_impact").await? {
            let (ids, labels, roles) =
                (texts(batch.column(0))?, texts(batch.column(1))?, texts(batch.column(2))?);
            for row in 0..batch.num_rows() {
                let float = |column: usize| {
                    let values = batch.column(column).as_primitive::<Float64Type>();
                    values.is_valid(row).then(|| values.value(row))
                };
                summary.touchpoints.push(TouchpointLine {
                    id: ids.value(row).into(),
                    label: labels.value(row).into(),
                    role: roles.value(row).into(),
                    exposed: batch.column(3).as_primitive::<Int64Type>().value(row),
                    reach: float(4),
                    share_exposed: float(5),
                    share_unexposed: float(6),
                    difference: float(7),
                });
            }
        }
        Ok(summary)
    }
}

/// The newest purchase or answer inside the plausible bounds, UTC microseconds.
async fn newest_event(engine: &Engine) -> Result<i64> {
    let plan = engine
        .query(
            "select max(newest) from (select max(ordered_at) as newest from typed_purchases \
             union all select max(responded_at) from typed_surveys)",
        )
        .await?;
    let rows = engine.collect(plan, "the newest event").await?;
    rows.iter()
        .find_map(|batch| batch.column(0).as_primitive_opt::<TimestampMicrosecondType>()?.iter().next().flatten())
        .ok_or_else(|| {
            Error::data("no purchase and no answer has a time that can be read")
                .hint("`aftersale check` shows what is read; map `responded_at` and `ordered_at` to columns with times")
        })
}

fn set_parameters(engine: &mut Engine, config: &Config, as_of: i64, typed: &BTreeMap<&'static str, Typed>) {
    let analysis = &config.analysis;
    let score = &config.score;
    for (name, parameter) in [
        ("as_of", Parameter::Time(as_of)),
        ("zone", Parameter::Text(config.timezone.name().into())),
        ("period", Parameter::Text(analysis.period.as_str().into())),
        ("lookback", Parameter::Days(config.lookback_days)),
        ("journey", Parameter::Days(config.journey_days)),
        ("window", Parameter::Days(analysis.window_days)),
        ("score_min", Parameter::Integer(Some(score.min))),
        ("score_max", Parameter::Integer(Some(score.max))),
        ("detractor_max", Parameter::Integer(Some(score.detractor_max))),
        ("promoter_min", Parameter::Integer(Some(score.promoter_min))),
        ("severe_max", Parameter::Integer(score.severe_max)),
        ("has_purchases", Parameter::Boolean(typed.contains_key("purchases"))),
        ("all_kinds", Parameter::Boolean(analysis.survey_kinds.is_none())),
        ("all_triggers", Parameter::Boolean(analysis.survey_triggers.is_none())),
        (
            "latest_per_period",
            Parameter::Boolean(analysis.repeat_responses == RepeatResponses::LatestPerPeriod),
        ),
    ] {
        engine.set(name, parameter);
    }
}

/// A hash of all that can change a result: inputs, settings, catalogue, queries, as-of, version. Where the
/// output goes, how many threads there are and how much memory cannot.
fn fingerprint(config: &Config, pinned: &[PinnedSource], as_of: i64) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    add(SCHEMA_VERSION);
    add(&as_of.to_string());
    for query in queries::all().unwrap_or_default() {
        add(query.sql);
    }
    add(queries::catalogue().unwrap_or_default());
    for table in &config.touchpoints {
        add(&table.to_string());
    }
    add(&format!(
        "{:?}",
        (
            config.timezone.name(),
            config.score,
            &config.segments,
            config.journey_days,
            config.lookback_days,
            &config.analysis,
            config.plausible_until,
            config.own_catalogue_only,
        )
    ));
    for source in pinned {
        let said = &source.source;
        add(&said.feed);
        add(&format!("{:?}", (said.timezone.name(), &said.kinds, said.starts_on)));
        match &said.mapping {
            Mapping::Query(sql) => add(&sql.value),
            Mapping::Columns(columns) => {
                for (name, source) in columns {
                    add(name);
                    add(&source.value);
                }
            }
        }
        for table in &source.tables {
            add(&table.name);
            for object in &table.objects {
                add(&object.url);
                add(&object.bytes.to_string());
                add(&object.etag);
            }
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A table's parts inside a run.
struct RunParts<'a> {
    run: &'a mut Run,
    table: String,
}

impl write::Parts for RunParts<'_> {
    type Part = ObjectWriter;

    async fn open(&mut self, part: usize) -> Result<ObjectWriter> {
        self.run.table_writer(&self.table, part).await
    }

    async fn finish(&mut self, part: ObjectWriter, rows: u64) -> Result<()> {
        let written = part.finish().await?;
        self.run.record(rows, written);
        Ok(())
    }
}

/// A table's parts in a folder of its own, outside any run.
struct Files {
    store: Store,
    folder: String,
    table: String,
}

impl write::Parts for Files {
    type Part = ObjectWriter;

    async fn open(&mut self, part: usize) -> Result<ObjectWriter> {
        self.store.writer(&format!("{}/{}/part-{part:05}.parquet", self.folder, self.table)).await
    }

    async fn finish(&mut self, part: ObjectWriter, _rows: u64) -> Result<()> {
        part.finish().await.map(|_| ())
    }
}
