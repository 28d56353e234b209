//! Stage 3: which touchpoints each answer had met, one column a touchpoint.
//!
//! A fixed query cannot have a configured number of columns. What the catalogue and the configuration add
//! is built here as parsed expressions on top of the fixed views of `queries/5_met` and `queries/7_answers`:
//!
//! 1. Each event votes: `when` holds, does not, cannot be told, or is undecided yet.
//! 2. Votes are counted per answer and touchpoint and make one of five states.
//! 3. States of one factor exclude each other: the first in catalogue order holds.

mod bins;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast as cast_array;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimestampMicrosecondType};
use datafusion::common::{Column as ColumnRef, ScalarValue};
use datafusion::functions::math::expr_fn::round;
use datafusion::functions_aggregate::expr_fn::{count, max, min, sum};
use datafusion::logical_expr::conditional_expressions::CaseBuilder;
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, case, cast, lit, when};
use datafusion::prelude::DataFrame;

use crate::catalogue::{Catalogue, Events, Meets, Role, Touchpoint};
use crate::config::Config;
use crate::engine::{self, Engine, mapped};
use crate::error::{Error, Result};
use crate::sources::feeds;
use crate::sources::typed::Typed;
use crate::stats::problem::State;

/// A state's code inside the engine is its number.
trait Coded {
    fn code(self) -> Expr;
}

impl Coded for State {
    fn code(self) -> Expr {
        lit(self as i64)
    }
}

/// Segment values beyond this many, the ones with the fewest answers, are shown as one.
const MAX_LEVELS: usize = 50;
pub const UNKNOWN_SEGMENT: &str = "(unknown)";
/// Segment values beyond those shown.
pub const OTHER_SEGMENT: &str = "(other)";

/// What each kind of ticket event tells of a ticket's columns.
const TOLD: [(&str, &[&str]); 4] = [
    ("replied", &["first_replied_at", "replies"]),
    ("solved", &["solved_at"]),
    ("reopened", &["reopens"]),
    ("transferred", &["transfers"]),
];

/// Which touchpoints the run's exports can measure at all, and from when on.
struct Coverage {
    /// Feed to the first instant that it covers, UTC microseconds.
    starts: BTreeMap<String, i64>,
    mapped: BTreeMap<String, BTreeSet<String>>,
    /// Kinds of interaction that occur.
    kinds: BTreeSet<String>,
}

impl Coverage {
    /// From when on the touchpoint is measured; none where it never is.
    fn start(&self, events: &Events) -> Option<i64> {
        let holds =
            |feed: &str, column: &str| self.mapped.get(feed).is_some_and(|columns| columns.contains(column));
        let is_there = events.needs.iter().all(|(feed, column)| holds(feed, column))
            && events.kind.as_ref().is_none_or(|kind| self.kinds.contains(kind));
        let feeds = std::iter::once(&events.feed).chain(events.needs.iter().map(|(feed, _)| feed));
        let starts: Option<Vec<i64>> = feeds.map(|feed| self.starts.get(feed).copied()).collect();
        starts.filter(|_| is_there).and_then(|starts| starts.into_iter().max())
    }
}

/// Refuses conditions that do not fit the events' columns, before anything is computed.
///
/// # Errors
/// `Kind::Config` with the touchpoint and the columns there.
pub async fn check(engine: &Engine, config: &Config, catalogue: &Catalogue) -> Result<()> {
    for touchpoint in &catalogue.touchpoints {
        if let Meets::Events(events) = &touchpoint.meets {
            Votes::read(engine, touchpoint, events).await.map_err(|e| match touchpoint.written_at {
                Some(place) => {
                    let key = e.context().iter().find(|(name, _)| *name == "key");
                    let key = key.map_or("when", |(_, key)| key.as_str());
                    let place = config.place(&format!("touchpoints.{place}.{key}"));
                    e.with("file", place)
                }
                None => e,
            })?;
        }
    }
    Ok(())
}

/// Refuses segments and covariates that are no column of the purchases or surveys.
///
/// # Errors
/// `Kind::Config` with the name's line and the columns there.
pub fn check_segments(config: &Config, typed: &BTreeMap<&'static str, Typed>) -> Result<()> {
    let of = |feed: &str| typed.get(feed).into_iter().flat_map(|typed| &typed.mapped);
    let there: BTreeSet<&String> = of("purchases").chain(of("surveys")).collect();
    for (what, list, names) in config.dimension_lists() {
        let missing = names.iter().enumerate().find(|(_, name)| !there.contains(name));
        if let Some((place, name)) = missing {
            let there: Vec<&str> = there.iter().map(|name| name.as_str()).collect();
            return Err(Error::config(format!(
                "the {what} `{name}` is no column of the purchases or surveys"
            ))
            .with("file", config.place(&format!("{list}.{place}")))
            .with("columns there", there.join(", "))
            .hint(format!("map it under [sources.purchases.columns], or take it out of `{list}`")));
        }
    }
    Ok(())
}

