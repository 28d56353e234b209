//! The answers of the fit as columns of numbers: what `src/stats` reads.
//!
//! One row an answer, in the order of `fct_exposures`. A touchpoint is a column of states, a covariate a
//! column of levels; both stand in `fct_exposures` under the names that are used here.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::{JoinType, cast, col, lit};
use futures::TryStreamExt;

use super::doses;
use super::met::Met;
use crate::catalogue::{Catalogue, FEEDS, Meets, Role, STAGES, Touchpoint as Entry};
use crate::config::{Clusters, Config};
use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::exposures::{code_of, first_of, named, since_of, texts};
use crate::stats::problem::{Class, Covariate, Problem, State, Touchpoint};

pub const UNKNOWN: &str = "(unknown)";

/// Held equal in every model, as far as they vary: when, how and how late after the delivery it was asked,
/// what the customer had bought before, and what went on elsewhere.
const BUILT_IN: [&str; 9] = [
    "x_month",
    "survey_kind",
    "trigger",
    "mode",
    LAG,
    "x_orders_bin",
    "x_earlier_purchases_bin",
    "x_observable_days_bin",
    "x_other_events_bin",
];

/// The covariate that holds equal how late it was asked.
pub const LAG: &str = "x_days_to_answer_bin";

/// One text column as levels and their codes.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    pub name: String,
    /// By name.
    pub levels: Vec<String>,
    pub codes: Vec<u16>,
}

impl Levels {
    /// The code of a value, if any answer had it.
    pub fn code(&self, value: Option<&str>) -> Option<u16> {
        let value = value.unwrap_or(UNKNOWN);
        let place = self.levels.binary_search_by(|level| level.as_str().cmp(value)).ok()?;
        u16::try_from(place).ok()
    }
}

/// A touchpoint of the fit: its place in the catalogue, and what the statistics need to know of it.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// Its position in the catalogue.
    pub place: usize,
    pub id: String,
    pub is_lever: bool,
    stage: usize,
    factor: Option<usize>,
    within: Option<usize>,
    after: Vec<usize>,
    waits_for: Option<usize>,
}

impl Fitted {
    /// One of several states that exclude each other.
    pub fn is_state(&self) -> bool {
        self.factor.is_some()
    }

    /// As the statistics take it.
    pub fn with<'a>(&self, states: &'a [State]) -> Touchpoint<'a> {
        Touchpoint {
            id: self.id.clone(),
            stage: self.stage,
            factor: self.factor,
            within: self.within,
            after: self.after.clone(),
            waits_for: self.waits_for,
            states,
        }
    }
}

/// The answers of the fit.
pub struct Answers {
    pub classes: Vec<Class>,
    /// Numbers of customers, in order of their first answer.
    pub clusters: Vec<u32>,
    /// Numbers of stores' weeks, likewise.
    store_weeks: Vec<u32>,
    cluster: Clusters,
    /// In catalogue order.
    pub touchpoints: Vec<Fitted>,
    /// Per touchpoint of the fit, per answer.
    pub states: Vec<Vec<State>>,
    pub covariates: Vec<Levels>,
    /// Of them, those that the configuration names beside the segments.
    asked_for: Vec<String>,
    /// Per segment dimension.
    pub segments: Vec<Levels>,
    pub periods: Levels,
    /// Bins of doses, by the name of their column.
    pub doses: Vec<Levels>,
    /// `order` or `customer`: what each answer is about.
    scopes: Levels,
    pub met: Met,
}

impl Answers {
    /// Reads the answers that count and are linked.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn read(engine: &Engine, config: &Config, catalogue: &Catalogue) -> Result<Answers> {
        let is_in_model = |entry: &&Entry| matches!(entry.meets, Meets::Events(_));
        let in_model: Vec<&Entry> = catalogue.touchpoints.iter().filter(is_in_model).collect();
        let segments: Vec<String> = config.segments.iter().map(|name| format!("seg_{name}")).collect();
        let covariates = covariate_names(config);
        let doses = doses::columns();
        let mut leveled: Vec<String> =
            ["cluster", "store_week", "period", "scope"].map(String::from).to_vec();
        for name in segments.iter().chain(&covariates).chain(&doses) {
            if !leveled.contains(name) {
                leveled.push(name.clone());
            }
        }
        let mut rows = sorted_answers(engine, &leveled, &in_model).await?;

