//! `attributions`: what each touchpoint that an answer had met adds to its predicted detractor probability.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use super::estimates::Estimates;
use super::inputs::Answers;
use super::{SEED, columns};
use crate::engine::Engine;
use crate::error::Result;
use crate::exposures::batch;
use crate::stats::analysis::Analysis;
use crate::stats::attribution::{self, Attributions};
use crate::stats::patterns::NONE;

/// The shares of every different row of the model with all touchpoints, and the answers' rows.
pub struct Shares {
    /// Per answer; none where it took no part.
    row_of: Vec<Option<u32>>,
    of_rows: Attributions,
}

impl Shares {
    /// None where there is no model.
    pub fn of(analysis: &Analysis, estimates: &Estimates) -> Option<Shares> {
        let fitted = estimates.fits.direct.as_ref().ok()?;
        let row = |pattern: &u32| (*pattern != NONE).then(|| fitted.model.row_of[*pattern as usize]);
        Some(Shares {
            row_of: analysis.patterns.of_answer.iter().map(row).collect(),
            of_rows: attribution::attributions(analysis, fitted, SEED),
        })
    }

    /// (touchpoint, contribution) of an answer.
    fn of_answer(&self, answer: usize) -> &[(u16, f64)] {
        self.row_of[answer].map_or(&[], |row| self.of_rows.of_row(row as usize))
    }

    /// An answer's detractor probability as it is, and with none of the touchpoints.
    fn prediction(&self, answer: usize) -> Option<[f64; 2]> {
        self.row_of[answer].map(|row| self.of_rows.predictions[row as usize])
    }
}

type Make = fn(&Answers, Option<&Shares>, Range<usize>, &StringArray) -> Result<RecordBatch>;

/// Makes `attributions`, one row per answer of the fit and touchpoint that it had met, and `predictions`, one
/// row per answer. They are made batch by batch whenever they are read: there can be many.
pub fn register(engine: &Engine, answers: Arc<Answers>, shares: Option<Shares>) -> Result<()> {
    let shares = Arc::new(shares);
    for (name, make) in [("attributions", rows as Make), ("predictions", predictions as Make)] {
        register_one(engine, name, make, answers.clone(), shares.clone())?;
    }
    Ok(())
}

fn register_one(
    engine: &Engine,
    name: &str,
    make: Make,
    answers: Arc<Answers>,
    shares: Arc<Option<Shares>>,
) -> Result<()> {
    let empty = make(&answers, None, 0..0, &StringArray::from(Vec::<String>::new()))?;
    let starts: Vec<usize> = answers
        .met
        .ids()
        .iter()
        .scan(0, |next, ids| {
            let start = *next;
            *next += ids.len();
            Some(start)
        })
        .collect();
    engine.register_made(name, empty.schema(), move |place| {
        let (start, ids) = (starts.get(place)?, answers.met.ids().get(place)?);
        Some(make(&answers, shares.as_ref().as_ref(), *start..start + ids.len(), ids))
    })
}

fn predictions(
    _answers: &Answers,
    shares: Option<&Shares>,
    range: Range<usize>,
    ids: &StringArray,
) -> Result<RecordBatch> {
    let of = |answer: usize| shares.and_then(|shares| shares.prediction(answer));
    let column = |at: usize| -> ArrayRef {
        Arc::new(range.clone().map(|answer| Some(of(answer)?[at])).collect::<Float64Array>())
    };
    batch(vec![
        ("response_id", Arc::new(ids.clone()) as ArrayRef),
        ("predicted_detractor_probability", column(0)),
        ("baseline_detractor_probability", column(1)),
    ])
}

fn rows(
    answers: &Answers,
    shares: Option<&Shares>,
    range: Range<usize>,
    ids: &StringArray,
) -> Result<RecordBatch> {
    let (mut responses, mut touchpoints) = (Vec::new(), Vec::new());
    let (mut first_at, mut occurrences, mut contributions) = (Vec::new(), Vec::new(), Vec::new());
    for (answer, id) in range.zip(ids) {
        let meetings = answers.met.of(answer);
        for (touchpoint, share) in shares.map_or(&[][..], |shares| shares.of_answer(answer)) {
            let meeting = meetings.iter().find(|meeting| meeting.touchpoint == *touchpoint);
            responses.push(id);
            touchpoints.push(answers.touchpoints[usize::from(*touchpoint)].id.as_str());
            first_at.push(meeting.and_then(|meeting| meeting.first_at()));
            occurrences.push(meeting.map(|meeting| columns::count(meeting.occurrences)));
            contributions.push(*share);
        }
    }
    batch(vec![
        ("response_id", Arc::new(StringArray::from(responses)) as ArrayRef),
        ("touchpoint", Arc::new(StringArray::from(touchpoints))),
        ("first_at", Arc::new(TimestampMicrosecondArray::from(first_at).with_timezone("UTC"))),
        ("occurrences", Arc::new(Int64Array::from(occurrences))),
        ("contribution", Arc::new(Float64Array::from(contributions))),
    ])
}