/// Makes `touchpoints`, `event_touchpoints`, `votes_<feed>`, `exposures` (one row an answer) and
/// `journey_exposures` (one row a journey, the same touchpoints at its moment of truth). Returns the covariates
/// with more values than are told apart, and how many each has.
pub async fn build(
    engine: &Engine,
    config: &Config,
    catalogue: &Catalogue,
    typed: &BTreeMap<&'static str, Typed>,
) -> Result<Vec<(String, usize)>> {
    engine.register_rows("touchpoints", catalogue_rows(catalogue)?)?;
    let coverage = coverage(engine, config, typed).await?;
    event_touchpoints(engine, catalogue).await?;
    for feed in crate::catalogue::FEEDS {
        count_votes(engine, catalogue, feed).await?;
    }
    let mut answers = segments(engine, config, typed, engine.table("int_answers").await?).await?;
    let mut cuts = Vec::new();
    let mut crowded = Vec::new();
    for dimension in config.dimensions() {
        let column = format!("seg_{dimension}");
        if config.numeric_covariates.contains(dimension) {
            let of_it = bins::cuts(engine, &answers, &column).await?;
            answers = bins::binned(engine, answers, &column, &of_it)?;
            cuts.push((column, of_it));
            continue;
        }
        let many;
        (answers, many) = shown_levels(engine, answers, &column).await?;
        if many > MAX_LEVELS && !config.segments.contains(dimension) {
            crowded.push((dimension.clone(), many));
        }
    }
    engine.keep("exposures", states(engine, catalogue, &coverage, answers).await?).await?;
    // Read once, when every journey gets its prediction; its levels are those of the answers.
    let mut journeys = segments(engine, config, typed, engine.table("int_journeys").await?).await?;
    for (column, of_it) in &cuts {
        journeys = bins::binned(engine, journeys, column, of_it)?;
    }
    engine.view("journey_exposures", states(engine, catalogue, &coverage, journeys).await?)?;
    Ok(crowded)
}

// ---- 1. each event votes ---------------------------------------------------------------------------------

/// A touchpoint's condition on one event, as three expressions of which at most one holds.
struct Votes {
    yes: Expr,
    too_early: Expr,
    unknown: Expr,
}

impl Votes {
    async fn read(engine: &Engine, touchpoint: &Touchpoint, events: &Events) -> Result<Votes> {
        let met = engine.table(&format!("met_{}", events.feed)).await?;
        let condition = |sql: &str, key: &'static str| -> Result<Expr> {
            let names = || {
                let fields = met.schema().fields();
                fields.iter().map(|field| field.name().clone()).collect::<Vec<_>>().join(", ")
            };
            let expr = mapped::expression(engine.context(), sql, met.schema())
                .map_err(|e| e.hint(format!("the columns of an event of {} are {}", events.feed, names())))?;
            match expr.get_type(met.schema()) {
                Ok(DataType::Boolean) => Ok(expr),
                _ => Err(Error::config(format!("`{key}` is not true or false"))
                    .hint("compare the column with something")),
            }
        };
        let place = |key: &'static str| move |e: Error| e.with("touchpoint", &touchpoint.id).with("key", key);
        let holds = condition(&events.when, "when").map_err(place("when"))?;
        let undecided = match &events.undecided {
            Some(sql) => condition(sql, "undecided").map_err(place("undecided"))?,
            None => lit(false),
        };
        for (key, column) in [("at", &events.at), ("since", &events.since)] {
            if let Some(column) = column
                && !met.schema().has_column_with_unqualified_name(column)
            {
                return Err(Error::config(format!(
                    "`{key}` names `{column}`, which is no column of the event"
                ))
                .with("touchpoint", &touchpoint.id)
                .with("key", key)
                .hint(format!("name a time column of the feed, or leave `{key}` out")));
            }
        }
        Ok(Votes {
            yes: holds.clone().is_true(),
            too_early: holds.clone().is_not_true().and(undecided.clone().is_true()),
            unknown: holds.is_null().and(undecided.is_not_true()),
        })
    }
}

/// `event_touchpoints`: for each event of a journey, the narrowest touchpoint that it is.
async fn event_touchpoints(engine: &Engine, catalogue: &Catalogue) -> Result<()> {
    let mut all: Option<DataFrame> = None;
    let failed = |e| engine::error(e, "event_touchpoints");
    for feed in crate::catalogue::FEEDS {
        let key = feeds::feed(feed).map_or("", |feed| feed.key[0]);
        // Parts before wholes, then catalogue order.
        let mut placed: Vec<(&Touchpoint, &Events, &str)> = catalogue
            .touchpoints
            .iter()
            .filter_map(|touchpoint| match &touchpoint.meets {
                Meets::Events(events) if events.feed == feed => {
                    events.at.as_deref().map(|at| (touchpoint, events, at))
                }
                _ => None,
            })
            .collect();
        placed.sort_by_key(|(touchpoint, ..)| std::cmp::Reverse(catalogue.depth(touchpoint)));
        let moments = engine
            .table("int_moments")
            .await?
            .filter(named("speaks_for_journey"))
            .and_then(|rows| {
                rows.select(vec![
                    named("moment_id").alias("speaker"),
                    named("journey_id").alias("spoken_for"),
                ])
            })
            .map_err(failed)?;
        let met = engine
            .table(&format!("met_{feed}"))
            .await?
            .join(moments, JoinType::Inner, &["moment_id"], &["speaker"], None)
            .map_err(failed)?;
        for at in placed.iter().map(|(_, _, at)| *at).collect::<BTreeSet<_>>() {
            let mut narrowest: Option<CaseBuilder> = None;
            for (touchpoint, events, _) in placed.iter().filter(|(_, _, other)| *other == at) {
                let votes = Votes::read(engine, touchpoint, events).await?;
                narrowest = Some(match narrowest {
                    None => when(votes.yes, lit(touchpoint.id.as_str())),
                    Some(mut cases) => cases.when(votes.yes, lit(touchpoint.id.as_str())),
                });
            }
            let Some(narrowest) = narrowest else { continue };
            let touchpoint = narrowest.end().map_err(failed)?;
            let events = met
                .clone()
                .select(vec![
                    named("spoken_for").alias("journey_id"),
                    lit(feed).alias("feed"),
                    named(key).alias("source_key"),
                    lit(at).alias("noted_as"),
                    named(at).alias("occurred_at"),
                    touchpoint.alias("touchpoint"),
                ])
                .and_then(|rows| rows.filter(named("touchpoint").is_not_null()))
                .map_err(failed)?;
            all = Some(match all {
                None => events,
                Some(others) => others.union(events).map_err(failed)?,
            });
        }
    }
    let all = match all {
        Some(all) => all,
        None => engine
            .query("select '' as journey_id, '' as feed, '' as source_key, '' as noted_as, cast(null as timestamp) as occurred_at, '' as touchpoint where false")
            .await?,
    };
    engine.keep("event_touchpoints", all).await?;
    Ok(())
}

