//! The model's effects over the answers of one segment: they add up to the whole, and inherit its q.
//!
//! (What a segment's *own* effect is stands in `own_slopes`.)

use super::analysis::{Analysis, Missing};
use super::clusters::Grouping;
use super::effects::{Effect, EffectSums, Estimand, Fits};
use super::influence;
use super::linear::{dot, left_times};
use super::measures::{Sums, measures};
use super::moments::{self, Moments, Target};
use super::patterns::NONE;
use super::problem::State;
use super::standardise::{GAINS, Standardised, standardise};

/// Effects of one segment.
#[derive(Debug, Clone)]
pub struct SegmentEffects {
    /// Answers in the segment that weigh something.
    pub answers: u64,
    /// Per touchpoint; none where nobody in the segment met it, or the whole has no estimate.
    pub of: Vec<Option<Effect>>,
}

/// Effects per segment of a dimension: `levels` holds each answer's segment, `count` their number.
pub fn segment_effects(
    analysis: &Analysis,
    fits: &Fits,
    estimand: Estimand,
    levels: &[u16],
    count: usize,
) -> Vec<SegmentEffects> {
    let (groups, _): (Vec<_>, Vec<Option<Missing>>) = fits.groups(analysis, estimand);
    let meats: Vec<_> = groups.iter().map(|(fitted, _)| influence::meats(analysis, fitted)).collect();
    let by_level = answers_by_level(analysis, levels, count);
    let exposed_clusters = exposed_clusters(analysis, levels, count);
    let mut found = Vec::with_capacity(count);
    for (level, answers) in by_level.iter().enumerate() {
        let (mut weight, mut detractors) = (0.0, 0.0);
        let mut weights = vec![0.0; analysis.patterns.len()];
        for answer in answers {
            if let Some((pattern, class, w)) = analysis.patterns.answer(analysis.problem, *answer as usize) {
                weights[pattern as usize] += w;
                weight += w;
                detractors += if class as usize == 2 { w } else { 0.0 };
            }
        }
        let standardised: Vec<Standardised> = groups
            .iter()
            .map(|(fitted, touchpoints)| {
                let mut target = vec![0.0; fitted.model.rows.len()];
                for (pattern, w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    target[fitted.model.row_of[pattern] as usize] += w;
                }
                standardise(
                    &fitted.model,
                    &fitted.fit,
                    &analysis.order,
                    touchpoints,
                    &target,
                    &[0.0; 2],
                    analysis.threads,
                )
            })
            .collect();
        let squares: Vec<Vec<Moments>> = analysis
            .groupings
            .iter()
            .enumerate()
            .map(|(at, grouping)| {
                let (singles, several) = units(analysis, grouping, answers);
                let target =
                    Target { singles: &singles, several: &several, members: Some((levels, level as u16)) };
                let mut moments = moments::squares(analysis, &standardised, grouping, target, None).moments;
                // The model's part comes from all answers, not only from the segment's.
                let mut here = moments.iter_mut();
                for (one, meats) in standardised.iter().zip(&meats) {
                    for touchpoint in 0..one.touchpoints.len() {
                        let Some(moments) = here.next() else { continue };
                        let pulls: [Vec<f64>; GAINS] =
                            std::array::from_fn(|gain| one.pull_of(touchpoint, gain));
                        for (row, pull) in moments.iter_mut().zip(&pulls) {
                            let pull = left_times(pull, &meats[at]);
                            for (moment, other) in row.iter_mut().zip(&pulls) {
                                *moment = dot(other, &pull);
                            }
                        }
                    }
                }
                moments
            })
            .collect();
        let mut of: Vec<Option<Effect>> = vec![None; analysis.touchpoints()];
        let mut at = 0;
        for one in &standardised {
            for (position, touchpoint) in one.touchpoints.iter().enumerate() {
                let (exposed, gains) = (one.exposed[position], one.sums[position]);
                if exposed > 0.0 {
                    let sums = Sums { weight, detractors, exposed, gains };
                    let moments: Vec<Moments> = squares.iter().map(|moments| moments[at]).collect();
                    let degrees =
                        analysis.support[*touchpoint].degrees_of(exposed_clusters[level][*touchpoint]);
                    of[*touchpoint] = Some(Effect {
                        measures: measures(&sums, &analysis.groupings, &moments, degrees),
                        sums: EffectSums { weight, exposed, detractors },
                        is_penalised: one.fit.is_penalised,
                    });
                }
                at += 1;
            }
        }
        found.push(SegmentEffects { answers: answers.len() as u64, of });
    }
    found
}

