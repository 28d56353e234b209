//! Why did NPS move since the last period? Mix, reach, effect, level.
//!
//! The same model is fitted in both periods. With answers (of one period, reweighted to look like the other's
//! covariates; DiNardo, Fortin and Lemieux 1996), slopes of touchpoints and the remaining coefficients each
//! taken from either period, NPS takes sixteen values; what each of the four blocks moves is averaged over the
//! orders in which they can change (Shorrocks 2013). The four sum to the change. Reach and effect are shared
//! out over touchpoints in proportion to their part in the linear index (Yun 2004). Customers who answered in
//! both periods count as one.

use super::analysis::Analysis;
use super::design::{Column, Model};
use super::influence::{covariance, pulls};
use super::logit::{self, Cell, Fit, NoFit, Penalty, Rows};
use super::patterns::NONE;
use super::quantiles::t_quantile;
use super::standardise::{nps_points, slopes};

/// A part of the change in NPS points, with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    pub value: f64,
    pub std_error: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// The change of NPS and what it is made of. Mix + reach + effect + level = change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// NPS as fitted: as observed, but for a penalty.
    pub before: f64,
    pub now: f64,
    pub change: Part,
    /// Who answered: covariates.
    pub mix: Part,
    /// How many met what.
    pub reach: Part,
    /// What it did to them.
    pub effect: Part,
    /// All the rest: the constant and what covariates do.
    pub level: Part,
    /// Of reach and of effect, per touchpoint; a touchpoint that is not in both periods' models has none.
    pub reach_of: Vec<Option<Part>>,
    pub effect_of: Vec<Option<Part>>,
}

/// Blocks in the order of their bits.
const MIX: usize = 1;
const REACH: usize = 2;
const EFFECT: usize = 4;
const LEVEL: usize = 8;

/// Decomposes the change. `is_now`: per answer, whether it belongs to the later period. Columns that say
/// nothing of their own in either period (such as the calendar month) leave the model.
///
/// # Errors
/// [`NoFit`], for instance where a period has no answers.
pub fn change(analysis: &Analysis, is_now: &[bool]) -> Result<Change, NoFit> {
    let two = Periods::of(analysis, is_now)?;
    // What each block moves: the mean over orders of switching it from before to now.
    let factorial = [1.0, 1.0, 2.0, 6.0];
    let mut blocks = Vec::new();
    for block in [MIX, REACH, EFFECT, LEVEL] {
        let mut sum = Moved::zero(&two);
        for set in (0..16usize).filter(|set| set & block == 0) {
            let size = set.count_ones() as usize;
            let weight = factorial[size] * factorial[3 - size] / 24.0;
            sum.add(&two.value(set | block), weight);
            sum.add(&two.value(set), -weight);
        }
        blocks.push(sum);
    }
    let (before, now) = (two.value(0), two.value(15));
    let mut whole = Moved::zero(&two);
    whole.add(&now, 1.0);
    whole.add(&before, -1.0);
    let mut moved = vec![whole];
    moved.extend(blocks);
    let touchpoints: Vec<usize> = two.touchpoints();
    for (block, kind) in [(2, REACH), (3, EFFECT)] {
        let linear: Vec<Moved> = touchpoints.iter().map(|t| two.linear_part(*t, kind)).collect();
        let shared = share_out(&two, &moved[block], &linear);
        moved.extend(shared);
    }
    let influence: Vec<Vec<f64>> = moved.iter().map(|one| one.influence(analysis, &two, is_now)).collect();
    let clusters = analysis.groupings.iter().map(|grouping| grouping.clusters).min().unwrap_or(0);
    let degrees = clusters as f64 - 1.0;
    let parts: Vec<Part> = moved
        .iter()
        .zip(&influence)
        .map(|(one, phi)| {
            let spread = covariance(&analysis.groupings, &analysis.patterns.of_answer, &[phi]);
            let std_error = spread.map(|spread| spread[(0, 0)].sqrt());
            let reach = std_error.and_then(|error| Some(t_quantile(0.975, degrees)? * error));
            let value = one.value;
            Part { value, std_error, low: reach.map(|r| value - r), high: reach.map(|r| value + r) }
        })
        .collect();
    let per_touchpoint = |from: usize| {
        let mut of = vec![None; analysis.touchpoints()];
        touchpoints.iter().zip(&parts[from..]).for_each(|(t, part)| of[*t] = Some(*part));
        of
    };
    Ok(Change {
        before: before.value,
        now: now.value,
        change: parts[0],
        mix: parts[1],
        reach: parts[2],
        effect: parts[3],
        level: parts[4],
        reach_of: per_touchpoint(5),
        effect_of: per_touchpoint(5 + touchpoints.len()),
    })
}