// ---- 2. and 3. votes make states -------------------------------------------------------------------------

/// The column with the code of a touchpoint's state.
pub fn code_of(touchpoint: &Touchpoint) -> String {
    format!("code_{}", touchpoint.id)
}

/// Moments with `code_`, `tp_<id>` and `tp_<id>_state` of every touchpoint.
async fn states(
    engine: &Engine,
    catalogue: &Catalogue,
    coverage: &Coverage,
    mut answers: DataFrame,
) -> Result<DataFrame> {
    let failed = |e| engine::error(e, "the touchpoints' states");
    let base: Vec<Expr> = columns_of(&answers);
    for feed in crate::catalogue::FEEDS {
        let counts = engine.table(&format!("votes_{feed}")).await?;
        answers = answers
            .join(counts, JoinType::Left, &["moment_id"], &[&format!("moment_of_{feed}")], None)
            .map_err(failed)?;
    }
    // Each touchpoint by itself.
    let mut alone = base.clone();
    for touchpoint in &catalogue.touchpoints {
        if let Meets::Events(events) = &touchpoint.meets {
            let code = state_code(touchpoint, events, coverage.start(events)).map_err(failed)?;
            alone.push(code.alias(code_of(touchpoint)));
        }
    }
    let alone = answers.select(alone).map_err(failed)?;
    // In its factor: a state that an earlier one excludes is not met.
    let mut excluding = base.clone();
    for (place, touchpoint) in catalogue.touchpoints.iter().enumerate() {
        if !matches!(touchpoint.meets, Meets::Events(_)) {
            continue;
        }
        let own = named(&code_of(touchpoint));
        let code = match excluded(catalogue, place) {
            None => own,
            Some(excluded) => when(own.clone().eq(State::Yes.code()).and(excluded), State::No.code())
                .otherwise(own)
                .map_err(failed)?,
        };
        excluding.push(code.alias(code_of(touchpoint)));
    }
    let excluding = alone.select(excluding).map_err(failed)?;
    // How many failures.
    let mut counted = columns_of(&excluding);
    for touchpoint in &catalogue.touchpoints {
        if let Meets::Failures { least, most } = &touchpoint.meets {
            let code = failures_code(catalogue, *least, *most).map_err(failed)?;
            counted.push(code.alias(code_of(touchpoint)));
        }
    }
    let counted = excluding.select(counted).map_err(failed)?;
    // In words.
    let mut columns = columns_of(&counted);
    for touchpoint in &catalogue.touchpoints {
        let code = named(&code_of(touchpoint));
        let met = when(code.clone().eq(State::Yes.code()), lit(true))
            .when(code.clone().eq(State::No.code()), lit(false))
            .end()
            .map_err(failed)?;
        columns.push(met.alias(format!("tp_{}", touchpoint.id)));
        let mut words = case(code);
        for state in State::ALL {
            words = words.when(state.code(), lit(state.as_str()));
        }
        columns.push(words.end().map_err(failed)?.alias(format!("tp_{}_state", touchpoint.id)));
    }
    counted.select(columns).map_err(failed)
}

/// When an earlier state of its factor, or of that of a wider touchpoint, holds in place of this one.
fn excluded(catalogue: &Catalogue, place: usize) -> Option<Expr> {
    let touchpoint = catalogue.touchpoints.get(place)?;
    let earlier = catalogue.touchpoints[..place]
        .iter()
        .filter(|other| touchpoint.factor.is_some() && other.factor == touchpoint.factor)
        .filter(|other| matches!(other.meets, Meets::Events(_)))
        .map(|other| named(&code_of(other)).eq(State::Yes.code()))
        .reduce(Expr::or);
    let wider = touchpoint.within.as_deref();
    let wider = wider.and_then(|id| catalogue.touchpoints.iter().position(|other| other.id == id));
    let of_wider = wider.and_then(|place| excluded(catalogue, place));
    earlier.into_iter().chain(of_wider).reduce(Expr::or)
}