fn answers_by_level(analysis: &Analysis, levels: &[u16], count: usize) -> Vec<Vec<u32>> {
    let mut by_level = vec![Vec::new(); count];
    for (answer, level) in levels.iter().enumerate() {
        if analysis.patterns.of_answer[answer] != NONE {
            by_level[usize::from(*level)].push(answer as u32);
        }
    }
    by_level
}

/// The segment's answers that are alone in their cluster, by pattern and class, and clusters of several with
/// an answer in it.
fn units(analysis: &Analysis, grouping: &Grouping, answers: &[u32]) -> (Vec<(u32, u8, f64)>, Vec<u32>) {
    let mut singles: Vec<(u32, u8, f64)> = Vec::new();
    let mut is_in = vec![false; analysis.patterns.of_answer.len()];
    for answer in answers {
        is_in[*answer as usize] = true;
        if let (false, Some((pattern, class, weight))) = (
            grouping.is_shared[*answer as usize],
            analysis.patterns.answer(analysis.problem, *answer as usize),
        ) {
            singles.push((pattern, class as u8, weight * weight));
        }
    }
    // A stable sort: sums keep the order of the answers.
    singles.sort_by_key(|(pattern, class, _)| (*pattern, *class));
    let mut merged: Vec<(u32, u8, f64)> = Vec::new();
    for (pattern, class, square) in singles {
        match merged.last_mut() {
            Some(last) if (last.0, last.1) == (pattern, class) => last.2 += square,
            _ => merged.push((pattern, class, square)),
        }
    }
    let touches = |cluster: &u32| grouping.cluster(*cluster as usize).iter().any(|a| is_in[*a as usize]);
    (merged, (0..grouping.several() as u32).filter(touches).collect())
}

