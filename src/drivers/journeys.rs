//! `journey_predictions`: the model applied to every journey, whether it has an answer or not.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::{ColumnarValue, Expr, Volatility, cast, create_udf};

use super::estimates::Estimates;
use super::inputs::{self, Answers};
use crate::catalogue::Catalogue;
use crate::engine::{self, Engine};
use crate::error::Result;
use crate::exposures::{OTHER_SEGMENT, code_of, named};
use crate::stats::analysis::Analysis;
use crate::stats::logit::softmax;
use crate::stats::patterns::POOLED;
use crate::stats::problem::State;

/// The model with all touchpoints, as needs no answers: what each code of each term adds to the log-odds.
pub struct Scorer {
    constant: [f64; 2],
    /// Per touchpoint of the fit and state.
    states: Vec<[[f64; 2]; 5]>,
    covariates: Vec<Adds>,
}

/// What the values of a covariate add.
struct Adds {
    name: String,
    /// By name.
    levels: Vec<String>,
    of_levels: Vec<[f64; 2]>,
    /// A value that is none of these counts as those beyond the levels shown, else as those that too few answers
    /// had, where there are such; else as the reference.
    unseen: [f64; 2],
}

impl Scorer {
    /// None where there is no model.
    pub fn of(answers: &Answers, analysis: &Analysis, estimates: &Estimates) -> Option<Scorer> {
        let fitted = estimates.fits.direct.as_ref().ok()?;
        let model = &fitted.model;
        let of_column = |column: Option<usize>| {
            column
                .map_or([0.0; 2], |at| [fitted.fit.coefficients[2 * at], fitted.fit.coefficients[2 * at + 1]])
        };
        let states = (0..analysis.touchpoints())
            .map(|touchpoint| State::ALL.map(|state| of_column(model.column(touchpoint, state))))
            .collect();
        let covariates = answers.covariates.iter().enumerate().map(|(covariate, values)| {
            let levels = &analysis.patterns.levels[covariate];
            let of_level = |level: u16| of_column(model.level_column(covariate, level));
            let beyond = values.levels.iter().position(|name| name == OTHER_SEGMENT);
            let beyond = beyond.map(|code| levels.level_of[code]);
            let pooled = || levels.names.iter().position(|name| name == POOLED).map(|level| level as u16);
            Adds {
                name: values.name.clone(),
                levels: values.levels.clone(),
                of_levels: levels.level_of.iter().map(|level| of_level(*level)).collect(),
                unseen: beyond.or_else(pooled).map_or([0.0; 2], of_level),
            }
        });
        // The constant is the first column.
        Some(Scorer { constant: of_column(Some(0)), states, covariates: covariates.collect() })
    }

    /// The probability of a detractor, from states and values in the order of the fit.
    fn detractor<'a>(
        &self,
        states: impl Iterator<Item = State>,
        values: impl Iterator<Item = &'a str>,
    ) -> f64 {
        let of_states = self.states.iter().zip(states).map(|(adds, state)| adds[state as usize]);
        let of_values = self.covariates.iter().zip(values).map(|(adds, value)| {
            let place = adds.levels.binary_search_by(|level| level.as_str().cmp(value));
            place.map_or(adds.unseen, |place| adds.of_levels[place])
        });
        let sum = |sum: [f64; 2], add: [f64; 2]| [sum[0] + add[0], sum[1] + add[1]];
        softmax(of_states.chain(of_values).fold(self.constant, sum)).0[1]
    }

    fn score(&self, columns: &[ArrayRef]) -> Float64Array {
        let rows = columns.first().map_or(0, |column| column.len());
        let (codes, values) = columns.split_at(self.states.len());
        let codes: Vec<_> = codes.iter().map(|column| column.as_primitive::<Int64Type>()).collect();
        let values: Vec<&StringArray> = values.iter().map(|column| column.as_string::<i32>()).collect();
        let score = |row: usize| {
            let states =
                codes.iter().map(|codes| inputs::state(codes.is_valid(row).then(|| codes.value(row))));
            let values = values.iter().map(|column| match column.is_valid(row) {
                true => column.value(row),
                false => inputs::UNKNOWN,
            });
            Some(self.detractor(states, values))
        };
        (0..rows).map(score).collect()
    }
}

/// Makes `journey_predictions`: (journey_id, detractor_probability); without a model it has no rows.
pub async fn register(
    engine: &Engine,
    catalogue: &Catalogue,
    answers: &Answers,
    scorer: Option<Scorer>,
) -> Result<()> {
    let failed = |e| engine::error(e, "journey_predictions");
    let Some(scorer) = scorer else {
        let none = engine
            .query("select '' as journey_id, cast(null as double) as detractor_probability where false")
            .await?;
        return engine.view("journey_predictions", none);
    };
    let states = answers
        .touchpoints
        .iter()
        .map(|touchpoint| cast(named(&code_of(&catalogue.touchpoints[touchpoint.place])), DataType::Int64));
    let values = scorer.covariates.iter().map(|adds| cast(named(&adds.name), DataType::Utf8));
    let mut inputs: Vec<Expr> = states.chain(values).collect();
    // A function of nothing would be asked once for all rows.
    inputs.push(cast(named("journey_id"), DataType::Utf8));
    let mut types = vec![DataType::Int64; scorer.states.len()];
    types.resize(inputs.len(), DataType::Utf8);
    let body = move |args: &[ColumnarValue]| -> datafusion::error::Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(args)?;
        Ok(ColumnarValue::Array(Arc::new(scorer.score(&columns))))
    };
    let score =
        create_udf("predicted_detractor", types, DataType::Float64, Volatility::Immutable, Arc::new(body));
    let plan = engine
        .table("journey_exposures")
        .await?
        .select(vec![named("journey_id"), score.call(inputs).alias("detractor_probability")])
        .map_err(failed)?;
    engine.view("journey_predictions", plan)
}