/// `votes_<feed>`: one row per moment that had met an event of the feed: how its events voted on each
/// touchpoint, and when the first was that met it.
async fn count_votes(engine: &Engine, catalogue: &Catalogue, feed: &str) -> Result<()> {
    let failed = |e| engine::error(e, feed);
    let mut counts = vec![count(lit(1i64)).alias(format!("events_of_{feed}"))];
    for touchpoint in &catalogue.touchpoints {
        let Meets::Events(events) = &touchpoint.meets else { continue };
        if events.feed != feed {
            continue;
        }
        let votes = Votes::read(engine, touchpoint, events).await?;
        if let Some(at) = &events.at {
            let first = when(votes.yes.clone(), named(at)).end().map(min).map_err(failed)?;
            counts.push(first.alias(first_of(touchpoint)));
        }
        if let Some(since) = events.since.as_ref().or(events.at.as_ref()) {
            let since = when(votes.yes.clone(), named(since)).end().map(min).map_err(failed)?;
            counts.push(since.alias(since_of(touchpoint)));
        }
        for (name, vote) in [("yes", votes.yes), ("too_early", votes.too_early), ("unknown", votes.unknown)] {
            let one = when(vote, lit(1i64)).end().map_err(failed)?;
            counts.push(count(one).alias(format!("{name}_{}", touchpoint.id)));
        }
    }
    let counted = engine
        .table(&format!("met_{feed}"))
        .await?
        .aggregate(vec![named("moment_id").alias(format!("moment_of_{feed}"))], counts)
        .map_err(failed)?;
    engine.keep(&format!("votes_{feed}"), counted).await?;
    Ok(())
}

/// The column with the first time that the touchpoint was met, for those that happen at a time.
pub fn first_of(touchpoint: &Touchpoint) -> String {
    format!("first_{}", touchpoint.id)
}

/// The column with the time since which it was met, by which the declared order is checked.
pub fn since_of(touchpoint: &Touchpoint) -> String {
    format!("since_{}", touchpoint.id)
}

/// The touchpoint's state by itself, from the votes; see [`State`].
fn state_code(
    touchpoint: &Touchpoint,
    events: &Events,
    covered_from: Option<i64>,
) -> datafusion::error::Result<Expr> {
    let Some(covered_from) = covered_from else { return Ok(State::NotMeasured.code()) };
    let votes = |name: &str| {
        let column = named(&format!("{name}_{}", touchpoint.id));
        when(column.clone().is_not_null(), column).otherwise(lit(0i64))
    };
    let enough = lit(i64::from(events.count));
    let yes = votes("yes")?;
    let perhaps = yes.clone() + votes("unknown")?;
    let later = perhaps.clone() + votes("too_early")?;
    let covered_from = lit(ScalarValue::TimestampMicrosecond(Some(covered_from), Some("UTC".into())));
    when(named("moment_id").is_null(), State::Unknown.code())
        .when(named("window_starts_at").lt(covered_from), State::NotMeasured.code())
        .when(yes.gt_eq(enough.clone()), State::Yes.code())
        .when(perhaps.gt_eq(enough.clone()), State::Unknown.code())
        .when(later.gt_eq(enough), State::TooEarly.code())
        .otherwise(State::No.code())
}

/// Whether the number of the catalogue's failures that an answer had met lies in a band. Failures that are
/// unknown, or too early to tell, may add to those surely met.
fn failures_code(catalogue: &Catalogue, least: u32, most: Option<u32>) -> datafusion::error::Result<Expr> {
    let one_if = |condition: Expr| when(condition, lit(1i64)).otherwise(lit(0i64));
    let mut met = lit(0i64);
    let mut perhaps = lit(0i64);
    let mut later = lit(0i64);
    let mut is_measured = lit(false);
    for failure in catalogue.touchpoints.iter().filter(|t| t.is_failure) {
        let code = named(&code_of(failure));
        met = met + one_if(code.clone().eq(State::Yes.code()))?;
        perhaps = perhaps + one_if(code.clone().eq(State::Unknown.code()))?;
        later = later + one_if(code.clone().eq(State::TooEarly.code()))?;
        is_measured = is_measured.or(code.not_eq(State::NotMeasured.code()));
    }
    let below = |sum: Expr| sum.lt(lit(i64::from(least)));
    let above = |sum: Expr| most.map_or(lit(false), |most| sum.gt(lit(i64::from(most))));
    let most_met = met.clone() + perhaps.clone() + later;
    when(named("moment_id").is_null(), State::Unknown.code())
        .when(is_measured.is_not_true(), State::NotMeasured.code())
        .when(above(met.clone()).or(below(most_met.clone())), State::No.code())
        .when(below(met).or(above(most_met)).is_not_true(), State::Yes.code())
        .when(perhaps.eq(lit(0i64)), State::TooEarly.code())
        .otherwise(State::Unknown.code())
}

// ---- coverage --------------------------------------------------------------------------------------------

