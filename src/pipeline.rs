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
//! 10_compared  what the run published before says otherwise
//! checks       queries that return the rows that break a rule           queries/checks
//! 11_pages     what the published tables say to a leader, a store       pages, report
//! publish      Parquet, pages, manifest.json, then latest.json          engine::write, store::publish
//! ```
//!
//! Nothing here knows the clock, the environment or a storage client.

mod advice;
mod as_of;
mod checked;
mod drift;
mod erase;
mod figures;
mod fingerprint;
mod gates;
mod inputs;
mod lost;
mod previous;
mod publish;
mod stop;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray};
use chrono::NaiveDate;
use datafusion::logical_expr::ScalarUDF;

use crate::catalogue::Catalogue;
use crate::config::{Config, RepeatResponses};
use crate::contract::Watch;
use crate::drivers;
use crate::engine::functions::of_text;
use crate::engine::{self, Engine, Limits, Parameter};
use crate::error::{Context, Error, Result};
use crate::exposures::{self, batch};
use crate::privacy::follow_up_id;
use crate::progress::Progress;
use crate::queries;
use crate::sources::keys;
use crate::sources::modes::AsOf;
use crate::sources::notes;
use crate::sources::pin::PinnedSource;
use crate::sources::typed::{self, Typed};
use crate::store::lock::{Holder, Lock};
use crate::store::publish::Output;
pub use crate::store::publish::Reads;
use crate::store::{self, Store, layout};
pub use checked::{Checked, FeedCheck, Missing, NotMeasured, Share, TableCheck};
pub use erase::{Erased, erase};
pub use figures::{Account, LinkLine, Summary, TableAccount, TouchpointLine};
use fingerprint::Fingerprint;
use inputs::Inputs;
use previous::Previous;
pub use stop::{Stop, Stopper, Wish};

/// Of the published tables; additive changes keep the first number.
pub const SCHEMA_VERSION: &str = "1.0";

/// After so long (a day), an upload of a landed file that is not complete is nobody's any more; other runs
/// may share the place.
const LANDING_MICROS: i64 = 86_400_000_000;

/// What a run is asked to do.
pub struct Request {
    pub config: Config,
    /// The local day whose end is the as-of; none: the newest purchase or answer.
    pub as_of: Option<NaiveDate>,
    pub limits: Limits,
    /// Take exports over that have changed since the last published run.
    pub accept: bool,
    /// Publish as the latest even if an earlier run looked at a later day.
    pub make_latest: bool,
    /// Read every published byte back before the commit.
    pub verify_full: bool,
    /// Tells apart two attempts at the same run.
    pub nonce: String,
    /// Machine and process, for those who find the output locked.
    pub holder: String,
    /// UTC microseconds now, for the lock, for [retention], and for the age of the exports: it decides
    /// whether a run warns or stops, and nothing in a result.
    pub clock: fn() -> i64,
}

/// What a run did.
pub struct Outcome {
    pub run_id: String,
    /// The published run's address.
    pub url: String,
    /// False where a run of a later day stays the latest.
    pub is_latest: bool,
    /// None where the latest run had done all this already.
    pub summary: Option<Summary>,
}

/// Runs the job and publishes it.
///
/// # Errors
/// Every kind; nothing is published unless the last step succeeds.
pub async fn run(request: &Request, mut stop: Stop, progress: &dyn Progress) -> Result<Outcome> {
    let config = &request.config;
    let store =
        Store::open(&config.output, &config.base, &config.environment.0).with("output", &config.output)?;
    let (name, nonce) = (request.holder.clone(), request.nonce.clone());
    let (holder, stopper) = (Holder { name, nonce, now: request.clock }, stop.stopper());
    let lock = stop.or(Lock::take(&store, &holder, move || stopper.send(Wish::LockLost))).await?;
    let result = run_alone(request, &store, &lock, stop, progress).await;
    if let Err(error) = lock.release().await {
        progress.warns("the output could not be unlocked", &[("reason", error.message().to_string())]);
    }
    result
}

