//! Who answered: effects under weights for how readily journeys like an answer's are answered.
//!
//! No feed tells who was asked, so everybody who bought is taken for asked: a journey counts if its landmark lies
//! inside the window. With an answer the landmark is the answer; without one it is as long after the purchase as
//! some answer was (they lend their delays in turn), so that both had as long to meet things. What tells of
//! answering is what had happened by then and has a time of its own, the month of the purchase, and the segments
//! and covariates. Absences (no reply, no parcel) are not looked up at a landmark and stay out; so does the delay,
//! which only the answered have.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use datafusion::logical_expr::{JoinType, cast};
use futures::TryStreamExt;

use super::inputs::{Answers, Dictionary, Levels, UNKNOWN};
use crate::catalogue::{Catalogue, FEEDS, Meets, Touchpoint as Entry};
use crate::config::{Clusters, Config};
use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::exposures::{OTHER_SEGMENT, code_of, first_of, named, texts};
use crate::stats::analysis::{Analysis, Missing};
use crate::stats::problem::{Class, Covariate, Fault, Problem, State, Touchpoint};
use crate::stats::response::{self, Weighted};

/// Fewer answers than this, or silent journeys, tell nothing of who answers.
const FEWEST: usize = 200;

/// All journeys that could have been answered, as the response model takes them.
pub struct Journeys {
    /// Per journey its answer in the fit.
    pub answer_of: Vec<Option<u32>>,
    pub clusters: Vec<u32>,
    pub store_weeks: Vec<u32>,
    /// Touchpoints with a time of their own, by id, and their states at the landmarks.
    pub touchpoints: Vec<(String, Vec<State>)>,
    pub covariates: Vec<Levels>,
}

/// It has a time of its own, by which it can be looked up at a landmark.
pub fn has_time(entry: &Entry) -> bool {
    matches!(&entry.meets, Meets::Events(events) if events.at.is_some())
}

/// What the weights make of the effects.
pub struct Found {
    /// Journeys that could have been answered, and those that were.
    pub journeys: usize,
    pub answered: usize,
    /// Answers whose weight was cut to the 99th centile's.
    pub trimmed: u64,
    /// Per touchpoint of the fit.
    pub effects: Vec<Result<Weighted, Missing>>,
}

/// One journey as it is read; times in UTC microseconds.
struct Row {
    ordered_at: i64,
    t_ref: i64,
    answer: Option<u32>,
    /// Answered, but not in the fit: neither silent nor answered.
    is_elsewhere: bool,
}

