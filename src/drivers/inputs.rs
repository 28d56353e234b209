//! The answers of the fit as columns of numbers: what `src/stats` reads.
//!
//! One row an answer, in the order of `fct_exposures`. A touchpoint is a column of states, a covariate a
//! column of levels; both stand in `fct_exposures` under the names that are used here.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::{Expr, col};

use crate::catalogue::{Catalogue, Meets, STAGES};
use crate::config::Config;
use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::exposures::{self, code_of, texts};
use crate::stats::problem::{Class, Covariate, Problem, State, Touchpoint};

pub const UNKNOWN: &str = "(unknown)";

/// Held equal in every model, as far as they vary: when, how and how late after the delivery it was asked,
/// what the customer had bought before, and what went on elsewhere.
const BUILT_IN: [&str; 9] = [
    "x_month",
    "survey_kind",
    "trigger",
    "mode",
    "x_days_to_answer_bin",
    "x_orders_bin",
    "x_earlier_purchases_bin",
    "x_observable_days_bin",
    "x_other_events_bin",
];

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

/// The answers of the fit.
pub struct Answers {
    pub classes: Vec<Class>,
    /// Numbers of [`Self::cluster_count`] customers, in order of their first answer.
    pub clusters: Vec<u32>,
    pub cluster_count: usize,
    /// Positions in the catalogue of the touchpoints that the fit looks at, in catalogue order.
    pub touchpoints: Vec<usize>,
    /// Per touchpoint of the fit, per answer.
    pub states: Vec<Vec<State>>,
    pub covariates: Vec<Levels>,
    /// Per segment dimension.
    pub segments: Vec<Levels>,
    pub periods: Levels,
}

impl Answers {
    /// Reads the answers that count and are linked.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn read(engine: &Engine, config: &Config, catalogue: &Catalogue) -> Result<Answers> {
        let in_model: Vec<usize> = (0..catalogue.touchpoints.len())
            .filter(|place| matches!(catalogue.touchpoints[*place].meets, Meets::Events(_)))
            .collect();
        let segments: Vec<String> = config.segments.iter().map(|name| format!("seg_{name}")).collect();
        let covariates = covariate_names(config);
        let mut columns = vec![col("nps_class"), col("cluster"), col("period")];
        let mut place_of = BTreeMap::new();
        for name in segments.iter().chain(&covariates) {
            if !place_of.contains_key(name) {
                place_of.insert(name.clone(), columns.len());
                columns.push(exposures::named(name));
            }
        }
        let codes_from = columns.len();
        columns.extend(in_model.iter().map(|place| exposures::named(&code_of(&catalogue.touchpoints[*place]))));
        let rows = sorted_answers(engine, columns).await?;