async fn coverage(
    engine: &Engine,
    config: &Config,
    typed: &BTreeMap<&'static str, Typed>,
) -> Result<Coverage> {
    let mut starts = BTreeMap::new();
    for feed in feeds::FEEDS {
        let Some(source) = config.sources.get(feed.name) else { continue };
        let declared = source.starts_on.and_then(|day| {
            engine::time::Clock::new(config.timezone).start_of_day(i64::from(day.to_epoch_days()))
        });
        let first = first_event(engine, feed).await?;
        if let Some(start) = declared.or(first) {
            starts.insert(feed.name.to_string(), start);
        }
    }
    let mut mapped: BTreeMap<String, BTreeSet<String>> =
        typed.iter().map(|(feed, typed)| (feed.to_string(), typed.mapped.clone())).collect();
    // A timeline tells what the tickets' own columns may not.
    let told = distinct_texts(engine, "stg_ticket_events", "event").await?;
    if let Some(tickets) = mapped.get_mut("tickets") {
        for (event, columns) in TOLD {
            if told.iter().any(|known| known == event) {
                tickets.extend(columns.iter().map(|column| column.to_string()));
            }
        }
    }
    let kinds = distinct_texts(engine, "stg_interactions", "kind").await?.into_iter().collect();
    Ok(Coverage { starts, mapped, kinds })
}

/// A touchpoint that the exports do not measure, and what they lack for it.
pub struct Unmeasured {
    pub touchpoint: String,
    pub label: String,
    /// Columns, as (feed, column).
    pub columns: Vec<(String, String)>,
    /// A feed that has no source, or no rows.
    pub feed: Option<String>,
    /// A kind of interaction that never occurs.
    pub kind: Option<String>,
}

/// The touchpoints that are not measured at all, in the catalogue's order.
///
/// # Errors
/// Those of the engine.
pub async fn unmeasured(
    engine: &Engine,
    config: &Config,
    catalogue: &Catalogue,
    typed: &BTreeMap<&'static str, Typed>,
) -> Result<Vec<Unmeasured>> {
    let coverage = coverage(engine, config, typed).await?;
    let mut all = Vec::new();
    for touchpoint in &catalogue.touchpoints {
        let Meets::Events(events) = &touchpoint.meets else { continue };
        if coverage.start(events).is_some() {
            continue;
        }
        let holds = |(feed, column): &&(String, String)| {
            coverage.mapped.get(feed).is_some_and(|columns| columns.contains(column))
        };
        let feeds = std::iter::once(&events.feed).chain(events.needs.iter().map(|(feed, _)| feed));
        let feed = feeds.into_iter().find(|feed| !coverage.starts.contains_key(*feed)).cloned();
        let columns = events.needs.iter().filter(|need| !holds(need)).cloned();
        let kind = events.kind.as_ref().filter(|kind| !coverage.kinds.contains(*kind)).cloned();
        all.push(Unmeasured {
            touchpoint: touchpoint.id.clone(),
            label: touchpoint.label.clone(),
            columns: columns.filter(|(of, _)| Some(of) != feed.as_ref()).collect(),
            kind: kind.filter(|_| feed.is_none()),
            feed,
        });
    }
    Ok(all)
}

async fn first_event(engine: &Engine, feed: &feeds::Feed) -> Result<Option<i64>> {
    let table = format!("stg_{}", feed.name);
    let Some(event_time) = feed.event_time else { return Ok(None) };
    let first = datafusion::functions_aggregate::expr_fn::min(named(event_time)).alias("first");
    let plan =
        engine.table(&table).await?.aggregate(vec![], vec![first]).map_err(|e| engine::error(e, &table))?;
    let rows = engine.collect(plan, &table).await?;
    Ok(rows.iter().find_map(|batch| {
        let first = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>()?;
        first.iter().next().flatten()
    }))
}

/// The different values of a text column, sorted; null left out.
pub async fn distinct_texts(engine: &Engine, table: &str, column: &str) -> Result<Vec<String>> {
    let failed = |e| engine::error(e, table);
    let plan = engine
        .table(table)
        .await?
        .aggregate(vec![named(column).alias("value")], vec![])
        .and_then(|rows| rows.filter(named("value").is_not_null()))
        .map_err(failed)?;
    let mut values = Vec::new();
    for batch in engine.collect(plan, table).await? {
        values.extend(texts(batch.column(0))?.iter().flatten().map(str::to_string));
    }
    values.sort();
    Ok(values)
}

// ---- segments --------------------------------------------------------------------------------------------

/// Adds `seg_<dimension>`: the answer's own column of that name, else its journey's.
async fn segments(
    engine: &Engine,
    config: &Config,
    typed: &BTreeMap<&'static str, Typed>,
    answers: DataFrame,
) -> Result<DataFrame> {
    if config.dimensions().is_empty() {
        return Ok(answers);
    }
    let failed = |e| engine::error(e, "the segments");
    let is_mapped = |feed: &str, name: &str| typed.get(feed).is_some_and(|t| t.mapped.contains(name));
    let mut of_purchase = vec![named("order_id").alias("segment_order")];
    for name in config.dimensions() {
        if is_mapped("purchases", name) {
            of_purchase.push(cast(named(name), DataType::Utf8).alias(format!("purchase_{name}")));
        }
    }
    let base = columns_of(&answers);
    let purchases = engine.table("stg_purchases").await?.select(of_purchase).map_err(failed)?;
    let joined =
        answers.join(purchases, JoinType::Left, &["journey_id"], &["segment_order"], None).map_err(failed)?;
    let mut columns = base;
    for name in config.dimensions() {
        let is_there = joined.schema().has_column_with_unqualified_name(name);
        let own = (is_mapped("surveys", name) && is_there).then(|| cast(named(name), DataType::Utf8));
        let purchased = is_mapped("purchases", name).then(|| named(&format!("purchase_{name}")));
        let value = match (own, purchased) {
            (Some(own), Some(purchased)) => {
                when(own.clone().is_not_null(), own).otherwise(purchased).map_err(failed)?
            }
            (Some(value), None) | (None, Some(value)) => value,
            (None, None) => lit(ScalarValue::Utf8(None)),
        };
        columns.push(value.alias(format!("seg_{name}")));
    }
    joined.select(columns).map_err(failed)
}

