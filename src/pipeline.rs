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
//! 6_measures   what is held equal when answers are compared
//! 7_answers    every answer, linked and measured
//!              exposures: one column a touchpoint                       exposures
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

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::NaiveDate;

use crate::catalogue::Catalogue;
use crate::config::{Config, RepeatResponses};
use crate::contract::Watch;
use crate::engine::{self, Engine, Limits, Parameter};
use crate::error::{Context, Error, Result};
use crate::exposures::{self, batch};
use crate::progress::Progress;
use crate::queries;
use crate::sources::notes;
use crate::sources::pin::{self, PinnedSource};
use crate::sources::typed::{self, Typed};
use crate::store::publish::{About, Run};
use crate::store::{self, Store};
pub use checked::{Checked, FeedCheck, Missing, NotMeasured, Share, TableCheck};
pub use figures::{Account, Summary, TouchpointLine};
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
    job.compute_between("1_judged", "3_links", Gates::Open, progress).await?;
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
        let pinned = pin::pin(config).await?;
        let objects = pinned.iter().flat_map(|s| &s.tables).map(|t| t.objects.len() as u64).sum();
        progress.ends("list", objects);
        for table in pinned.iter().flat_map(|source| &source.tables) {
            for (url, reason) in &table.skipped {
                progress
                    .warns("an object is skipped", &[("object", url.clone()), ("reason", (*reason).into())]);
            }
        }
        drift::judge_age(&pinned, request, progress)?;
        let mut watch = drift::watch(last, request);
        let typed = typed::stage(&engine, config, &pinned, &landing, &mut watch, progress).await?;
        drift::judge(&watch, request, progress)?;
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
            watch,
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
        progress.ends("exposures", self.engine.count("exposures").await?);
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
            let stops = match (gates, folder) {
                (Gates::Closed, "2_staging") => self.input_stops().await?,
                (Gates::Closed, "3_links") => self.link_stops(progress).await?,
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
        for query in planned() {
            let plan = self.engine.query(query.sql).await.with("query", &query.name)?;
            self.engine.view(&query.name, plan)?;
        }
        exposures::check(&self.engine, self.config, &self.catalogue).await?;
        for query in planned() {
            self.engine.forget(&query.name)?;
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
    let holds = |feed: &str, column: &str| typed.get(feed).is_some_and(|typed| typed.mapped.contains(column));
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