        let mut dictionaries: BTreeMap<&str, Dictionary> =
            leveled.iter().map(|name| (name.as_str(), Dictionary::default())).collect();
        let mut classes = Vec::new();
        let mut states: Vec<Vec<State>> = vec![Vec::new(); in_model.len()];
        let mut met = Met::default();
        while let Some(batch) = rows.try_next().await? {
            classes.extend(texts(column(&batch, "nps_class")?)?.iter().map(|name| match name {
                Some("promoter") => Class::Promoter,
                Some("passive") => Class::Passive,
                _ => Class::Detractor,
            }));
            for (name, dictionary) in &mut dictionaries {
                dictionary.add(&texts(column(&batch, name)?)?);
            }
            for (entry, states) in in_model.iter().zip(&mut states) {
                push_states(&batch, &code_of(entry), states)?;
            }
            met.add(&batch, &in_model)?;
        }
        let levels = |name: &String| dictionaries[name.as_str()].levels(name);
        let covariates =
            covariates.iter().map(levels).filter(|covariate| covariate.levels.len() > 1).collect();
        // What no answer could have told of stays out of the fit.
        let told = |states: &Vec<State>| states.iter().any(|state| matches!(state, State::Yes | State::No));
        let mut is_told: Vec<bool> = states.iter().map(told).collect();
        // Of two sides of one thing one stands in the fit.
        let told_of: Vec<usize> = (0..in_model.len()).filter(|at| is_told[*at]).collect();
        let entries: Vec<&Entry> = told_of.iter().map(|at| in_model[*at]).collect();
        for (at, is_other) in told_of.iter().zip(Catalogue::are_other_sides(&entries)) {
            is_told[*at] = !is_other;
        }
        let mut kept = 0..;
        let new_at: Vec<Option<u16>> =
            is_told.iter().map(|told| told.then(|| kept.next()).flatten()).collect();
        met.renumber(&new_at);
        let told = |at: usize| is_told[at];
        let entries: Vec<&Entry> =
            (0..in_model.len()).filter(|at| told(*at)).map(|at| in_model[at]).collect();
        Ok(Answers {
            touchpoints: relations(catalogue, &entries),
            states: states.into_iter().zip(&is_told).filter(|(_, told)| **told).map(|(s, _)| s).collect(),
            segments: segments.iter().map(levels).collect(),
            periods: levels(&"period".to_string()),
            doses: doses.iter().map(levels).collect(),
            scopes: levels(&"scope".to_string()),
            clusters: std::mem::take(&mut dictionaries.entry("cluster").or_default().codes),
            store_weeks: std::mem::take(&mut dictionaries.entry("store_week").or_default().codes),
            cluster: config.analysis.cluster,
            asked_for: config.covariates.iter().map(|name| format!("seg_{name}")).collect(),
            covariates,
            classes,
            met,
        })
    }

    pub fn len(&self) -> usize {
        self.classes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Per answer, whether it says which order it is about.
    pub fn are_about_an_order(&self) -> Vec<bool> {
        let order = self.scopes.code(Some("order"));
        self.scopes.codes.iter().map(|code| Some(*code) == order).collect()
    }

    /// Whether the configuration asks for a covariate to be held equal.
    pub fn is_asked_for(&self, covariate: &str) -> bool {
        self.asked_for.iter().any(|name| name == covariate)
    }

    /// The position in the fit of a touchpoint of the catalogue.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.touchpoints.iter().position(|touchpoint| touchpoint.id == id)
    }

    pub fn levers(&self) -> Vec<bool> {
        self.touchpoints.iter().map(|touchpoint| touchpoint.is_lever).collect()
    }

    /// As the statistics take it.
    pub fn problem<'a>(&'a self, weights: Option<&'a [f64]>) -> Problem<'a> {
        self.problem_with(&self.classes, &self.states, weights)
    }

    /// The same of other classes and states.
    pub fn problem_with<'a>(
        &'a self,
        classes: &'a [Class],
        states: &'a [Vec<State>],
        weights: Option<&'a [f64]>,
    ) -> Problem<'a> {
        let touchpoints =
            self.touchpoints.iter().zip(states).map(|(touchpoint, states)| touchpoint.with(states));
        let covariates = self.covariates.iter().map(|levels| Covariate {
            name: levels.name.clone(),
            levels: levels.levels.clone(),
            codes: &levels.codes,
        });
        Problem {
            classes,
            weights,
            clusters: match self.cluster {
                Clusters::Customer => vec![&self.clusters],
                Clusters::StoreWeek => vec![&self.store_weeks],
                Clusters::Both => vec![&self.clusters, &self.store_weeks],
            },
            touchpoints: touchpoints.collect(),
            covariates: covariates.collect(),
        }
    }
}