/// Null becomes `(unknown)`; of more than [`MAX_LEVELS`] values those with the fewest answers become one. Returns
/// also how many values there are.
async fn shown_levels(engine: &Engine, answers: DataFrame, column: &str) -> Result<(DataFrame, usize)> {
    let failed = |e| engine::error(e, column);
    let levels = answers
        .clone()
        .filter(named("is_counted").and(named(column).is_not_null()))
        .and_then(|rows| rows.aggregate(vec![named(column)], vec![count(lit(1i64)).alias("answers")]))
        .map_err(failed)?;
    let mut shown: Vec<(i64, String)> = Vec::new();
    for batch in engine.collect(levels, column).await? {
        let answers = batch.column(1).as_primitive::<Int64Type>();
        for (level, answers) in texts(batch.column(0))?.iter().zip(answers) {
            shown.push((-answers.unwrap_or(0), level.unwrap_or_default().to_string()));
        }
    }
    shown.sort();
    let value = named(column);
    let mut cases = when(value.clone().is_null(), lit(UNKNOWN_SEGMENT));
    if shown.len() > MAX_LEVELS {
        let kept: Vec<Expr> = shown.iter().take(MAX_LEVELS).map(|(_, level)| lit(level.as_str())).collect();
        cases = cases.when(value.clone().in_list(kept, true), lit(OTHER_SEGMENT));
    }
    let value = cases.otherwise(value).map_err(failed)?;
    Ok((answers.with_column(column, value).map_err(failed)?, shown.len()))
}

/// The dimensions of the reports: `all` first, then the configured ones, each with its column.
fn dimensions(config: &Config) -> Vec<(String, Expr)> {
    let mut dimensions = vec![("all".to_string(), lit("all"))];
    dimensions.extend(config.segments.iter().map(|name| (name.clone(), named(&format!("seg_{name}")))));
    dimensions
}

/// Makes `answer_segments`: each answer that counts, once per dimension.
pub async fn answer_segments(engine: &Engine, config: &Config) -> Result<()> {
    let failed = |e| engine::error(e, "answer_segments");
    let mut all: Option<DataFrame> = None;
    for (name, value) in dimensions(config) {
        let part = engine
            .table("exposures")
            .await?
            .filter(named("is_counted"))
            .and_then(|rows| {
                rows.select(vec![
                    lit(name.as_str()).alias("segment_dimension"),
                    value.alias("segment"),
                    named("period"),
                    named("cluster"),
                    named("nps_class"),
                    named("is_severe"),
                    named("weight"),
                ])
            })
            .map_err(failed)?;
        all = Some(match all {
            None => part,
            Some(others) => others.union(part).map_err(failed)?,
        });
    }
    match all {
        Some(all) => engine.view("answer_segments", all),
        None => Err(Error::internal("there is no segment dimension")),
    }
}

// ---- counts ----------------------------------------------------------------------------------------------

/// What is counted of each touchpoint, period and segment; the names of `touchpoint_counts`.
const COUNTS: [&str; 10] = [
    "exposed",
    "unexposed",
    "other_state",
    "unknown",
    "too_early",
    "not_measured",
    "exposed_promoters",
    "exposed_detractors",
    "unexposed_promoters",
    "unexposed_detractors",
];