/// Both periods on the same rows.
struct Periods {
    model: Model,
    /// Per period and row, summed weights by class.
    weights: [Vec<[f64; 3]>; 2],
    fits: [Fit<2>; 2],
    /// Of belonging to the later period, given covariates.
    period: Fit<1>,
    covariates: Rows,
    /// Per column of the model.
    owners: Vec<Option<usize>>,
}

/// A value and how it moves: with both periods' coefficients, with the period model's, and with every answer.
struct Moved {
    value: f64,
    by_slopes: [Vec<f64>; 2],
    by_period: Vec<f64>,
    /// Per period and row: what an answer of weight one adds.
    own: [Vec<f64>; 2],
}

impl Moved {
    fn zero(two: &Periods) -> Moved {
        let slopes = vec![0.0; two.fits[0].coefficients.len()];
        let rows = vec![0.0; two.model.rows.len()];
        Moved {
            value: 0.0,
            by_slopes: [slopes.clone(), slopes],
            by_period: vec![0.0; two.period.coefficients.len()],
            own: [rows.clone(), rows],
        }
    }

    fn add(&mut self, other: &Moved, factor: f64) {
        let add =
            |sum: &mut [f64], part: &[f64]| sum.iter_mut().zip(part).for_each(|(s, p)| *s += factor * p);
        self.value += factor * other.value;
        for period in 0..2 {
            add(&mut self.by_slopes[period], &other.by_slopes[period]);
            add(&mut self.own[period], &other.own[period]);
        }
        add(&mut self.by_period, &other.by_period);
    }

    fn influence(&self, analysis: &Analysis, two: &Periods, is_now: &[bool]) -> Vec<f64> {
        let by_row: Vec<Vec<[f64; 2]>> =
            (0..2).map(|period| pulls(&two.model.rows, &two.fits[period], &self.by_slopes[period])).collect();
        let of_period = pulls::<1>(&two.covariates, &two.period, &self.by_period);
        (0..is_now.len())
            .map(|answer| {
                let Some((pattern, class, weight)) = analysis.patterns.answer(analysis.problem, answer)
                else {
                    return 0.0;
                };
                let period = usize::from(is_now[answer]);
                let row = two.model.row_of[pattern as usize] as usize;
                let p = two.fits[period].probabilities[row];
                let residual = |a: usize| f64::from(u8::from(class as usize == a + 1)) - p[a];
                let pull = by_row[period][row];
                let chance = two.period.probabilities[row][0];
                weight
                    * (pull[0] * residual(0)
                        + pull[1] * residual(1)
                        + of_period[row][0] * (period as f64 - chance)
                        + self.own[period][row])
            })
            .collect()
    }
}

impl Periods {
    fn of(analysis: &Analysis, is_now: &[bool]) -> Result<Periods, NoFit> {
        let patterns = &analysis.patterns;
        let mut answers = vec![vec![0.0; patterns.len()]; 2];
        let mut by_pattern = [vec![[0.0; 3]; patterns.len()], vec![[0.0; 3]; patterns.len()]];
        for (answer, is_now) in is_now.iter().enumerate() {
            if let Some((pattern, class, weight)) = patterns.answer(analysis.problem, answer) {
                answers[usize::from(*is_now)][pattern as usize] += 1.0;
                by_pattern[usize::from(*is_now)][pattern as usize][class as usize] += weight;
            }
        }
        if patterns.of_answer.iter().all(|pattern| *pattern == NONE) {
            return Err(NoFit::NoAnswers);
        }
        let model = analysis.columns.common_model(patterns, &answers, analysis.threads);
        let weights: [Vec<[f64; 3]>; 2] = by_pattern.map(|by_pattern| {
            let mut by_row = vec![[0.0; 3]; model.rows.len()];
            for (pattern, weights) in by_pattern.iter().enumerate() {
                let sum = &mut by_row[model.row_of[pattern] as usize];
                (0..3).for_each(|class| sum[class] += weights[class]);
            }
            by_row
        });
        let fit = |weights: &[[f64; 3]]| {
            logit::fit::<2>(
                &model.rows,
                &logit::cells(weights),
                Penalty::WhenSeparated,
                None,
                analysis.threads,
            )
        };
        let fits = [fit(&weights[0])?, fit(&weights[1])?];
        let is_covariate: Vec<bool> =
            model.columns.iter().map(|column| !matches!(column, Column::State { .. })).collect();
        let mut new_at = vec![0u16; model.columns.len()];
        let mut next = 0;
        for (at, is_covariate) in is_covariate.iter().enumerate() {
            new_at[at] = next;
            next += u16::from(*is_covariate);
        }
        let mut covariates = Rows::new(usize::from(next));
        let mut cells = Vec::with_capacity(model.rows.len());
        for (row, (before, now)) in weights[0].iter().zip(&weights[1]).enumerate() {
            let kept = model.rows.columns(row).iter().filter(|c| is_covariate[usize::from(**c)]);
            covariates.push(&kept.map(|c| new_at[usize::from(*c)]).collect::<Vec<u16>>());
            let (before, now): (f64, f64) = (before.iter().sum(), now.iter().sum());
            cells.push(Cell { total: before + now, free: [now] });
        }
        let period = logit::fit::<1>(&covariates, &cells, Penalty::WhenSeparated, None, analysis.threads)?;
        let owner = |column: &Column| match column {
            Column::State { touchpoint, state } => Some(analysis.order.owner(*touchpoint, *state)),
            _ => None,
        };
        let owners = model.columns.iter().map(owner).collect();
        Ok(Periods { model, weights, fits, period, covariates, owners })
    }

