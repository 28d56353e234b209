//! `attributions` and `journey_predictions`: the model applied to each answer, and to each journey whether
//! it has an answer or not.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use datafusion::logical_expr::{Expr, JoinType, Volatility, cast, col, create_udf};
use datafusion::logical_expr::ColumnarValue;

use super::inputs::{Answers, covariate_names};
use super::{Estimates, SEED};
use crate::catalogue::{Catalogue, FEEDS, Meets};
use crate::config::Config;
use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::exposures::{batch, code_of, first_of, named, texts};
use crate::stats::analysis::{Analysis, Fitted};
use crate::stats::attribution;
use crate::stats::patterns::NONE;
use crate::stats::problem::State;

/// The model as needs no answers: what each code of each term adds to the log-odds.
struct Scorer {
    constant: [f64; 2],
    /// Per touchpoint of the fit and state.
    states: Vec<[[f64; 2]; 5]>,
    /// Per covariate: its values, and what each adds; a value never seen counts as the pooled level, if
    /// there is one, else as the reference.
    covariates: Vec<(Vec<String>, Vec<[f64; 2]>, [f64; 2])>,
}

impl Scorer {
    fn of(answers: &Answers, analysis: &Analysis, fitted: &Fitted) -> Scorer {
        let model = &fitted.model;
        let of_column = |column: Option<usize>| {
            column.map_or([0.0; 2], |at| {
                [fitted.fit.coefficients[2 * at], fitted.fit.coefficients[2 * at + 1]]
            })
        };
        let states = (0..analysis.touchpoints())
            .map(|touchpoint| State::ALL.map(|state| of_column(model.column(touchpoint, state))))
            .collect();
        let covariates = answers.covariates.iter().enumerate().map(|(covariate, values)| {
            let levels = &analysis.patterns.levels[covariate];
            let of_level = |level: u16| of_column(model.level_column(covariate, level));
            let pooled = levels.names.iter().position(|name| name == "(other)");
            let unseen = pooled.and_then(|level| u16::try_from(level).ok()).map_or([0.0; 2], of_level);
            let adds = levels.level_of.iter().map(|level| of_level(*level)).collect();
            (values.levels.clone(), adds, unseen)
        });
        // The constant is the first column.
        Scorer { constant: of_column(Some(0)), states, covariates: covariates.collect() }
    }

    /// The probability of a detractor, from states and values in the order of the fit.
    fn detractor(&self, states: impl Iterator<Item = State>, values: impl Iterator<Item = [f64; 2]>) -> f64 {
        let mut odds = self.constant;
        let of_states = self.states.iter().zip(states).map(|(adds, state)| adds[state as usize]);
        for add in of_states.chain(values) {
            odds[0] += add[0];
            odds[1] += add[1];
        }
        let [passive, detractor] = odds;
        let largest = passive.max(detractor).max(0.0);
        let share = |odds: f64| (odds - largest).exp();
        share(detractor) / (share(0.0) + share(passive) + share(detractor))
    }
}

/// Makes `journey_predictions`: (journey_id, detractor_probability); without a model it has no rows.
pub(super) async fn journeys(
    engine: &Engine,
    config: &Config,
    catalogue: &Catalogue,
    answers: &Answers,
    analysis: &Analysis<'_>,
    estimates: &Estimates,
) -> Result<()> {
    let failed = |e| engine::error(e, "journey_predictions");
    let Ok(fitted) = &estimates.fits.direct else {
        let none = engine
            .query("select '' as journey_id, cast(null as double) as detractor_probability where false")
            .await?;
        return engine.view("journey_predictions", none);
    };
    let scorer = Arc::new(Scorer::of(answers, analysis, fitted));
    let known: Vec<String> = covariate_names(config);
    let mut inputs: Vec<Expr> = Vec::new();
    let mut types = Vec::new();
    for place in &answers.touchpoints {
        inputs.push(cast(named(&code_of(&catalogue.touchpoints[*place])), DataType::Int64));
        types.push(DataType::Int64);
    }
    for covariate in &answers.covariates {
        debug_assert!(known.contains(&covariate.name));
        inputs.push(cast(named(&covariate.name), DataType::Utf8));
        types.push(DataType::Utf8);
    }
    let touchpoints = answers.touchpoints.len();
    let body = move |args: &[ColumnarValue]| -> datafusion::error::Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(args)?;
        Ok(ColumnarValue::Array(Arc::new(score(&scorer, &columns, touchpoints))))
    };
    let score = create_udf(
        "predicted_detractor",
        types,
        DataType::Float64,
        Volatility::Immutable,
        Arc::new(body),
    );
    let plan = engine
        .table("journey_exposures")
        .await?
        .select(vec![col("journey_id"), score.call(inputs).alias("detractor_probability")])
        .map_err(failed)?;
    engine.view("journey_predictions", plan)
}