/// Per level and touchpoint: clusters with an exposed answer in it; the smaller of two groupings.
pub fn exposed_clusters(analysis: &Analysis, levels: &[u16], count: usize) -> Vec<Vec<u64>> {
    let many = analysis.touchpoints();
    let patterns = &analysis.patterns;
    let met: Vec<Vec<usize>> = (0..patterns.len())
        .map(|pattern| (0..many).filter(|t| patterns.state(*t, pattern) == State::Yes).collect())
        .collect();
    let mut least = vec![vec![u64::MAX; many]; count];
    for grouping in analysis.groupings.iter().filter(|grouping| grouping.sign > 0.0) {
        let mut clusters = vec![vec![0u64; many]; count];
        for (answer, pattern) in patterns.of_answer.iter().enumerate() {
            if *pattern != NONE && !grouping.is_shared[answer] {
                let clusters = &mut clusters[usize::from(levels[answer])];
                met[*pattern as usize].iter().for_each(|t| clusters[*t] += 1);
            }
        }
        let mut seen_in = vec![usize::MAX; many * count];
        for cluster in 0..grouping.several() {
            for answer in grouping.cluster(cluster) {
                let level = usize::from(levels[*answer as usize]);
                for t in &met[patterns.of_answer[*answer as usize] as usize] {
                    if seen_in[level * many + t] != cluster {
                        seen_in[level * many + t] = cluster;
                        clusters[level][*t] += 1;
                    }
                }
            }
        }
        for (least, clusters) in least.iter_mut().zip(clusters) {
            least.iter_mut().zip(clusters).for_each(|(least, n)| *least = (*least).min(n));
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::super::planted::{PLAIN, World};
    use super::*;

    /// Segments add up to the whole, in any dimension; a segment of everybody is the whole.
    #[test]
    fn segments_add_up_to_the_whole() {
        let world = World::new(4_000, 41, PLAIN);
        let weights: Vec<f64> = (0..4_000).map(|i| 1.0 + f64::from(i % 3)).collect();
        let mut problem = world.problem();
        problem.weights = Some(&weights);
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        for estimand in [Estimand::Total, Estimand::Direct] {
            let whole = fits.effects(&analysis, estimand);
            let same = segment_effects(&analysis, &fits, estimand, &vec![0; 4_000], 1);
            let odd: Vec<u16> = (0..4_000).map(|i| (i * 7 % 5) as u16).collect();
            let parts = segment_effects(&analysis, &fits, estimand, &odd, 5);
            for touchpoint in 0..5 {
                let whole = whole.of[touchpoint].as_ref().unwrap();
                let all = same[0].of[touchpoint].as_ref().unwrap();
                let pairs = [
                    (whole.measures.nps_points, all.measures.nps_points),
                    (whole.measures.risk_difference, all.measures.risk_difference),
                    (whole.measures.risk_ratio, all.measures.risk_ratio),
                    (whole.measures.avoidable_detractor_share, all.measures.avoidable_detractor_share),
                ];
                for (one, other) in pairs {
                    assert!((one.value - other.value).abs() < 1e-12);
                    let errors = [one, other].map(|e| [e.process, e.these].map(|i| i.unwrap().std_error));
                    for (one, other) in errors[0].iter().zip(errors[1]) {
                        assert!((one - other).abs() < 1e-9 * one);
                    }
                }
                let sum: f64 = parts
                    .iter()
                    .map(|part| part.of[touchpoint].as_ref().unwrap().measures.avoidable_detractors.value)
                    .sum();
                assert!((sum - whole.measures.avoidable_detractors.value).abs() < 1e-9);
                let points: f64 = parts
                    .iter()
                    .map(|part| part.of[touchpoint].as_ref().unwrap())
                    .map(|part| part.measures.nps_points.value * part.sums.weight / whole.sums.weight)
                    .sum();
                assert!((points - whole.measures.nps_points.value).abs() < 1e-9);
            }
        }
    }

    /// Over a part of the answers: the coefficients' uncertainty comes from all of them. By influence values
    /// summed answer by answer, with customers who answered inside and outside the segment.
    #[test]
    fn a_segment_has_the_spread_of_its_influence_values() {
        let world = World::new(3_000, 42, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let levels: Vec<u16> = (0..3_000).map(|i| u16::from(i * 7 % 5 == 0)).collect();
        let found = segment_effects(&analysis, &fits, Estimand::Direct, &levels, 2);
        let fitted = fits.direct.as_ref().unwrap();
        let (model, fit) = (&fitted.model, &fitted.fit);
        let in_segment = || (0..3_000usize).filter(|answer| levels[*answer] == 1);
        let row_of = |answer: usize| model.row_of[analysis.patterns.of_answer[answer] as usize] as usize;
        for touchpoint in 0..5 {
            let yes = model.column(touchpoint, State::Yes).unwrap() as u16;
            let undone = model.undone(&analysis.order, touchpoint);
            let is_exposed = |row: usize| model.rows.columns(row).contains(&yes);
            let exposed = in_segment().filter(|answer| is_exposed(row_of(*answer))).count() as f64;
            let gain = |row: usize| {
                let left = model.rows.columns(row).iter().copied().filter(|c| !undone[usize::from(*c)]);
                (fit.probabilities_at(left, &[0.0; 2]), fit.probabilities[row])
            };
            let mut slope = vec![0.0; fit.coefficients.len()];
            let mut value = 0.0;
            for row in in_segment().map(row_of).filter(|row| is_exposed(*row)) {
                let (p0, p) = gain(row);
                value += (p[1] - p0[1]) / exposed;
                let (now, then) =
                    (super::super::standardise::slopes(p).0, super::super::standardise::slopes(p0).0);
                for c in model.rows.columns(row) {
                    for a in 0..2 {
                        let at = 2 * usize::from(*c) + a;
                        slope[at] += now[a] / exposed;
                        slope[at] -= if undone[usize::from(*c)] { 0.0 } else { then[a] / exposed };
                    }
                }
            }
            let these = influence::model_part(&analysis, fitted, &slope);
            let mut process = these.clone();
            for answer in in_segment().filter(|answer| is_exposed(row_of(*answer))) {
                let (p0, p) = gain(row_of(answer));
                process[answer] += (p[1] - p0[1] - value) / exposed;
            }
            let of = &found[1].of[touchpoint].as_ref().unwrap().measures.risk_difference;
            assert!((of.value - value).abs() < 1e-12);
            let errors = [(of.these, these), (of.process, process)];
            for (interval, phi) in errors {
                let expected = influence::std_error(&analysis, &phi).unwrap();
                assert!((interval.unwrap().std_error / expected - 1.0).abs() < 1e-9);
            }
        }
    }
}