/// The run, with nobody else at work at its output.
async fn run_alone(
    request: &Request,
    store: &Store,
    lock: &Lock,
    mut stop: Stop,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let output = stop.or(Output::open(store, lock, request.make_latest)).await?;
    for run in stop.or(output.tidy()).await? {
        progress.warns("what a killed run had left has been removed", &[("run", run)]);
    }
    let in_file = |e: Error| e.in_configuration(&request.config.file);
    let listed = stop.or(Inputs::list(request, store, output.latest(), progress)).await;
    let inputs = listed.map_err(in_file)?;
    if let Some(outcome) = publish::nothing_to_do(&output, request, &inputs) {
        if request.config.bi_layout {
            stop.or(layout::renew(store, Some(&outcome.run_id))).await?;
        }
        return Ok(outcome);
    }
    let mut job = stop.or(Job::begin(request, inputs, store, progress)).await.map_err(in_file)?;
    progress.names(&job.run_id);
    if let Err(error) = stop.or(job.compute(&output, request, progress)).await {
        return Err(job.keep_rejects(store, error, progress).await);
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
    let checked = stop.or(check_inputs(request, progress)).await;
    checked.map_err(|e| e.in_configuration(&request.config.file))
}

async fn check_inputs(request: &Request, progress: &dyn Progress) -> Result<Checked> {
    let config = &request.config;
    let published =
        Store::open(&config.output, &config.base, &config.environment.0).with("output", &config.output)?;
    let latest = store::publish::latest(&published).await?;
    // What a check lands stays in its scratch folder.
    let scratch = scratch_folder()?;
    let output = Store::open(&scratch.path().to_string_lossy(), scratch.path(), &BTreeMap::new())?;
    let mut config = config.clone();
    config.landing = None;
    let request = Request {
        config,
        as_of: request.as_of,
        limits: request.limits.clone(),
        accept: request.accept,
        make_latest: false,
        verify_full: false,
        nonce: request.nonce.clone(),
        holder: request.holder.clone(),
        clock: request.clock,
    };
    let inputs = Inputs::list(&request, &published, latest.as_ref(), progress).await?;
    let job = Job::begin(&request, inputs, &output, progress).await?;
    job.compute_between("1_judged", "4_moments", Gates::Open, progress).await?;
    let mut checked = job.checked(progress).await?;
    // What a run would not publish is not taken over, either.
    if request.accept && checked.stops.is_empty() {
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

/// `follow_up_of`: the follow-up of an answer, by the answer's id.
fn follow_up_names(config: &Config) -> ScalarUDF {
    let key = config.privacy.pseudonym_key.clone();
    of_text("follow_up_of", move |id: &str| follow_up_id(key.as_ref(), id))
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
    previous: Previous,
    as_of_day: NaiveDate,
    as_of_words: String,
    asked_as_of: Option<NaiveDate>,
    fingerprint: String,
    parts: Fingerprint,
    run_id: String,
    _scratch: tempfile::TempDir,
}

impl<'a> Job<'a> {
    /// Reads the inputs and maps them, and settles the as-of.
    async fn begin(
        request: &'a Request,
        inputs: Inputs,
        output: &Store,
        progress: &dyn Progress,
    ) -> Result<Job<'a>> {
        let config = &request.config;
        let Inputs { pinned, parts, previous, erasure } = inputs;
        let catalogue = Catalogue::read(config)?;
        let scratch = scratch_folder()?;
        let tables = store::scratch(&scratch.path().join("tables"))?;
        let mut engine = Engine::new(&request.limits, tables, &scratch.path().join("spill"))?;
        engine.context().register_udf(follow_up_names(config));
        let landing = match &config.landing {
            Some(landing) => {
                Store::open(landing, &config.base, &config.environment.0).with("landing", landing)?
            }
            None => {
                if config.privacy.pseudonym_key.is_some() {
                    progress.warns(
                        "copies of the exports, with the ids that they have, lie beside what is published: \
                         `landing` names a place of their own",
                        &[],
                    );
                }
                output.child("landed")?
            }
        };
        landing.end_uploads((request.clock)() - LANDING_MICROS).await?;
        let mut watch = drift::watch(&previous, request);
        let opened = typed::open(&engine, &pinned, &landing, &mut watch, progress).await?;
        // What no longer has its columns is not mapped: the mapping's own error would say less.
        if opened.iter().any(|source| watch.is_broken(source.feed_name())) {
            drift::judge(&watch, request, progress)?;
        }
        let clock = engine::time::Clock::new(config.timezone);
        // Always the end of a day, so that `--as-of` of that day looks at the same.
        let as_of_day = match request.as_of {
            Some(day) => day,
            None => {
                let newest = typed::newest_event(&engine, config, &opened).await?;
                let day = clock.local_day(newest).and_then(engine::time::date);
                day.ok_or_else(|| Error::internal("the newest event has no day"))?
            }
        };
        let as_of = clock
            .start_of_day(i64::from(as_of_day.to_epoch_days()) + 1)
            .ok_or_else(|| Error::usage("the as-of is no day of this calendar"))?
            - 1;
        let as_of_words = match request.as_of {
            Some(day) => day.to_string(),
            None => format!("{as_of_day}, the day of the newest purchase or answer"),
        };
        // Modes ask for the as-of: which version of a row is used depends on it.
        let standing = AsOf { at: as_of, last_delivery: request.as_of };
        let typed =
            typed::stage(&engine, config, &opened, standing, erasure.as_ref(), &mut watch, progress).await?;
        drift::judge(&watch, request, progress)?;
        drop(opened);
        set_parameters(&mut engine, config, as_of, &typed);
        let fingerprint = parts.of_run(as_of, request.as_of);
        let run_id = format!("{as_of_day}-{}-{}", &fingerprint[..12], request.nonce);
        let job = Job {
            config,
            engine,
            catalogue,
            pinned,
            typed,
            watch,
            threads: request.limits.threads,
            previous,
            as_of_day,
            as_of_words,
            asked_as_of: request.as_of,
            fingerprint,
            parts,
            run_id,
            _scratch: scratch,
        };
        job.register_inputs(progress).await?;
        job.check_as_of(request.as_of, progress).await?;
        job.check_conditions().await?;
        Ok(job)
    }

    /// Small tables that queries read beside the feeds.
    async fn register_inputs(&self, progress: &dyn Progress) -> Result<()> {
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
        notes::value_notes(&self.engine).await?;
        self.warn_of_values(progress).await
    }

    /// Everything up to the reports and the checks on them.
    async fn compute(&mut self, output: &Output, request: &Request, progress: &dyn Progress) -> Result<()> {
        self.compute_between("1_judged", "7_answers", Gates::Closed, progress).await?;
        progress.begins("exposures");
        let crowded = exposures::build(&self.engine, self.config, &self.catalogue, &self.typed).await?;
        for (covariate, values) in crowded {
            progress.warns(
                "a covariate has more values than are told apart: the rarer ones are held equal as one",
                &[
                    ("covariate", covariate),
                    ("values", values.to_string()),
                    ("way out", "a number belongs into `numeric_covariates`".into()),
                ],
            );
        }
        exposures::answer_segments(&self.engine, self.config).await?;
        exposures::touchpoint_counts(&self.engine, self.config, &self.catalogue).await?;
        exposures::exposed_amounts(&self.engine, self.config, &self.catalogue).await?;
        progress.ends("exposures", self.engine.count("exposures").await?);
        progress.begins("drivers");
        let fitted = drivers::build(&self.engine, self.config, &self.catalogue, self.threads).await?;
        progress.ends("drivers", fitted);
        self.compute_between("8_tables", "9_reports", Gates::Closed, progress).await?;
        self.register_previous(output.store(), request).await?;
        self.compute_between("10_compared", "10_compared", Gates::Closed, progress).await?;
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
        let place = |name: &str| folders.iter().position(|folder| *folder == name);
        let range = place(first)..=place(last);
        for folder in folders.iter().copied().filter(|folder| range.contains(&place(folder))) {
            progress.begins(folder);
            let mut rows = 0;
            for query in stages.iter().filter(|query| query.folder == folder) {
                if query.kept || query.is_published() {
                    let kept = self.engine.keep_query(&query.name, query.sql, &query.steps).await;
                    rows += kept.with("query", &query.name)?;
                } else {
                    let plan = self.engine.query(query.sql).await.with("query", &query.name)?;
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
        let planned = || stages.iter().take_while(|query| query.folder != "6_measures");
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