fn score(scorer: &Scorer, columns: &[ArrayRef], touchpoints: usize) -> Float64Array {
    let rows = columns.first().map_or(0, |column| column.len());
    let (codes, values) = columns.split_at(touchpoints);
    let codes: Vec<_> = codes.iter().map(|column| column.as_primitive::<Int64Type>()).collect();
    let values: Vec<&StringArray> = values.iter().map(|column| column.as_string::<i32>()).collect();
    (0..rows)
        .map(|row| {
            let states = codes.iter().map(|codes| state(codes.is_valid(row).then(|| codes.value(row))));
            let adds = scorer.covariates.iter().zip(&values).map(|((levels, adds, unseen), column)| {
                let value = if column.is_valid(row) { column.value(row) } else { super::inputs::UNKNOWN };
                levels
                    .binary_search_by(|level| level.as_str().cmp(value))
                    .map_or(*unseen, |place| adds[place])
            });
            Some(scorer.detractor(states, adds))
        })
        .collect()
}

fn state(code: Option<i64>) -> State {
    let known = |code: i64| State::ALL.into_iter().find(|state| *state as i64 == code);
    code.and_then(known).unwrap_or(State::Unknown)
}

/// Makes `attributions`: one row per answer of the fit and touchpoint that it had met.
pub(super) async fn attributions(
    engine: &Engine,
    catalogue: &Catalogue,
    answers: &Answers,
    analysis: &Analysis<'_>,
    estimates: &Estimates,
) -> Result<()> {
    let (mut ids, mut touchpoints) = (Vec::new(), Vec::new());
    let (mut first_at, mut occurrences, mut contributions) = (Vec::new(), Vec::new(), Vec::new());
    if let Ok(fitted) = &estimates.fits.direct {
        let shares = attribution::attributions(analysis, fitted, SEED);
        let met = met(engine, catalogue, answers).await?;
        let mut answer = 0;
        for batch in &met {
            let names = texts(batch.column(0))?;
            for row in 0..batch.num_rows() {
                let pattern = analysis.patterns.of_answer.get(answer).copied().unwrap_or(NONE);
                answer += 1;
                if pattern == NONE {
                    continue;
                }
                for (touchpoint, share) in shares.of_row(fitted.model.row_of[pattern as usize] as usize) {
                    let at = usize::from(*touchpoint);
                    let count = batch.column(1 + 2 * at).as_primitive::<Int64Type>();
                    let first = batch.column(2 + 2 * at).as_primitive::<TimestampMicrosecondType>();
                    ids.push(names.value(row).to_string());
                    touchpoints.push(catalogue.touchpoints[answers.touchpoints[at]].id.clone());
                    occurrences.push(count.is_valid(row).then(|| count.value(row)));
                    first_at.push(first.is_valid(row).then(|| first.value(row)));
                    contributions.push(*share);
                }
            }
        }
        if answer != answers.classes.len() {
            return Err(Error::internal("the answers of the fit changed while they were read"));
        }
    }
    engine.register_rows(
        "attributions",
        batch(vec![
            ("response_id", Arc::new(StringArray::from(ids)) as ArrayRef),
            ("touchpoint", Arc::new(StringArray::from(touchpoints))),
            ("first_at", Arc::new(TimestampMicrosecondArray::from(first_at).with_timezone("UTC"))),
            ("occurrences", Arc::new(Int64Array::from(occurrences))),
            ("contribution", Arc::new(Float64Array::from(contributions))),
        ])?,
    )
}

/// Per answer of the fit, in their order: its id, and for each touchpoint how many events met it and when the
/// first did.
async fn met(
    engine: &Engine,
    catalogue: &Catalogue,
    answers: &Answers,
) -> Result<Vec<arrow::array::RecordBatch>> {
    let failed = |e| engine::error(e, "the attributions");
    let mut plan = engine.table("exposures").await?.filter(col("in_fit")).map_err(failed)?;
    for feed in FEEDS {
        let votes = engine.table(&format!("votes_{feed}")).await?;
        plan = plan
            .join(votes, JoinType::Left, &["moment_id"], &[&format!("moment_of_{feed}")], None)
            .map_err(failed)?;
    }
    let mut columns = vec![col("response_id")];
    let instant = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
    for place in &answers.touchpoints {
        let touchpoint = &catalogue.touchpoints[*place];
        columns.push(cast(named(&format!("yes_{}", touchpoint.id)), DataType::Int64).alias(format!("n_{}", touchpoint.id)));
        let first = match &touchpoint.meets {
            Meets::Events(events) if events.at.is_some() => named(&first_of(touchpoint)),
            _ => datafusion::logical_expr::lit(datafusion::common::ScalarValue::Null),
        };
        columns.push(cast(first, instant.clone()).alias(format!("at_{}", touchpoint.id)));
    }
    let plan = plan
        .sort(vec![col("responded_at").sort(true, false), col("response_id").sort(true, false)])
        .and_then(|rows| rows.select(columns))
        .map_err(failed)?;
    engine.collect(plan, "the attributions").await
}
