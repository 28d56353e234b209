//! `sensitivity`: what if detractors answer more readily, or less? No feed can decide that.

use arrow::array::RecordBatch;

use super::columns::{number, text};
use super::estimates::{Estimates, Rules, family, said};
use super::inputs::Answers;
use crate::error::Result;
use crate::exposures::batch;
use crate::stats::analysis::Analysis;
use crate::stats::measures::Estimate;
use crate::stats::sensitivity::{self, Sensitive};

/// The table, and per touchpoint what ratio would turn its verdict.
pub struct Sensitivity {
    table: Vec<Sensitive>,
    pub turning: Vec<Option<f64>>,
}

impl Sensitivity {
    pub fn of(analysis: &Analysis, estimates: &Estimates, rules: &Rules) -> Sensitivity {
        let table = sensitivity::table(analysis, &estimates.fits);
        let turning = sensitivity::turning_ratios(&table, |touchpoint, effects, effect| {
            let overlap = estimates.overlap(touchpoint);
            said(analysis, rules, touchpoint, Some(effect), family(effects)[touchpoint], overlap)
        });
        Sensitivity { table, turning }
    }

    /// # Errors
    /// Columns that do not fit together.
    pub fn rows(
        &self,
        answers: &Answers,
        analysis: &Analysis,
        estimates: &Estimates,
        rules: &Rules,
    ) -> Result<RecordBatch> {
        struct Row<'a> {
            touchpoint: &'a str,
            ratio: f64,
            points: Estimate,
            verdict: &'static str,
        }
        let mut rows = Vec::new();
        for sensitive in &self.table {
            let q_values = family(&sensitive.effects);
            for (at, effect) in sensitive.effects.of.iter().enumerate() {
                let Ok(effect) = effect else { continue };
                rows.push(Row {
                    touchpoint: &answers.touchpoints[at].id,
                    ratio: sensitive.ratio,
                    points: effect.measures.nps_points,
                    verdict: said(analysis, rules, at, Some(effect), q_values[at], estimates.overlap(at))
                        .as_str(),
                });
            }
        }
        batch(vec![
            ("touchpoint", text(&rows, |row| Some(row.touchpoint))),
            ("ratio", number(&rows, |row| Some(row.ratio))),
            ("nps_points", number(&rows, |row| Some(row.points.value))),
            ("low", number(&rows, |row| Some(row.points.process?.low))),
            ("high", number(&rows, |row| Some(row.points.process?.high))),
            ("verdict", text(&rows, |row| Some(row.verdict))),
        ])
    }
}