/// Makes `touchpoint_counts`: one row per period, segment and touchpoint, of the answers in the fit.
pub async fn touchpoint_counts(engine: &Engine, config: &Config, catalogue: &Catalogue) -> Result<()> {
    let failed = |e| engine::error(e, "touchpoint_counts");
    let one_if = |condition: Expr| when(condition, lit(1i64)).end().map(count);
    // (dimension, segment, period, answers, the counts of each touchpoint), by dimension.
    let mut rows: Vec<(String, String, String, i64, Vec<i64>)> = Vec::new();
    for (dimension, value) in dimensions(config) {
        let mut aggregates = vec![count(lit(1i64)).alias("responses")];
        for touchpoint in &catalogue.touchpoints {
            let code = named(&code_of(touchpoint));
            let is = |state: State| code.clone().eq(state.code());
            let class = |name: &str| named("nps_class").eq(lit(name));
            // An answer in another state of the same factor is no ground to compare with.
            let elsewhere = elsewhere(catalogue, touchpoint).unwrap_or(lit(false));
            let unexposed = is(State::No).and(elsewhere.clone().is_not_true());
            for (name, condition) in COUNTS.into_iter().zip([
                is(State::Yes),
                unexposed.clone(),
                is(State::No).and(elsewhere),
                is(State::Unknown),
                is(State::TooEarly),
                is(State::NotMeasured),
                is(State::Yes).and(class("promoter")),
                is(State::Yes).and(class("detractor")),
                unexposed.clone().and(class("promoter")),
                unexposed.and(class("detractor")),
            ]) {
                aggregates
                    .push(one_if(condition).map_err(failed)?.alias(format!("{name}_{}", touchpoint.id)));
            }
        }
        let plan = engine
            .table("exposures")
            .await?
            .filter(named("in_fit"))
            .and_then(|plan| plan.aggregate(vec![value.alias("segment"), named("period")], aggregates))
            .map_err(failed)?;
        for batch in engine.collect(plan, "touchpoint_counts").await? {
            let segments = texts(batch.column(0))?;
            let periods = texts(batch.column(1))?;
            for row in 0..batch.num_rows() {
                let counts =
                    (2..batch.num_columns()).map(|c| batch.column(c).as_primitive::<Int64Type>().value(row));
                let mut counts = counts.collect::<Vec<_>>().into_iter();
                rows.push((
                    dimension.clone(),
                    segments.value(row).to_string(),
                    periods.value(row).to_string(),
                    counts.next().unwrap_or(0),
                    counts.collect(),
                ));
            }
        }
    }
    rows.sort();
    let touchpoints = catalogue.touchpoints.len();
    let places: Vec<(usize, usize)> =
        (0..rows.len()).flat_map(|row| (0..touchpoints).map(move |t| (row, t))).collect();
    let texts_of = |f: &dyn Fn(usize, usize) -> String| -> ArrayRef {
        Arc::new(places.iter().map(|(row, t)| Some(f(*row, *t))).collect::<StringArray>())
    };
    let numbers_of = |f: &dyn Fn(usize, usize) -> i64| -> ArrayRef {
        Arc::new(places.iter().map(|(row, t)| Some(f(*row, *t))).collect::<Int64Array>())
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("segment_dimension", texts_of(&|row, _| rows[row].0.clone())),
        ("segment", texts_of(&|row, _| rows[row].1.clone())),
        ("period", texts_of(&|row, _| rows[row].2.clone())),
        ("touchpoint", texts_of(&|_, t| catalogue.touchpoints[t].id.clone())),
        ("responses", numbers_of(&|row, _| rows[row].3)),
    ];
    for (place, name) in COUNTS.into_iter().enumerate() {
        columns.push((name, numbers_of(&|row, t| rows[row].4[t * COUNTS.len() + place])));
    }
    engine.register_rows("touchpoint_counts", batch(columns)?)
}

/// Makes `exposed_amounts`: what the orders of those who met a touchpoint were worth, in hundredths, and
/// in which currencies. One row per segment and touchpoint; an order with several answers counts once.
pub async fn exposed_amounts(engine: &Engine, config: &Config, catalogue: &Catalogue) -> Result<()> {
    let failed = |e| engine::error(e, "exposed_amounts");
    let (mut dimensions_of, mut segments_of, mut ids) = (vec![], vec![], vec![]);
    let (mut hundredths_of, mut least, mut greatest) = (vec![], vec![], vec![]);
    let answers = engine
        .table("exposures")
        .await?
        .filter(named("in_fit").and(named("amount").is_not_null()))
        .map_err(failed)?;
    let repeated = answers
        .clone()
        .aggregate(vec![named("journey_id").alias("repeated")], vec![count(lit(1i64)).alias("answers")])
        .and_then(|orders| orders.filter(named("answers").gt(lit(1i64))))
        .and_then(|orders| orders.select(vec![named("repeated")]))
        .map_err(failed)?;
    let has_repeated = engine.keep("repeated_orders", repeated).await? > 0;
    let mut of_answers = Vec::new();
    for touchpoint in &catalogue.touchpoints {
        let is_met = named(&code_of(touchpoint)).eq(State::Yes.code());
        let if_met = |value: Expr| when(is_met.clone(), value).end();
        // Whole numbers: their sum does not depend on its order.
        let hundredths = cast(round(vec![named("amount") * lit(100.0)]), DataType::Int64);
        let currency =
            when(named("currency").is_null(), lit("")).otherwise(named("currency")).map_err(failed)?;
        of_answers.push((if_met(hundredths).map_err(failed)?, if_met(currency).map_err(failed)?));
    }
    // Amounts are folded by `fold`, currencies to the least and the greatest.
    let folded = |of: &[(Expr, Expr, Expr)], fold: fn(Expr) -> Expr| -> Vec<Expr> {
        let named_folds = catalogue.touchpoints.iter().zip(of).flat_map(|(touchpoint, (sum, low, high))| {
            let id = &touchpoint.id;
            [
                fold(sum.clone()).alias(format!("sum_{id}")),
                min(low.clone()).alias(format!("min_{id}")),
                max(high.clone()).alias(format!("max_{id}")),
            ]
        });
        named_folds.collect()
    };
    let first: Vec<(Expr, Expr, Expr)> = of_answers
        .into_iter()
        .map(|(hundredths, currency)| (hundredths, currency.clone(), currency))
        .collect();
    let again: Vec<(Expr, Expr, Expr)> = catalogue
        .touchpoints
        .iter()
        .map(|t| {
            let column = |what: &str| named(&format!("{what}_{}", t.id));
            (column("sum"), column("min"), column("max"))
        })
        .collect();
    for (dimension, value) in dimensions(config) {
        let segment = || vec![named("segment")];
        let of_segment = vec![value.clone().alias("segment")];
        let plan = if has_repeated {
            let joined = async |kind: JoinType| {
                let repeated = engine.table("repeated_orders").await?;
                answers.clone().join(repeated, kind, &["journey_id"], &["repeated"], None).map_err(failed)
            };
            let by_order = vec![value.alias("segment"), named("journey_id")];
            let of_repeated = joined(JoinType::LeftSemi)
                .await?
                .aggregate(by_order, folded(&first, max))
                .and_then(|orders| orders.aggregate(segment(), folded(&again, sum)))
                .map_err(failed)?;
            joined(JoinType::LeftAnti)
                .await?
                .aggregate(of_segment, folded(&first, sum))
                .and_then(|orders| orders.union(of_repeated))
                .and_then(|orders| orders.aggregate(segment(), folded(&again, sum)))
        } else {
            answers.clone().aggregate(of_segment, folded(&first, sum))
        };
        let plan = plan.map_err(failed)?;
        for batch in engine.collect(plan, "exposed_amounts").await? {
            let segments = texts(batch.column(0))?;
            for (place, touchpoint) in catalogue.touchpoints.iter().enumerate() {
                let sums = batch.column(1 + 3 * place).as_primitive::<Int64Type>();
                let (low, high) = (texts(batch.column(2 + 3 * place))?, texts(batch.column(3 + 3 * place))?);
                for row in 0..batch.num_rows() {
                    dimensions_of.push(dimension.clone());
                    segments_of.push(segments.value(row).to_string());
                    ids.push(touchpoint.id.clone());
                    hundredths_of.push(sums.is_valid(row).then(|| sums.value(row)));
                    least.push(low.is_valid(row).then(|| low.value(row).to_string()));
                    greatest.push(high.is_valid(row).then(|| high.value(row).to_string()));
                }
            }
        }
    }
    engine.register_rows(
        "exposed_amounts",
        batch(vec![
            ("segment_dimension", Arc::new(StringArray::from(dimensions_of))),
            ("segment", Arc::new(StringArray::from(segments_of))),
            ("touchpoint", Arc::new(StringArray::from(ids))),
            ("hundredths", Arc::new(Int64Array::from(hundredths_of))),
            ("least_currency", Arc::new(StringArray::from(least))),
            ("greatest_currency", Arc::new(StringArray::from(greatest))),
        ])?,
    )
}