/// The touchpoints of a fit with their relations to each other, by position.
pub fn relations(catalogue: &Catalogue, entries: &[&Entry]) -> Vec<Fitted> {
    let position = |id: &str| entries.iter().position(|entry| entry.id == id);
    let factors: Vec<&str> = entries.iter().filter_map(|entry| entry.factor.as_deref()).collect();
    entries
        .iter()
        .map(|entry| {
            let wider = std::iter::successors(entry.within.as_deref(), |id| {
                catalogue.get(id).and_then(|wider| wider.within.as_deref())
            });
            Fitted {
                place: catalogue.touchpoints.iter().position(|other| other.id == entry.id).unwrap_or(0),
                id: entry.id.clone(),
                is_lever: entry.role == Role::Lever,
                stage: STAGES.iter().position(|stage| *stage == entry.stage).unwrap_or(STAGES.len()),
                factor: factors.iter().position(|factor| Some(*factor) == entry.factor.as_deref()),
                // The nearest that is in the fit: what lies between may not be measured.
                within: wider.into_iter().find_map(position),
                after: entry.after.iter().filter_map(|id| position(id)).collect(),
                waits_for: entry.waits_for.as_deref().and_then(position),
            }
        })
        .collect()
}

/// The built-in covariates, then the segments and the configuration's own, as `fct_exposures` names them.
pub fn covariate_names(config: &Config) -> Vec<String> {
    let own = config.dimensions().into_iter().map(|name| format!("seg_{name}"));
    BUILT_IN.iter().map(|name| (*name).to_string()).chain(own).collect()
}

/// The answers of the fit, in the order of `fct_exposures`, with all that is read of them.
async fn sorted_answers(
    engine: &Engine,
    leveled: &[String],
    in_model: &[&Entry],
) -> Result<impl futures::Stream<Item = Result<RecordBatch>> + Unpin> {
    const WHAT: &str = "the answers of the fit";
    let failed = |e| engine::error(e, WHAT);
    let mut plan = engine.table("exposures").await?.filter(col("in_fit")).map_err(failed)?;
    for feed in FEEDS {
        let votes = engine.table(&format!("votes_{feed}")).await?;
        let moment = format!("moment_of_{feed}");
        plan = plan.join(votes, JoinType::Left, &["moment_id"], &[&moment], None).map_err(failed)?;
    }
    let next = engine
        .table("int_next_orders")
        .await?
        .select(vec![named("response_id").alias("next_of"), named("is_next_bad")])
        .map_err(failed)?;
    plan = plan.join(next, JoinType::Left, &["response_id"], &["next_of"], None).map_err(failed)?;
    let instant = engine::write::data_type(crate::queries::ColumnKind::Timestamp);
    let time = |name: &str| cast(named(name), instant.clone()).alias(name);
    let mut columns = vec![named("response_id"), named("nps_class"), named("is_next_bad")];
    columns.extend(["responded_at", "sent_at", "window_starts_at"].map(time));
    columns.extend(leveled.iter().map(|name| named(name)));
    let whole = |name: String| cast(named(&name), arrow::datatypes::DataType::Int64).alias(name);
    for entry in in_model {
        columns.push(whole(code_of(entry)));
        columns.push(whole(format!("yes_{}", entry.id)));
        for (name, is_there) in times_of(entry) {
            let value = if is_there { named(&name) } else { lit(datafusion::common::ScalarValue::Null) };
            columns.push(cast(value, instant.clone()).alias(name));
        }
    }
    let order: Vec<_> =
        ["responded_at", "response_id"].iter().map(|name| named(name).sort(true, false)).collect();
    let plan = plan.select(columns).and_then(|rows| rows.sort(order)).map_err(failed)?;
    engine.stream(plan, WHAT).await
}

