//! Effects of all touchpoints on all answers, and what is said of them: the analysis without tables.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::SEED;
use crate::config::Config;
use crate::stats::analysis::Analysis;
use crate::stats::effects::{Effect, Effects, Estimand, Fits};
use crate::stats::evidence;
use crate::stats::propensity::{self, Overlap, Propensity};
use crate::stats::ranks::{self, Rank};
use crate::stats::verdict::{self, Ground, Margins, Verdict};

/// What verdicts go by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub min_responses: u64,
    pub margins: Margins,
}

impl Rules {
    pub fn of(config: &Config) -> Rules {
        let analysis = &config.analysis;
        Rules {
            min_responses: u64::from(analysis.min_responses),
            margins: Margins {
                nps_points: analysis.margin_nps_points,
                risk_difference: analysis.margin_risk_difference,
            },
        }
    }
}

/// Lists are per touchpoint of the fit.
pub struct Estimates {
    pub fits: Fits,
    pub total: Effects,
    pub direct: Effects,
    pub q_values: Vec<Option<f64>>,
    pub direct_q_values: Vec<Option<f64>>,
    /// Of the levers that have an estimate with an interval.
    pub ranks: Vec<Option<Rank>>,
    pub verdicts: Vec<Verdict>,
    /// Of those with an estimate that are not thin, where propensities can be fitted.
    pub propensities: Vec<Option<(Propensity, Overlap)>>,
}

impl Estimates {
    pub fn of(analysis: &Analysis, rules: &Rules, is_lever: &[bool]) -> Estimates {
        let fits = Fits::of(analysis);
        let total = fits.effects(analysis, Estimand::Total);
        let direct = fits.effects(analysis, Estimand::Direct);
        let q_values = family(&total);
        let propensities = propensities(analysis, &fits, &total);
        let verdict = |t: usize| {
            let ground = propensities[t].as_ref().map(|(_, overlap)| overlap);
            said(analysis, rules, t, total.of[t].as_ref().ok(), q_values[t], ground)
        };
        Estimates {
            verdicts: (0..analysis.touchpoints()).map(verdict).collect(),
            ranks: ranked(&total, is_lever),
            direct_q_values: family(&direct),
            propensities,
            fits,
            direct,
            q_values,
            total,
        }
    }
}

impl Estimates {
    /// How far the exposed and the spared can be compared.
    pub fn overlap(&self, touchpoint: usize) -> Option<&Overlap> {
        self.propensities[touchpoint].as_ref().map(|(_, overlap)| overlap)
    }
}

/// The q-values of one family: every touchpoint with an estimate, lever or not.
pub fn family(effects: &Effects) -> Vec<Option<f64>> {
    let mut q_values = vec![None; effects.of.len()];
    let p_values: Vec<(usize, f64)> = effects
        .of
        .iter()
        .enumerate()
        .filter_map(|(t, effect)| Some((t, effect.as_ref().ok()?.measures.p_value?)))
        .collect();
    let adjusted = evidence::q_values(&p_values.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    for ((touchpoint, _), q) in p_values.iter().zip(adjusted) {
        q_values[*touchpoint] = Some(q);
    }
    q_values
}

fn propensities(analysis: &Analysis, fits: &Fits, total: &Effects) -> Vec<Option<(Propensity, Overlap)>> {
    let of = |touchpoint: usize| {
        if total.of[touchpoint].is_err() || analysis.support[touchpoint].is_thin() {
            return None;
        }
        let fitted = fits.behind(Estimand::Total, touchpoint).ok()?;
        let propensity = propensity::propensity(analysis, fitted, touchpoint).ok()?;
        let overlap = propensity.overlap(fitted, touchpoint);
        Some((propensity, overlap))
    };
    (0..analysis.touchpoints()).map(of).collect()
}

/// The verdict on a total effect. `overlap`: none where no propensity can be fitted, and nobody compared.
pub fn said(
    analysis: &Analysis,
    rules: &Rules,
    touchpoint: usize,
    effect: Option<&Effect>,
    q_value: Option<f64>,
    overlap: Option<&Overlap>,
) -> Verdict {
    let support = &analysis.support[touchpoint];
    let measures = effect.map(|effect| &effect.measures);
    let ground = Ground {
        is_measured: support.exposed_answers() + support.unexposed.iter().sum::<u64>() > 0,
        exposed_clusters: support.exposed_clusters,
        min_responses: rules.min_responses,
        is_thin: support.is_thin(),
        has_ground: overlap.is_some_and(Overlap::has_ground),
        nps_points: measures.and_then(|measures| {
            let (low, high) = measures.nps_points.interval_of(0.9, measures.degrees)?;
            Some((measures.nps_points.value, low, high))
        }),
        risk_difference: measures
            .and_then(|measures| measures.risk_difference.interval_of(0.9, measures.degrees)),
        q_value,
    };
    verdict::verdict(&ground, rules.margins)
}

/// Ranks of the levers by total NPS points, among those whose spread is known.
fn ranked(total: &Effects, is_lever: &[bool]) -> Vec<Option<Rank>> {
    let mut ranks = vec![None; total.of.len()];
    let Some(covariance) = &total.covariance else { return ranks };
    let has_spread = |touchpoint: usize| {
        total.of[touchpoint].as_ref().is_ok_and(|effect| effect.measures.nps_points.process.is_some())
    };
    let places: Vec<usize> = (0..total.estimated.len())
        .filter(|place| is_lever[total.estimated[*place]] && has_spread(total.estimated[*place]))
        .collect();
    let points: Vec<f64> = places
        .iter()
        .filter_map(|place| total.of[total.estimated[*place]].as_ref().ok())
        .map(|effect| effect.measures.nps_points.value)
        .collect();
    if points.len() != places.len() || points.is_empty() {
        return ranks;
    }
    let of_levers = covariance.select_rows(&places).select_columns(&places);
    let random = &mut ChaCha8Rng::seed_from_u64(SEED);
    for (place, rank) in places.iter().zip(ranks::ranks(&points, &of_levers, random)) {
        ranks[total.estimated[*place]] = Some(rank);
    }
    ranks
}