/// When another state of the touchpoint's factor holds, or of that of a wider one. States that are mere
/// context, such as an early parcel, do not count: they are ordinary.
fn elsewhere(catalogue: &Catalogue, touchpoint: &Touchpoint) -> Option<Expr> {
    let others = catalogue
        .touchpoints
        .iter()
        .filter(|other| other.id != touchpoint.id && other.role != Role::Context)
        .filter(|other| touchpoint.factor.is_some() && other.factor == touchpoint.factor)
        .map(|other| named(&code_of(other)).eq(State::Yes.code()))
        .reduce(Expr::or);
    let wider = touchpoint.within.as_deref().and_then(|id| catalogue.get(id));
    let of_wider = wider.and_then(|wider| elsewhere(catalogue, wider));
    others.into_iter().chain(of_wider).reduce(Expr::or)
}

/// The catalogue as a table.
fn catalogue_rows(catalogue: &Catalogue) -> Result<RecordBatch> {
    let all = &catalogue.touchpoints;
    let text = |f: &dyn Fn(&Touchpoint) -> Option<String>| -> ArrayRef {
        Arc::new(all.iter().map(f).collect::<StringArray>())
    };
    batch(vec![
        ("id", text(&|t| Some(t.id.clone()))),
        ("position", Arc::new(Int64Array::from_iter_values(1..=all.len() as i64))),
        ("label", text(&|t| Some(t.label.clone()))),
        ("stage", text(&|t| Some(t.stage.clone()))),
        ("role", text(&|t| Some(t.role.as_str().into()))),
        ("factor", text(&|t| t.factor.clone())),
        ("within", text(&|t| t.within.clone())),
        ("is_failure", Arc::new(all.iter().map(|t| Some(t.is_failure)).collect::<BooleanArray>())),
        ("fact", text(&|t| t.fact.clone())),
        ("owner", text(&|t| t.owner.clone())),
        ("action", text(&|t| t.action.clone())),
        ("hash", text(&|t| Some(t.hash.clone()))),
    ])
}

// ---- small things ----------------------------------------------------------------------------------------

/// Columns as one batch, all nullable.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, c)| c).collect())
        .map_err(|e| Error::internal("columns do not make a table").caused_by(e))
}

/// A text column, whatever its encoding.
pub fn texts(column: &ArrayRef) -> Result<StringArray> {
    let plain = cast_array(column, &DataType::Utf8)
        .map_err(|e| Error::internal("a column is no text").caused_by(e))?;
    Ok(plain.as_string::<i32>().clone())
}

pub fn named(name: &str) -> Expr {
    Expr::Column(ColumnRef::new_unqualified(name))
}

fn columns_of(plan: &DataFrame) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}
