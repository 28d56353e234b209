//! Total effects of some of the answers alone, to be read beside those of all.

use super::effects::Row;
use super::inputs::Answers;
use crate::stats::analysis::Analysis;
use crate::stats::effects::{Effects, Estimand, Fits};
use crate::stats::problem::{Fault, Problem};

/// Answers that carry a response weight, unweighted: what the weighted effects differ from.
pub const SAME_ANSWERS: &str = "total_same_answers";
/// Answers that say which order they are about. What others had met is what was met on all of the customer's
/// orders: states of another kind under the same names.
pub const BY_ORDER: &str = "total_by_order";

/// The effects of some answers.
pub struct Part {
    estimand: &'static str,
    pub effects: Effects,
    /// Per touchpoint: exposed answers.
    exposed: Vec<u64>,
}

impl Part {
    /// Of the answers that `takes_part` names; none where these are all of them, or nobody.
    ///
    /// # Errors
    /// A [`Fault`] of the problem.
    pub fn of(
        estimand: &'static str,
        takes_part: &[bool],
        answers: &Problem,
        threads: usize,
    ) -> Result<Option<Part>, Fault> {
        let many = takes_part.iter().filter(|takes_part| **takes_part).count();
        if many == 0 || many == takes_part.len() {
            return Ok(None);
        }
        let ones: Vec<f64> = takes_part.iter().map(|takes_part| f64::from(u8::from(*takes_part))).collect();
        let problem = Problem { weights: Some(&ones), ..answers.clone() };
        let analysis = Analysis::of(&problem, threads)?;
        let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
        let exposed = analysis.support.iter().map(|support| support.exposed_answers()).collect();
        Ok(Some(Part { estimand, effects, exposed }))
    }

    /// As rows of `effects`: NPS points of these answers, and risk per exposed answer.
    pub fn rows(&self, answers: &Answers) -> Vec<Row> {
        let mut rows = Vec::new();
        for (touchpoint, effect) in self.effects.of.iter().enumerate() {
            let Ok(effect) = effect else { continue };
            let measures = &effect.measures;
            for (measure, estimate) in
                [("nps_points", measures.nps_points), ("risk_difference", measures.risk_difference)]
            {
                rows.push(Row {
                    dimension: "all".into(),
                    segment: "all".into(),
                    touchpoint: answers.touchpoints[touchpoint].id.clone(),
                    estimand: self.estimand,
                    measure,
                    estimate,
                    n: super::columns::count(self.exposed[touchpoint]),
                });
            }
        }
        rows
    }
}
