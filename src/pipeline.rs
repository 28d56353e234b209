//! The whole job, in the order in which it runs.
//!
//! ```text
//! pin          list every source once                                   sources::pin
//! read         text is landed, Parquet read in place                    sources::land, raw
//! as-of        given, or the newest purchase or answer                  sources::typed
//! stage        which rows stand as of then                              sources::modes
//!              typed_*, unique_*: exports as canonical columns          sources::typed
//! 1_judged     what is valid, and why not                               queries/
//!              match_values: by which rows are matched to customers    sources::keys
//! 2_staging    stg_*, int_customers, rejected_rows
//! 3_links      which journey and customer an event belongs to
//! 4_moments    the moment of truth of every answer and journey
//! 5_met        what each moment had met, as it stood then
//! 6_measures   what is held equal when answers are compared
//! 7_answers    every answer, linked and measured
//!              exposures: one column a touchpoint                       exposures
//!              drivers: what each touchpoint costs                      drivers, stats
//! 8_tables     fct_*
//! 9_reports    rpt_*
//! checks       queries that return the rows that break a rule           queries/checks
//! publish      Parquet, manifest.json, then latest.json                 engine::write, store::publish
//! ```
//!
//! Nothing here knows the clock, the environment or a storage client.

mod advice;
mod as_of;
mod checked;
mod drift;
mod figures;
mod fingerprint;
mod gates;
mod stop;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray};
use chrono::NaiveDate;

use crate::catalogue::Catalogue;
use crate::config::{Config, RepeatResponses};
use crate::contract::Watch;
use crate::drivers;
use crate::engine::{self, Engine, Limits, Parameter};
use crate::error::{Context, Error, Result};
use crate::exposures::{self, batch};
use crate::progress::Progress;
use crate::queries;
use crate::sources::keys;
use crate::sources::modes::AsOf;
use crate::sources::notes;
use crate::sources::pin::{self, PinnedSource};
use crate::sources::typed::{self, Typed};
use crate::store::publish::{About, Run};
use crate::store::{self, Store};
pub use checked::{Checked, FeedCheck, Missing, NotMeasured, Share, TableCheck};
pub use figures::{Account, LinkLine, Summary, TableAccount, TouchpointLine};
use fingerprint::fingerprint;
pub use stop::{Stop, Stopper};

/// Of the published tables; additive changes keep the first number.
pub const SCHEMA_VERSION: &str = "1.0";

/// What a run is asked to do.
pub struct Request {
    pub config: Config,
    /// The local day whose end is the as-of; none: the newest purchase or answer.
    pub as_of: Option<NaiveDate>,
    pub limits: Limits,
    /// The present, for the age of the exports; UTC microseconds. It decides whether a run warns or stops,
    /// and nothing in a result.
    pub now_micros: Option<i64>,
    /// Take exports over that have changed since the last published run.
    pub accept: bool,
    /// Publish as the latest even if an earlier run looked at a later day.
    pub make_latest: bool,
    /// Tells apart two attempts at the same run.
    pub nonce: String,
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

/// Runs the job and publishes it.
///
/// # Errors
/// Every kind; nothing is published unless the last step succeeds.
pub async fn run(request: &Request, mut stop: Stop, progress: &dyn Progress) -> Result<Outcome> {
    let config = &request.config;
    let output =
        Store::open(&config.output, &config.base, &config.environment.0).with("output", &config.output)?;
    let last = stop.or(drift::last(&output)).await?;
    let mut job = stop.or(Job::begin(request, &output, last, progress)).await?;
    if let Err(error) = stop.or(job.compute(progress)).await {
        return Err(job.keep_rejects(&output, error, progress).await);
    }
    progress.begins("publish");
    let (outcome, rows) = job.publish(&output, request, stop, progress).await?;
    progress.ends("publish", rows);
    Ok(outcome)
}

/// Everything but publishing: the contract, sources, mapping, rejects and links, and that every condition
/// fits. What would stop a run later on is part of the answer.
///
/// # Errors
/// Every kind: what lets nothing be said about the rest.
pub async fn check(request: &Request, mut stop: Stop, progress: &dyn Progress) -> Result<Checked> {
    stop.or(check_inputs(request, progress)).await
}

async fn check_inputs(request: &Request, progress: &dyn Progress) -> Result<Checked> {
    let config = &request.config;
    let published =
        Store::open(&config.output, &config.base, &config.environment.0).with("output", &config.output)?;
    let last = drift::last(&published).await?;
    // What a check lands stays in its scratch folder.
    let scratch = scratch_folder()?;
    let output = Store::open(&scratch.path().to_string_lossy(), scratch.path(), &BTreeMap::new())?;
    let mut config = config.clone();
    config.landing = None;
    let request = Request {
        config,
        as_of: request.as_of,
        limits: request.limits.clone(),
        now_micros: request.now_micros,
        accept: request.accept,
        make_latest: false,
        nonce: request.nonce.clone(),
    };
    let job = Job::begin(&request, &output, last, progress).await?;
    job.compute_between("1_judged", "4_moments", Gates::Open, progress).await?;
    let mut checked = job.checked(progress).await?;
    if request.accept {
        checked.accepted = Some(drift::accept(&published, &job.watch, &job.pinned).await?);
    }
    Ok(checked)
}

/// Whether gates on the way stop the job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gates {
    Closed,
    Open,
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
    watch: Watch,
    /// Of the statistics; results do not depend on them.
    threads: usize,
    as_of_day: NaiveDate,
    fingerprint: String,
    run_id: String,
    _scratch: tempfile::TempDir,
}

