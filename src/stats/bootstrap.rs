//! The check of the intervals: customers are drawn with replacement, and everything is fitted again.

use rand::Rng;

use super::analysis::{Analysis, Fitted};
use super::chunks;
use super::effects::{Estimand, Fits};
use super::logit::{self, Penalty};
use super::patterns::NONE;
use super::standardise::standardise;

/// What the draws say of one touchpoint's NPS points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    pub std_error: f64,
    /// 2.5% and 97.5% of the draws.
    pub low: f64,
    pub high: f64,
    /// Draws that could be fitted.
    pub draws: usize,
}

/// Draws clusters of the first grouping `draws` times (Davison and Hinkley 1997, 3.8). Per touchpoint; none
/// where fewer than two draws could be fitted.
pub fn bootstrap(
    analysis: &Analysis,
    fits: &Fits,
    estimand: Estimand,
    draws: usize,
    random: &mut impl Rng,
) -> Vec<Option<Drawn>> {
    let (groups, _) = fits.groups(analysis, estimand);
    let Some(grouping) = analysis.groupings.first() else { return vec![None; analysis.touchpoints()] };
    let alone: Vec<u32> = (0..analysis.problem.answers())
        .filter(|answer| analysis.patterns.of_answer[*answer] != NONE && !grouping.is_shared[*answer])
        .map(|answer| answer as u32)
        .collect();
    let clusters = alone.len() + grouping.several();
    let seeds: Vec<u64> = (0..draws).map(|_| random.random()).collect();
    let values: Vec<Vec<Vec<f64>>> = chunks::map(draws, 1, |range| {
        range
            .map(|draw| one_draw(analysis, &groups, grouping, &alone, clusters, seeds[draw]))
            .collect::<Vec<_>>()
    })
    .into_iter()
    .collect();
    let values: Vec<Vec<f64>> = values.concat();
    (0..analysis.touchpoints())
        .map(|touchpoint| {
            let mut found: Vec<f64> =
                values.iter().map(|draw| draw[touchpoint]).filter(|value| value.is_finite()).collect();
            if found.len() < 2 {
                return None;
            }
            found.sort_by(f64::total_cmp);
            let n = found.len() as f64;
            let mean = found.iter().sum::<f64>() / n;
            let variance = found.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let at = |share: f64| found[((share * n) as usize).min(found.len() - 1)];
            Some(Drawn { std_error: variance.sqrt(), low: at(0.025), high: at(0.975), draws: found.len() })
        })
        .collect()
}

/// NPS points per touchpoint in one draw; not a number where it could not be fitted.
fn one_draw(
    analysis: &Analysis,
    groups: &[(&Fitted, Vec<usize>)],
    grouping: &super::clusters::Grouping,
    alone: &[u32],
    clusters: usize,
    seed: u64,
) -> Vec<f64> {
    use rand::SeedableRng;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut times = vec![0u32; clusters];
    for _ in 0..clusters {
        times[random.random_range(0..clusters)] += 1;
    }
    let mut weights = vec![[0.0; 3]; analysis.patterns.len()];
    let mut add = |answer: u32, times: u32| {
        if let Some((pattern, class, weight)) = analysis.patterns.answer(analysis.problem, answer as usize) {
            weights[pattern as usize][class as usize] += weight * f64::from(times);
        }
    };
    for (at, times) in times.iter().enumerate().filter(|(_, times)| **times > 0) {
        match alone.get(at) {
            Some(answer) => add(*answer, *times),
            None => grouping.cluster(at - alone.len()).iter().for_each(|answer| add(*answer, *times)),
        }
    }
    let mut points = vec![f64::NAN; analysis.touchpoints()];
    for (fitted, touchpoints) in groups {
        let model = &fitted.model;
        let mut by_row = vec![[0.0; 3]; model.rows.len()];
        for (pattern, weights) in weights.iter().enumerate() {
            let sum = &mut by_row[model.row_of[pattern] as usize];
            (0..3).for_each(|class| sum[class] += weights[class]);
        }
        let penalty = if fitted.fit.is_penalised { Penalty::Always } else { Penalty::WhenSeparated };
        let cells = logit::cells(&by_row);
        let start = Some(fitted.fit.coefficients.as_slice());
        let Ok(fit) = logit::fit::<2>(&model.rows, &cells, penalty, start, analysis.threads) else {
            continue;
        };
        let target: Vec<f64> = by_row.iter().map(|w| w.iter().sum()).collect();
        let total: f64 = target.iter().sum();
        let found =
            standardise(model, &fit, &analysis.order, touchpoints, &target, &[0.0; 2], analysis.threads);
        for (touchpoint, sums) in touchpoints.iter().zip(&found.sums) {
            points[*touchpoint] = 100.0 * (sums[0] + sums[1]) / total;
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::planted::{PLAIN, World};
    use super::*;

    /// With repeated customers: standard errors agree within what 300 draws can tell (about 4% each).
    #[test]
    fn the_bootstrap_agrees_with_the_influence_values() {
        let world = World::new(4_000, 91, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let effects = fits.effects(&analysis, Estimand::Total);
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(92);
        let drawn = bootstrap(&analysis, &fits, Estimand::Total, 300, &mut random);
        for touchpoint in 0..5 {
            let error =
                effects.of[touchpoint].as_ref().unwrap().measures.nps_points.process.unwrap().std_error;
            let drawn = drawn[touchpoint].unwrap();
            let ratio = drawn.std_error / error;
            assert!((0.87..=1.13).contains(&ratio), "{touchpoint}: {ratio}");
            assert!(drawn.low < drawn.high && drawn.draws == 300);
        }
    }
}