/// The columns of times of a touchpoint, and whether it has them.
fn times_of(entry: &Entry) -> [(String, bool); 2] {
    let (at, since) = match &entry.meets {
        Meets::Events(events) => (events.at.is_some(), events.at.is_some() || events.since.is_some()),
        Meets::Failures { .. } => (false, false),
    };
    [(first_of(entry), at), (since_of(entry), since)]
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::ArrayRef> {
    batch
        .column_by_name(name)
        .ok_or_else(|| Error::internal("a column of the answers is missing").with("column", name))
}

/// The states of one touchpoint of a batch of moments.
fn push_states(batch: &RecordBatch, name: &str, states: &mut Vec<State>) -> Result<()> {
    let codes = column(batch, name)?
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| Error::internal("a touchpoint's state is no code").with("column", name))?;
    states.extend((0..codes.len()).map(|row| state(codes.is_valid(row).then(|| codes.value(row)))));
    Ok(())
}

/// The state of a code; an answer that is not there is unknown.
pub fn state(code: Option<i64>) -> State {
    let known = |code: i64| State::ALL.into_iter().find(|state| *state as i64 == code);
    code.and_then(known).unwrap_or(State::Unknown)
}

/// Texts as numbers in order of their first appearance.
#[derive(Default)]
pub(super) struct Dictionary {
    places: HashMap<String, u32>,
    values: Vec<String>,
    codes: Vec<u32>,
}

impl Dictionary {
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    pub fn add(&mut self, column: &StringArray) {
        for value in column {
            let value = value.unwrap_or(UNKNOWN);
            let code = match self.places.get(value) {
                Some(code) => *code,
                None => {
                    let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
                    self.places.insert(value.to_string(), code);
                    self.values.push(value.to_string());
                    code
                }
            };
            self.codes.push(code);
        }
    }

    pub fn levels(&self, name: &str) -> Levels {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by(|a, b| self.values[*a].cmp(&self.values[*b]));
        let mut code_of = vec![0u16; self.values.len()];
        for (code, place) in order.iter().enumerate() {
            code_of[*place] = u16::try_from(code).unwrap_or(u16::MAX);
        }
        Levels {
            name: name.to_string(),
            levels: order.iter().map(|place| self.values[*place].clone()).collect(),
            codes: self.codes.iter().map(|code| code_of[*code as usize]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stand_by_name_whatever_comes_first() {
        let mut dictionary = Dictionary::default();
        dictionary.add(&StringArray::from(vec![Some("b"), None, Some("a")]));
        dictionary.add(&StringArray::from(vec![Some("b")]));
        let levels = dictionary.levels("x");
        assert_eq!(levels.levels, [UNKNOWN, "a", "b"]);
        assert_eq!(levels.codes, [2, 0, 1, 2]);
        assert_eq!(
            [levels.code(Some("b")), levels.code(None), levels.code(Some("c"))],
            [Some(2), Some(0), None]
        );
    }
}