impl Journeys {
    /// None where there are no purchases to compare answers with, or too few answers or silent journeys.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn read(
        engine: &Engine,
        config: &Config,
        catalogue: &Catalogue,
        answers: &Answers,
    ) -> Result<Option<Journeys>> {
        let in_fit = answers.touchpoints.iter().map(|touchpoint| &catalogue.touchpoints[touchpoint.place]);
        let entries: Vec<&Entry> = in_fit.filter(|entry| has_time(entry)).collect();
        let dimensions: Vec<&Levels> =
            answers.covariates.iter().filter(|covariate| covariate.name.starts_with("seg_")).collect();
        let answer_at: HashMap<&str, u32> = (0..).zip(ids(answers)).map(|(at, id)| (id, at)).collect();

        let mut batches = rows(engine, &entries, &dimensions).await?;
        let mut all: Vec<Row> = Vec::new();
        let mut as_of = i64::MIN;
        let mut met: Vec<Vec<(i64, Option<i64>)>> = vec![Vec::new(); entries.len()];
        let mut codes: Vec<Vec<u16>> = vec![Vec::new(); dimensions.len()];
        let [mut clusters, mut store_weeks, mut months] = [0; 3].map(|_| Dictionary::default());
        while let Some(batch) = batches.try_next().await? {
            let text = |name: &str| texts(column(&batch, name)?);
            let response_ids = text("response_id")?;
            let (ordered_at, t_ref) = (times(&batch, "ordered_at")?, times(&batch, "t_ref")?);
            let untils = times(&batch, "looked_at_until")?;
            as_of = untils.into_iter().flatten().fold(as_of, i64::max);
            for row in 0..batch.num_rows() {
                let answer = response_ids.is_valid(row).then(|| response_ids.value(row));
                all.push(Row {
                    ordered_at: ordered_at[row].unwrap_or(i64::MAX),
                    t_ref: t_ref[row].unwrap_or(i64::MAX),
                    answer: answer.and_then(|id| answer_at.get(id).copied()),
                    is_elsewhere: answer.is_some_and(|id| !answer_at.contains_key(id)),
                });
            }
            clusters.add(&text("cluster")?);
            store_weeks.add(&text("store_week")?);
            months.add(&text("purchase_month")?);
            for (dimension, codes) in dimensions.iter().zip(&mut codes) {
                let beyond = dimension.code(Some(OTHER_SEGMENT)).unwrap_or(dimension.levels.len() as u16);
                let values = text(&dimension.name)?;
                codes.extend(
                    values
                        .iter()
                        .map(|value| dimension.code(Some(value.unwrap_or(UNKNOWN))).unwrap_or(beyond)),
                );
            }
            for (entry, met) in entries.iter().zip(&mut met) {
                let codes = column(&batch, &code_of(entry))?.as_primitive::<Int64Type>();
                let firsts = times(&batch, &first_of(entry))?;
                let code =
                    |row: usize| if codes.is_valid(row) { codes.value(row) } else { State::Unknown as i64 };
                met.extend(firsts.into_iter().enumerate().map(|(row, first)| (code(row), first)));
            }
        }

        let window = i64::from(config.analysis.window_days) * 86_400_000_000;
        let landmarks = landmarks(&all);
        let is_in = |journey: usize| {
            all[journey].answer.is_some()
                || (!all[journey].is_elsewhere
                    && landmarks[journey].is_some_and(|at| at <= as_of && at > as_of - window))
        };
        let kept: Vec<usize> = (0..all.len()).filter(|journey| is_in(*journey)).collect();
        let answered = kept.iter().filter(|journey| all[**journey].answer.is_some()).count();
        if answered < FEWEST || kept.len() - answered < FEWEST {
            return Ok(None);
        }
        let months = months.levels("purchase_month");
        let keep = |codes: &[u16]| kept.iter().map(|journey| codes[*journey]).collect();
        let mut covariates =
            vec![Levels { name: months.name, levels: months.levels, codes: keep(&months.codes) }];
        for (dimension, codes) in dimensions.iter().zip(&codes) {
            let mut levels = dimension.levels.clone();
            levels.push("(no answer)".into());
            covariates.push(Levels { name: dimension.name.clone(), levels, codes: keep(codes) });
        }
        let state = |(code, first): (i64, Option<i64>), landmark: Option<i64>| match code {
            code if code == State::NotMeasured as i64 => State::NotMeasured,
            code if code == State::Yes as i64 && first < landmark => State::Yes,
            _ => State::No,
        };
        let touchpoints = entries.iter().zip(&met).map(|(entry, met)| {
            let states = kept.iter().map(|journey| state(met[*journey], landmarks[*journey])).collect();
            (entry.id.clone(), states)
        });
        Ok(Some(Journeys {
            answer_of: kept.iter().map(|journey| all[*journey].answer).collect(),
            clusters: kept.iter().map(|journey| clusters.codes()[*journey]).collect(),
            store_weeks: kept.iter().map(|journey| store_weeks.codes()[*journey]).collect(),
            touchpoints: touchpoints.collect(),
            covariates,
        }))
    }

    /// Per answer of the fit, whether a journey has it, and so it a weight.
    pub fn take_part(&self, answers: usize) -> Vec<bool> {
        let mut take_part = vec![false; answers];
        self.answer_of.iter().flatten().for_each(|answer| take_part[*answer as usize] = true);
        take_part
    }

    /// Effects of the answers (the problem of the fit) under weights; none where no model of answering comes to
    /// rest.
    ///
    /// # Errors
    /// A [`Fault`] of a problem.
    pub fn weighted(
        &self,
        answers: &Problem,
        cluster: Clusters,
        threads: usize,
    ) -> Result<Option<Found>, Fault> {
        let classes = vec![Class::Promoter; self.answer_of.len()];
        let problem = Problem {
            classes: &classes,
            weights: None,
            clusters: match cluster {
                Clusters::Customer => vec![&self.clusters],
                Clusters::StoreWeek => vec![&self.store_weeks],
                Clusters::Both => vec![&self.clusters, &self.store_weeks],
            },
            touchpoints: self
                .touchpoints
                .iter()
                .map(|(id, states)| Touchpoint {
                    id: id.clone(),
                    stage: 0,
                    factor: None,
                    within: None,
                    after: Vec::new(),
                    waits_for: None,
                    states,
                })
                .collect(),
            covariates: self
                .covariates
                .iter()
                .map(|levels| Covariate {
                    name: levels.name.clone(),
                    levels: levels.levels.clone(),
                    codes: &levels.codes,
                })
                .collect(),
        };
        let everyone = Analysis::of(&problem, threads)?;
        let answered: Vec<bool> = self.answer_of.iter().map(Option::is_some).collect();
        let Ok(model) = response::response(&everyone, &answered) else { return Ok(None) };
        let effects = response::effects_of_answers(&everyone, &self.answer_of, &model, answers)?;
        Ok(Some(Found {
            journeys: answered.len(),
            answered: answered.iter().filter(|answered| **answered).count(),
            trimmed: model.trimmed,
            effects,
        }))
    }
}