impl<'a> Job<'a> {
    /// Pins the inputs, reads and maps them, and settles the as-of.
    async fn begin(
        request: &'a Request,
        output: &Store,
        last: Option<drift::Last>,
        progress: &dyn Progress,
    ) -> Result<Job<'a>> {
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
        let pinned = pin::pin(config, request.as_of).await?;
        let objects = pinned.iter().flat_map(|s| &s.tables).map(|t| t.objects.len() as u64).sum();
        progress.ends("list", objects);
        for table in pinned.iter().flat_map(|source| &source.tables) {
            pin::tell_skipped(table, progress);
        }
        drift::judge_age(&pinned, request, progress)?;
        let mut watch = drift::watch(last, request);
        let opened = typed::open(&engine, &pinned, &landing, &mut watch, progress).await?;
        // What no longer has its columns is not mapped: the mapping's own error would say less.
        if opened.iter().any(|source| watch.is_broken(source.feed_name())) {
            drift::judge(&watch, request, progress)?;
        }
        let clock = engine::time::Clock::new(config.timezone);
        let (as_of, as_of_day) = match request.as_of {
            Some(day) => {
                let end = clock
                    .start_of_day(i64::from(day.to_epoch_days()) + 1)
                    .ok_or_else(|| Error::usage("the as-of is no day of this calendar"))?;
                (end - 1, day)
            }
            None => {
                let newest = typed::newest_event(&engine, config, &opened).await?;
                let day = clock.local_day(newest).and_then(engine::time::date);
                (newest, day.ok_or_else(|| Error::internal("the newest event has no day"))?)
            }
        };
        // Modes ask for the as-of: which version of a row is used depends on it.
        let standing = AsOf { at: as_of, day: as_of_day };
        let typed = typed::stage(&engine, config, &opened, standing, &mut watch, progress).await?;
        drift::judge(&watch, request, progress)?;
        drop(opened);
        set_parameters(&mut engine, config, as_of, &typed);
        let fingerprint = fingerprint(config, &pinned, as_of);
        let run_id = format!("{as_of_day}-{}-{}", &fingerprint[..12], request.nonce);
        let job = Job {
            config,
            engine,
            catalogue,
            pinned,
            typed,
            watch,
            threads: request.limits.threads,
            as_of_day,
            fingerprint,
            run_id,
            _scratch: scratch,
        };
        job.register_inputs().await?;
        job.check_as_of(request.as_of, progress).await?;
        job.check_conditions().await?;
        Ok(job)
    }

    /// Small tables that queries read beside the feeds.
    async fn register_inputs(&self) -> Result<()> {
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
                ("superseded", number(&|table| usize::try_from(table.superseded).unwrap_or(usize::MAX))),
                ("handed_on", number(&|table| usize::try_from(table.handed_on()).unwrap_or(usize::MAX))),
                (
                    "compared_as",
                    Arc::new(tables.iter().map(|(_, table)| table.compared_as).collect::<StringArray>()),
                ),
                (
                    "is_mapped_by_column",
                    Arc::new(
                        tables.iter().map(|(_, t)| Some(t.is_mapped_by_column)).collect::<BooleanArray>(),
                    ),
                ),
            ])?,
        )?;
        let filtered: Vec<(&str, &str, &str, u64)> = tables
            .iter()
            .flat_map(|(feed, t)| t.filtered.iter().map(|(why, rows)| (*feed, t.name.as_str(), *why, *rows)))
            .collect();
        self.engine.register_rows(
            "filtered_rows",
            batch(vec![
                ("source", Arc::new(StringArray::from_iter_values(filtered.iter().map(|row| row.0)))),
                ("table_name", Arc::new(StringArray::from_iter_values(filtered.iter().map(|row| row.1)))),
                ("reason", Arc::new(StringArray::from_iter_values(filtered.iter().map(|row| row.2)))),
                (
                    "rows",
                    Arc::new(filtered.iter().map(|row| i64::try_from(row.3).ok()).collect::<Int64Array>()),
                ),
            ])?,
        )?;
        let delivered: Vec<(&str, &str, i32)> = tables
            .iter()
            .filter(|(_, table)| table.is_append)
            .flat_map(|(feed, table)| table.delivered().map(|(file, day)| (*feed, file, day.to_epoch_days())))
            .collect();
        self.engine.register_rows(
            "deliveries",
            batch(vec![
                ("source", Arc::new(StringArray::from_iter_values(delivered.iter().map(|row| row.0)))),
                ("file", Arc::new(StringArray::from_iter_values(delivered.iter().map(|row| row.1)))),
                ("day", Arc::new(Date32Array::from_iter_values(delivered.iter().map(|row| row.2)))),
            ])?,
        )?;
        for (name, list) in [
            ("pooled_kinds", &self.config.analysis.survey_kinds),
            ("pooled_triggers", &self.config.analysis.survey_triggers),
        ] {
            let names: StringArray = list.iter().flatten().map(Some).collect();
            self.engine.register_rows(name, batch(vec![("name", Arc::new(names))])?)?;
        }
        notes::value_notes(&self.engine).await
    }

    /// Everything up to the reports and the checks on them.
    async fn compute(&mut self, progress: &dyn Progress) -> Result<()> {
        self.compute_between("1_judged", "7_answers", Gates::Closed, progress).await?;
        progress.begins("exposures");
        exposures::build(&self.engine, self.config, &self.catalogue, &self.typed).await?;
        exposures::answer_segments(&self.engine, self.config).await?;
        exposures::touchpoint_counts(&self.engine, self.config, &self.catalogue).await?;
        exposures::exposed_amounts(&self.engine, self.config, &self.catalogue).await?;
        progress.ends("exposures", self.engine.count("exposures").await?);
        progress.begins("drivers");
        let fitted = drivers::build(&self.engine, self.config, &self.catalogue, self.threads).await?;
        progress.ends("drivers", fitted);
        self.compute_between("8_tables", "9_reports", Gates::Closed, progress).await?;
        progress.begins("checks");
        let checks = queries::checks()?;
        for check in &checks {
            self.hold(check).await?;
        }
        progress.ends("checks", checks.len() as u64);
        Ok(())
    }

    /// Runs the folders from `first` to `last`, each query after those that it reads.
    async fn compute_between(
        &self,
        first: &str,
        last: &str,
        gates: Gates,
        progress: &dyn Progress,
    ) -> Result<()> {
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
            if folder == "1_judged" {
                keys::match_values(&self.engine, self.config, &self.typed).await?;
            }
            let stops = match (gates, folder) {
                (Gates::Closed, "2_staging") => self.input_stops().await?,
                (Gates::Closed, "4_moments") => self.link_stops(progress).await?,
                _ => Vec::new(),
            };
            if let Some(stop) = stops.into_iter().next() {
                return Err(stop);
            }
            progress.ends(folder, rows);
        }
        Ok(())
    }

    /// Refuses segments and touchpoints that do not fit the exports' columns, before anything is computed:
    /// the folders up to the events are planned, and then forgotten.
    async fn check_conditions(&self) -> Result<()> {
        exposures::check_segments(self.config, &self.typed)?;
        let stages = queries::stages()?;
        let planned = || stages.iter().filter(|query| query.folder.as_str() < "6");
        let mut has_keys = false;
        for query in planned() {
            if !has_keys && query.folder != "1_judged" {
                keys::match_values(&self.engine, self.config, &self.typed).await?;
                has_keys = true;
            }
            let plan = self.engine.query(query.sql).await.with("query", &query.name)?;
            // Its columns are all that is asked for; views of views would be planned over and over.
            let no_rows = RecordBatch::new_empty(engine::plain_schema(&plan));
            self.engine.register_rows(&query.name, no_rows)?;
        }
        exposures::check(&self.engine, self.config, &self.catalogue).await?;
        for query in planned() {
            self.engine.forget(&query.name)?;
        }
        for name in keys::MADE {
            self.engine.forget(name)?;
        }
        Ok(())
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
        let summary = self.summary().await?;
        let mut run = Run::begin(output, &self.run_id)?;
        match stop.or(self.write_tables(&mut run)).await {
            Ok(rows) => {
                let published = run.commit(self.about()?, request.make_latest).await?;
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

    fn about(&self) -> Result<About> {
        let objects = self.pinned.iter().flat_map(|source| &source.tables).flat_map(|table| &table.objects);
        Ok(About {
            schema_version: SCHEMA_VERSION.into(),
            as_of: self.as_of_day.to_string(),
            fingerprint: self.fingerprint.clone(),
            code_version: env!("CARGO_PKG_VERSION").into(),
            configuration: self.config.text.clone(),
            inputs: objects.map(Into::into).collect(),
            contract: drift::as_json(&self.watch.now)?,
        })
    }
}

fn set_parameters(engine: &mut Engine, config: &Config, as_of: i64, typed: &BTreeMap<&'static str, Typed>) {
    let analysis = &config.analysis;
    let score = &config.score;
    let holds = |feed: &str, column: &str| typed.get(feed).is_some_and(|typed| typed.mapped.contains(column));
    for (name, parameter) in [
        ("as_of", Parameter::Time(as_of)),
        ("zone", Parameter::Text(config.timezone.name().into())),
        ("period", Parameter::Text(analysis.period.as_str().into())),
        ("lookback", Parameter::Days(config.lookback_days)),
        ("journey", Parameter::Days(config.journey_days)),
        ("window", Parameter::Days(analysis.window_days)),
        ("max_customers_per_value", Parameter::Integer(Some(config.identity.max_customers_per_value.into()))),
        ("score_min", Parameter::Integer(Some(score.min))),
        ("score_max", Parameter::Integer(Some(score.max))),
        ("detractor_max", Parameter::Integer(Some(score.detractor_max))),
        ("promoter_min", Parameter::Integer(Some(score.promoter_min))),
        ("severe_max", Parameter::Integer(score.severe_max)),
        ("has_purchases", Parameter::Boolean(typed.contains_key("purchases"))),
        ("has_delivered_at", Parameter::Boolean(holds("purchases", "delivered_at"))),
        ("has_returned_at", Parameter::Boolean(holds("purchases", "returned_at"))),
        ("has_first_replied_at", Parameter::Boolean(holds("tickets", "first_replied_at"))),
        ("has_solved_at", Parameter::Boolean(holds("tickets", "solved_at"))),
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