        let mut dictionaries: BTreeMap<usize, Dictionary> =
            place_of.values().chain([&2]).map(|place| (*place, Dictionary::default())).collect();
        let mut clusters = Dictionary::default();
        let mut classes = Vec::new();
        let mut states: Vec<Vec<State>> = vec![Vec::new(); in_model.len()];
        for batch in &rows {
            let class = texts(batch.column(0))?;
            classes.extend(class.iter().map(|name| match name {
                Some("promoter") => Class::Promoter,
                Some("passive") => Class::Passive,
                _ => Class::Detractor,
            }));
            clusters.add(&texts(batch.column(1))?);
            for (place, dictionary) in &mut dictionaries {
                dictionary.add(&texts(batch.column(*place))?);
            }
            for (at, states) in states.iter_mut().enumerate() {
                push_states(batch, codes_from + at, states)?;
            }
        }
        let levels = |name: &String| dictionaries[&place_of[name]].levels(name);
        let mut answers = Answers {
            cluster_count: clusters.values.len(),
            clusters: clusters.codes,
            classes,
            touchpoints: in_model,
            states,
            covariates: covariates.iter().map(levels).collect(),
            segments: segments.iter().map(levels).collect(),
            periods: dictionaries[&2].levels("period"),
        };
        answers.covariates.retain(|covariate| covariate.levels.len() > 1);
        answers.keep_measured();
        Ok(answers)
    }

    /// Touchpoints that no answer could have told of stay out of the fit.
    fn keep_measured(&mut self) {
        let told = |states: &Vec<State>| states.iter().any(|state| matches!(state, State::Yes | State::No));
        let keep: Vec<bool> = self.states.iter().map(told).collect();
        let mut kept = keep.iter();
        self.touchpoints.retain(|_| kept.next().copied().unwrap_or(false));
        let mut kept = keep.iter();
        self.states.retain(|_| kept.next().copied().unwrap_or(false));
    }

    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// As the statistics take it.
    pub fn problem<'a>(&'a self, catalogue: &Catalogue, weights: Option<&'a [f64]>) -> Problem<'a> {
        let place_in_fit = |id: &str| {
            self.touchpoints.iter().position(|place| catalogue.touchpoints[*place].id == id)
        };
        let mut factors: Vec<&str> = Vec::new();
        let touchpoints = self.touchpoints.iter().zip(&self.states).map(|(place, states)| {
            let touchpoint = &catalogue.touchpoints[*place];
            let factor = touchpoint.factor.as_deref().map(|name| {
                factors.iter().position(|known| *known == name).unwrap_or_else(|| {
                    factors.push(name);
                    factors.len() - 1
                })
            });
            Touchpoint {
                id: touchpoint.id.clone(),
                stage: STAGES.iter().position(|stage| *stage == touchpoint.stage).unwrap_or(STAGES.len()),
                factor,
                within: touchpoint.within.as_deref().and_then(place_in_fit),
                after: touchpoint.after.iter().filter_map(|id| place_in_fit(id)).collect(),
                states,
            }
        });
        Problem {
            classes: &self.classes,
            weights,
            clusters: vec![&self.clusters],
            touchpoints: touchpoints.collect(),
            covariates: self
                .covariates
                .iter()
                .map(|levels| Covariate {
                    name: levels.name.clone(),
                    levels: levels.levels.clone(),
                    codes: &levels.codes,
                })
                .collect(),
        }
    }
}

/// The built-in covariates, then the segments and the configuration's own, as `fct_exposures` names them.
pub fn covariate_names(config: &Config) -> Vec<String> {
    let own = config.dimensions().into_iter().map(|name| format!("seg_{name}"));
    BUILT_IN.iter().map(|name| (*name).to_string()).chain(own).collect()
}

/// Columns of the answers of the fit, in the order of `fct_exposures`.
pub async fn sorted_answers(engine: &Engine, columns: Vec<Expr>) -> Result<Vec<RecordBatch>> {
    let failed = |e| engine::error(e, "the answers of the fit");
    let plan = engine
        .table("exposures")
        .await?
        .filter(col("in_fit"))
        .and_then(|rows| rows.sort(vec![col("responded_at").sort(true, false), col("response_id").sort(true, false)]))
        .and_then(|rows| rows.select(columns))
        .map_err(failed)?;
    engine.collect(plan, "the answers of the fit").await
}

/// The states of one touchpoint of a batch of moments.
pub fn push_states(batch: &RecordBatch, column: usize, states: &mut Vec<State>) -> Result<()> {
    let codes = batch.column(column);
    let codes = codes
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| Error::internal("a touchpoint's state is no code").with("column", column))?;
    states.extend((0..codes.len()).map(|row| {
        let code = if codes.is_null(row) { State::Unknown as i64 } else { codes.value(row) };
        State::ALL.into_iter().find(|state| *state as i64 == code).unwrap_or(State::Unknown)
    }));
    Ok(())
}

/// Texts as numbers in order of their first appearance.
#[derive(Default)]
struct Dictionary {
    places: HashMap<String, u32>,
    values: Vec<String>,
    codes: Vec<u32>,
}

impl Dictionary {
    fn add(&mut self, column: &StringArray) {
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

    fn levels(&self, name: &str) -> Levels {
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
        assert_eq!([levels.code(Some("b")), levels.code(None), levels.code(Some("c"))], [Some(2), Some(0), None]);
    }
}