fn ids(answers: &Answers) -> impl Iterator<Item = &str> {
    answers.met.ids().iter().flat_map(|ids| ids.iter().map(Option::unwrap_or_default))
}

/// When each journey is looked at: its answer, or as long after the purchase as the answers took, in turn.
fn landmarks(all: &[Row]) -> Vec<Option<i64>> {
    let answered = all.iter().filter(|row| row.answer.is_some());
    let mut delays: Vec<i64> = answered.map(|row| row.t_ref - row.ordered_at).collect();
    delays.sort_unstable();
    // Steps of the golden section: any stretch of silent journeys borrows early and late delays alike.
    let step = (delays.len() as f64 * 0.618_033_988_749_895) as usize | 1;
    let mut next = 0;
    all.iter()
        .map(|row| match row.answer {
            Some(_) => Some(row.t_ref),
            None if delays.is_empty() => None,
            None => {
                next = (next + step) % delays.len();
                row.ordered_at.checked_add(delays[next])
            }
        })
        .collect()
}

/// Every journey in the order of purchase, with what it had met at its moment of truth and when.
async fn rows(
    engine: &Engine,
    entries: &[&Entry],
    dimensions: &[&Levels],
) -> Result<impl futures::Stream<Item = Result<RecordBatch>> + Unpin> {
    const WHAT: &str = "who answered";
    let failed = |e| engine::error(e, WHAT);
    let mut plan = engine.table("journey_exposures").await?;
    for feed in FEEDS {
        let votes = engine.table(&format!("votes_{feed}")).await?;
        let moment = format!("moment_of_{feed}");
        plan = plan.join(votes, JoinType::Left, &["moment_id"], &[&moment], None).map_err(failed)?;
    }
    let instant = engine::write::data_type(crate::queries::ColumnKind::Timestamp);
    let time = |name: &str| cast(named(name), instant.clone()).alias(name);
    let mut columns = vec![named("journey_id"), named("response_id"), time("ordered_at"), time("t_ref")];
    columns.push(time("looked_at_until"));
    columns.extend(["cluster", "store_week", "purchase_month"].map(named));
    columns.extend(
        dimensions
            .iter()
            .map(|dimension| cast(named(&dimension.name), DataType::Utf8).alias(&dimension.name)),
    );
    for entry in entries {
        let code = code_of(entry);
        columns.push(cast(named(&code), DataType::Int64).alias(code));
        columns.push(time(&first_of(entry)));
    }
    let order = vec![named("ordered_at").sort(true, false), named("journey_id").sort(true, false)];
    let plan = plan.select(columns).and_then(|rows| rows.sort(order)).map_err(failed)?;
    engine.stream(plan, WHAT).await
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::ArrayRef> {
    batch
        .column_by_name(name)
        .ok_or_else(|| Error::internal("a column of the journeys is missing").with("column", name))
}

fn times(batch: &RecordBatch, name: &str) -> Result<Vec<Option<i64>>> {
    let times = column(batch, name)?
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| Error::internal("a column of the journeys holds no times").with("column", name))?;
    Ok(times.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers come 10, 20 and 30 after the purchase: so long after theirs the silent ones are looked at, each
    /// delay as often as the others.
    #[test]
    fn the_silent_borrow_the_delays_of_answers() {
        let row =
            |ordered_at, answer: Option<u32>, t_ref| Row { ordered_at, t_ref, answer, is_elsewhere: false };
        let mut all: Vec<Row> =
            [10, 20, 30].map(|delay| row(1_000, Some(0), 1_000 + delay)).into_iter().collect();
        all.extend((0..30).map(|journey| row(5_000 + journey, None, 9_999)));
        let found = landmarks(&all);
        assert_eq!(found[..3], [Some(1_010), Some(1_020), Some(1_030)]);
        for delay in [10, 20, 30] {
            let lent =
                all.iter().zip(&found).skip(3).filter(|(row, at)| **at == Some(row.ordered_at + delay));
            assert_eq!(lent.count(), 10);
        }
        assert_eq!(landmarks(&all[3..]), vec![None; 30]);
    }
}