    /// The touchpoint that answers for a column.
    fn touchpoint_of(&self, column: usize) -> Option<usize> {
        self.owners[column]
    }

    /// Touchpoints with a column in the model.
    fn touchpoints(&self) -> Vec<usize> {
        let mut all: Vec<usize> =
            (0..self.model.columns.len()).filter_map(|column| self.touchpoint_of(column)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// NPS with each block from before (bit 0) or now (bit 1).
    fn value(&self, set: usize) -> Moved {
        let from = |block: usize| usize::from(set & block != 0);
        let (mix, reach, effect, level) = (from(MIX), from(REACH), from(EFFECT), from(LEVEL));
        let source = |column: usize| if self.touchpoint_of(column).is_some() { effect } else { level };
        let mut moved = Moved::zero(self);
        let mut total = 0.0;
        let mut rows = Vec::with_capacity(self.model.rows.len());
        for row in 0..self.model.rows.len() {
            let weight: f64 = self.weights[reach][row].iter().sum();
            let chance = self.period.probabilities[row][0].clamp(1e-9, 1.0 - 1e-9);
            let odds = chance / (1.0 - chance);
            // Answers of the reach's period, made to look like the mix's.
            let tilt = match (reach, mix) {
                (0, 1) => odds,
                (1, 0) => 1.0 / odds,
                _ => 1.0,
            };
            let mut eta = [0.0; 2];
            for c in self.model.rows.columns(row).iter().map(|c| usize::from(*c)) {
                (0..2).for_each(|a| eta[a] += self.fits[source(c)].coefficients[2 * c + a]);
            }
            let (p, _) = logit::softmax(eta);
            let nps = nps_points(p);
            total += weight * tilt;
            moved.value += weight * tilt * nps;
            rows.push((weight * tilt, tilt, p, nps));
        }
        moved.value /= total;
        let direction = match (reach, mix) {
            (0, 1) => 1.0,
            (1, 0) => -1.0,
            _ => 0.0,
        };
        for (row, (weight, tilt, p, nps)) in rows.into_iter().enumerate() {
            moved.own[reach][row] = tilt * (nps - moved.value) / total;
            if weight == 0.0 {
                continue;
            }
            let (detractor, promoter) = slopes(p);
            for c in self.model.rows.columns(row).iter().map(|c| usize::from(*c)) {
                for a in 0..2 {
                    moved.by_slopes[source(c)][2 * c + a] +=
                        100.0 * weight * (promoter[a] - detractor[a]) / total;
                }
            }
            for c in self.covariates.columns(row) {
                moved.by_period[usize::from(*c)] += direction * weight * (nps - moved.value) / total;
            }
        }
        moved
    }

    /// A touchpoint's part in the linear index: its change of reach at mean slopes, or of slopes at mean reach,
    /// each by what a unit of log-odds moves on average.
    fn linear_part(&self, touchpoint: usize, kind: usize) -> Moved {
        let mut moved = Moved::zero(self);
        let total: [f64; 2] = [0, 1].map(|period: usize| self.weights[period].iter().flatten().sum());
        let mut unit = [0.0; 2];
        for (period, total) in total.iter().enumerate() {
            for (row, weights) in self.weights[period].iter().enumerate() {
                let (detractor, promoter) = slopes(self.fits[period].probabilities[row]);
                let share = weights.iter().sum::<f64>() / total / 2.0;
                (0..2).for_each(|a| unit[a] += 100.0 * share * (promoter[a] - detractor[a]));
            }
        }
        for column in (0..self.model.columns.len()).filter(|c| self.touchpoint_of(*c) == Some(touchpoint)) {
            let has = |row: usize| self.model.rows.columns(row).contains(&(column as u16));
            let reach = [0, 1].map(|period: usize| {
                let met = (0..self.model.rows.len()).filter(|row| has(*row));
                met.map(|row| self.weights[period][row].iter().sum::<f64>()).sum::<f64>() / total[period]
            });
            for (a, unit) in unit.into_iter().enumerate() {
                let [before, now] =
                    [0, 1].map(|period: usize| self.fits[period].coefficients[2 * column + a]);
                let sign = [-1.0, 1.0];
                let (by_reach, by_slope) = if kind == REACH {
                    moved.value += unit * (reach[1] - reach[0]) * (before + now) / 2.0;
                    let mean = (before + now) / 2.0;
                    (sign.map(|s| s * unit * mean), [unit * (reach[1] - reach[0]) / 2.0; 2])
                } else {
                    moved.value += unit * (now - before) * (reach[0] + reach[1]) / 2.0;
                    let mean = (reach[0] + reach[1]) / 2.0;
                    ([unit * (now - before) / 2.0; 2], sign.map(|s| s * unit * mean))
                };
                for period in 0..2 {
                    moved.by_slopes[period][2 * column + a] += by_slope[period];
                    for row in 0..self.model.rows.len() {
                        let met = f64::from(u8::from(has(row)));
                        moved.own[period][row] += by_reach[period] * (met - reach[period]) / total[period];
                    }
                }
            }
        }
        moved
    }
}

/// A block's part shared out in proportion to linear parts. Where those nearly cancel, proportions run away:
/// then each keeps its linear part, and what is left goes by their sizes.
fn share_out(two: &Periods, block: &Moved, linear: &[Moved]) -> Vec<Moved> {
    const NEARLY: f64 = 0.2;
    let sum: f64 = linear.iter().map(|part| part.value).sum();
    let sizes: f64 = linear.iter().map(|part| part.value.abs()).sum();
    if sizes == 0.0 {
        return linear.iter().map(|_| Moved::zero(two)).collect();
    }
    let mut all = Moved::zero(two);
    linear.iter().for_each(|part| all.add(part, 1.0));
    linear
        .iter()
        .map(|part| {
            let mut shared = Moved::zero(two);
            if sum.abs() > NEARLY * sizes {
                let share = part.value / sum;
                shared.add(block, share);
                shared.add(part, block.value / sum);
                shared.add(&all, -share * block.value / sum);
                shared.value = block.value * share;
            } else {
                let share = part.value.abs() / sizes;
                shared.add(part, 1.0);
                shared.add(block, share);
                shared.add(&all, -share);
            }
            shared
        })
        .collect()
}

/// The observed change, for the check that nothing is lost.
pub fn observed_nps(weights: &[f64; 3]) -> f64 {
    let all = weights.iter().sum::<f64>();
    if all > 0.0 { 100.0 * (weights[0] - weights[2]) / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{GONE, LATE, PLAIN, RETURNED, Switches, TICKET, World};
    use super::super::problem::{Class, Problem, State};
    use super::*;

    fn joined(before: &World, now: &World) -> (World, Vec<bool>) {
        let mut both = before.clone();
        both.classes.extend(&now.classes);
        both.customers.extend(&now.customers);
        both.region.extend(&now.region);
        both.month.extend(&now.month);
        for (states, more) in both.states.iter_mut().zip(&now.states) {
            states.extend(more);
        }
        let is_now = (0..both.classes.len()).map(|answer| answer >= before.classes.len()).collect();
        (both, is_now)
    }

    fn nps(classes: &[Class]) -> f64 {
        let count = |class: Class| classes.iter().filter(|c| **c == class).count() as f64;
        observed_nps(&[count(Class::Promoter), count(Class::Passive), count(Class::Detractor)])
    }

    #[test]
    fn parts_sum_to_the_observed_change() {
        let before = World::new(4_000, 111, PLAIN);
        let now = World::new(4_000, 112, Switches { strength: 1.6, ..PLAIN });
        let (both, is_now) = joined(&before, &now);
        let problem = both.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let found = change(&analysis, &is_now).unwrap();
        let expected = nps(&now.classes) - nps(&before.classes);
        assert!((found.change.value - expected).abs() < 1e-6);
        let sum = found.mix.value + found.reach.value + found.effect.value + found.level.value;
        assert!((sum - expected).abs() < 1e-6);
        for (part, of) in [(found.reach, &found.reach_of), (found.effect, &found.effect_of)] {
            let sum: f64 = of.iter().map(|part| part.unwrap().value).sum();
            assert!((sum - part.value).abs() < 1e-9);
        }
        // Only the slopes changed.
        assert!(found.effect.high.unwrap() < 0.0, "{:?}", found.effect);
        for part in [found.mix, found.reach] {
            assert!(part.low.unwrap() < 0.3 && part.high.unwrap() > -0.3, "{part:?}");
        }
        assert!(found.effect_of[LATE].unwrap().value < 0.0 && found.effect_of[TICKET].unwrap().value < 0.0);
    }

    /// More parcels late, nothing else: reach, and lateness in it. Regions shift: mix.
    #[test]
    fn reach_and_mix_are_told_apart() {
        let before = World::new(6_000, 113, PLAIN);
        let world = World::new(12_000, 114, PLAIN);
        let keep = |world: &World, is_kept: &dyn Fn(usize) -> bool| {
            let kept: Vec<usize> = (0..world.classes.len()).filter(|answer| is_kept(*answer)).collect();
            let mut some = World::default();
            for answer in kept {
                some.classes.push(world.classes[answer]);
                some.customers.push(world.customers[answer] + 100_000);
                some.region.push(world.region[answer]);
                some.month.push(world.month[answer]);
                for (states, all) in some.states.iter_mut().zip(&world.states) {
                    states.push(all[answer]);
                }
            }
            some
        };
        let late = keep(&world, &|answer| world.states[LATE][answer] == State::Yes || answer % 3 == 0);
        let (both, is_now) = joined(&before, &late);
        let problem = both.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let found = change(&analysis, &is_now).unwrap();
        assert!(found.reach.high.unwrap() < -3.0, "{:?}", found.reach);
        assert!(found.reach_of[LATE].unwrap().value < 2.0 * found.reach_of[GONE].unwrap().value.min(0.0));
        assert!(found.effect.low.unwrap() < 0.0 && found.effect.high.unwrap() > 0.0, "{:?}", found.effect);
        let regions = keep(&world, &|answer| world.region[answer] >= 3 || answer % 4 == 0);
        let (both, is_now) = joined(&before, &regions);
        let problem = both.problem();
        let found = change(&Analysis::of(&problem, 2).unwrap(), &is_now).unwrap();
        assert!(found.mix.high.unwrap() < -3.0, "{:?}", found.mix);
        assert!(found.reach.value.abs() < 1.5 && found.reach_of[RETURNED].is_some());
    }

    /// The interval of the whole is that of a difference of means, customers counted.
    #[test]
    fn the_whole_has_the_interval_of_a_difference() {
        let (both, is_now) = joined(&World::new(3_000, 115, PLAIN), &World::new(3_000, 116, PLAIN));
        let problem = both.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let found = change(&analysis, &is_now).unwrap().change;
        let value = |class: Class| 1.0 - f64::from(class as u8);
        let means = [false, true].map(|now| {
            let of: Vec<f64> = both
                .classes
                .iter()
                .zip(&is_now)
                .filter(|(_, n)| **n == now)
                .map(|(c, _)| value(*c))
                .collect();
            of.iter().sum::<f64>() / of.len() as f64
        });
        let phi: Vec<f64> = both
            .classes
            .iter()
            .zip(&is_now)
            .map(|(class, now)| {
                let sign = if *now { 1.0 } else { -1.0 };
                sign * 100.0 * (value(*class) - means[usize::from(*now)]) / 3_000.0
            })
            .collect();
        let plain =
            covariance(&analysis.groupings, &analysis.patterns.of_answer, &[&phi]).unwrap()[(0, 0)].sqrt();
        assert!((found.std_error.unwrap() / plain - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_period_without_answers() {
        let world = World::new(500, 117, PLAIN);
        let problem: Problem = world.problem();
        let analysis = Analysis::of(&problem, 1).unwrap();
        assert!(change(&analysis, &[true; 500]).is_err());
    }
}
