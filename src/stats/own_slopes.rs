//! A segment's own effect of a touchpoint: slopes per level, drawn together as far as chance explains.
//!
//! The touchpoint's column is split by level where a level has at least 40 exposed answers. Whether slopes
//! differ at all is a clustered Wald test; how far they are drawn to their mean follows from τ² (see
//! `pooling`), one for each of the two log-odds. Levels with fewer exposed answers share one slope, which speaks for
//! the mean as well: the mean of levels whose shares of the exposed are w has a spread of τ² Σ w², and a level of
//! them goes along with it as far as w goes. Intervals contain τ².

use nalgebra::{DMatrix, DVector, Matrix2, Vector2};

use super::analysis::{Analysis, Fitted};
use super::clusters::variance;
use super::design::Column;
use super::influence::meat;
use super::logit::{self, Fit, Penalty, Rows};
use super::measures::Estimate;
use super::pooling::reml;
use super::problem::State;
use super::quantiles::chi_squared_p_value;
use super::standardise::{nps_points as points, slopes};

const FEWEST_EXPOSED: u64 = 40;

/// How one touchpoint's effect differs over the levels of a covariate.
#[derive(Debug, Clone)]
pub struct OwnEffects {
    pub homogeneity: Homogeneity,
    /// τ² of the slopes on the log-odds of passives and detractors.
    pub between: [f64; 2],
    /// Per level of the model (see `Levels`); none where nobody met it.
    pub levels: Vec<Option<OwnEffect>>,
}

/// The test that slopes are equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homogeneity {
    pub wald: f64,
    pub degrees: f64,
    pub p_value: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OwnEffect {
    /// Whether its slope was estimated, or that of all levels with few exposed answers.
    pub has_own_slope: bool,
    /// Over the level's answers.
    pub nps_points: Estimate,
    /// Over the level's exposed.
    pub risk_difference: Estimate,
}

/// Own effects of a touchpoint over the levels of a covariate; none with fewer than two levels that have
/// enough exposed answers, or where the split model cannot be fitted.
pub fn own_effects(
    analysis: &Analysis,
    fitted: &Fitted,
    touchpoint: usize,
    covariate: usize,
) -> Option<OwnEffects> {
    let split = Split::of(analysis, fitted, touchpoint, covariate)?;
    let fit = split.fit(analysis, fitted)?;
    let width = split.rows.width() * 2;
    let mut covariance = DMatrix::zeros(width, width);
    for grouping in &analysis.groupings {
        let meat = meat(analysis, &split.rows, &fit, &fitted.model.row_of, grouping);
        covariance += &fit.inverse * meat * &fit.inverse * grouping.factor()?;
    }
    let owners = split.owners();
    let rest = split.rest();
    let estimate =
        |column: usize| Vector2::new(fit.coefficients[2 * column], fit.coefficients[2 * column + 1]);
    let block = |one: usize, other: usize| Matrix2::from_fn(|a, b| covariance[(2 * one + a, 2 * other + b)]);
    let homogeneity = homogeneity(&owners, estimate, block)?;
    let mut between = [0.0; 2];
    for (a, between) in between.iter_mut().enumerate() {
        let estimates: Vec<f64> = owners.iter().map(|column| estimate(*column)[a]).collect();
        let variances: Vec<f64> = owners.iter().map(|column| block(*column, *column)[(a, a)]).collect();
        *between = reml(&estimates, &variances)?.between;
    }
    let pooled = Pooled::of(&owners, rest, between, estimate, block)?;
    let degrees = analysis.support[touchpoint].degrees();
    let levels = (0..split.column_of_level.len())
        .map(|level| split.effect(analysis, fitted, &fit, &covariance, &pooled, level, degrees))
        .collect();
    Some(OwnEffects { homogeneity, between, levels })
}

fn homogeneity(
    owners: &[usize],
    estimate: impl Fn(usize) -> Vector2<f64>,
    block: impl Fn(usize, usize) -> Matrix2<f64>,
) -> Option<Homogeneity> {
    let (first, others) = owners.split_first()?;
    let size = 2 * others.len();
    let contrast = DVector::from_fn(size, |i, _| (estimate(others[i / 2]) - estimate(*first))[i % 2]);
    let covariance = DMatrix::from_fn(size, size, |i, j| {
        let (one, other) = (others[i / 2], others[j / 2]);
        let sum = block(one, other) - block(one, *first) - block(*first, other) + block(*first, *first);
        sum[(i % 2, j % 2)]
    });
    let wald = contrast.dot(&nalgebra::Cholesky::new(covariance)?.solve(&contrast));
    let degrees = size as f64;
    Some(Homogeneity { wald, degrees, p_value: chi_squared_p_value(wald, degrees)? })
}

/// Slopes drawn together.
struct Pooled {
    /// Columns of slopes, that of the rest last.
    owners: Vec<usize>,
    between: Matrix2<f64>,
    /// Per owner: its share of the spread between levels; 1 but for the rest.
    of_spread: Vec<f64>,
    slopes: Vec<Vector2<f64>>,
    /// Per owner: the inverse of what it varies by, sampling and spread.
    precisions: Vec<Matrix2<f64>>,
    /// Per owner: its part in the mean.
    shares: Vec<Matrix2<f64>>,
    mean: Vector2<f64>,
}

impl Pooled {
    fn of(
        owners: &[usize],
        rest: Option<(usize, f64)>,
        between: [f64; 2],
        estimate: impl Fn(usize) -> Vector2<f64>,
        block: impl Fn(usize, usize) -> Matrix2<f64>,
    ) -> Option<Pooled> {
        let between = Matrix2::from_diagonal(&Vector2::from(between));
        let all = || owners.iter().map(|column| (*column, 1.0)).chain(rest);
        let slopes: Vec<Vector2<f64>> = all().map(|(column, _)| estimate(column)).collect();
        let precisions: Option<Vec<Matrix2<f64>>> =
            all().map(|(column, share)| (block(column, column) + between * share).try_inverse()).collect();
        let precisions = precisions?;
        let total = precisions.iter().sum::<Matrix2<f64>>().try_inverse()?;
        let shares: Vec<Matrix2<f64>> = precisions.iter().map(|precision| total * precision).collect();
        let mean = shares.iter().zip(&slopes).map(|(share, slope)| share * slope).sum();
        let (owners, of_spread) = all().unzip();
        Some(Pooled { owners, between, of_spread, slopes, precisions, shares, mean })
    }

    /// The slope of a level whose estimate is that of a column, and that is so much of it (1: all of it); how it
    /// follows from each owner's estimate; and the part of its uncertainty that is not sampling: the spread
    /// itself, and that of the spread (Morris).
    fn slope(&self, column: usize, part: f64) -> (Vector2<f64>, Vec<Matrix2<f64>>, Matrix2<f64>) {
        let at = self.owners.iter().position(|one| *one == column);
        // What the level and the column's slope have in common, over what the latter varies by.
        let own = at.map_or(Matrix2::zeros(), |at| self.between * part * self.precisions[at]);
        let chance = Matrix2::identity() - own;
        let mut follows: Vec<Matrix2<f64>> = self.shares.iter().map(|share| chance * share).collect();
        if let Some(at) = at {
            follows[at] += own;
        }
        let slope = follows.iter().zip(&self.slopes).map(|(f, slope)| f * slope).sum();
        let mut spread = self.between;
        for (k, f) in follows.iter().enumerate() {
            spread += f * self.between * self.of_spread[k] * f.transpose();
            if at == Some(k) {
                spread -= (f * self.between + self.between * f.transpose()) * part;
            }
        }
        let groups = self.owners.len() as f64;
        if let Some(at) = at
            && groups > 3.0
        {
            let moved = chance * (self.slopes[at] - self.mean);
            spread += moved * moved.transpose() * (2.0 / (groups - 3.0));
        }
        (slope, follows, spread)
    }
}

/// The model with the touchpoint's column split by level.
struct Split {
    touchpoint: usize,
    rows: Rows,
    /// Per row of the model: its level.
    level_of_row: Vec<u16>,
    /// Per level: the column of its slope.
    column_of_level: Vec<usize>,
    has_own: Vec<bool>,
    /// Per level: its share of the exposed of its column.
    parts: Vec<f64>,
    yes: usize,
}

impl Split {
    fn of(analysis: &Analysis, fitted: &Fitted, touchpoint: usize, covariate: usize) -> Option<Split> {
        let model = &fitted.model;
        let yes = model.column(touchpoint, State::Yes)?;
        let count = analysis.patterns.levels[covariate].names.len();
        let mut level_of_row = vec![0u16; model.rows.len()];
        for (row, level) in level_of_row.iter_mut().enumerate() {
            for column in model.rows.columns(row) {
                if let Column::Level { covariate: one, level: found } = model.columns[usize::from(*column)]
                    && one == covariate
                {
                    *level = found;
                }
            }
        }
        let is_met = |row: usize| model.rows.columns(row).contains(&(yes as u16));
        let mut exposed = vec![0u64; count];
        for (pattern, counts) in analysis.patterns.counts.iter().enumerate() {
            let row = model.row_of[pattern] as usize;
            if is_met(row) {
                exposed[usize::from(level_of_row[row])] += counts.iter().map(|n| u64::from(*n)).sum::<u64>();
            }
        }
        let has_own: Vec<bool> = exposed.iter().map(|n| *n >= FEWEST_EXPOSED).collect();
        if has_own.iter().filter(|own| **own).count() < 2 {
            return None;
        }
        // The old column stays with the levels that have no slope of their own, or else with the first.
        let has_rest = exposed.iter().zip(&has_own).any(|(n, own)| *n > 0 && !own);
        let mut next = model.columns.len();
        let mut is_taken = has_rest;
        let column_of_level: Vec<usize> = has_own
            .iter()
            .map(|own| match (own, is_taken) {
                (true, true) => {
                    next += 1;
                    next - 1
                }
                (true, false) => {
                    is_taken = true;
                    yes
                }
                (false, _) => yes,
            })
            .collect();
        let mut rows = Rows::new(next);
        for (row, level) in level_of_row.iter().enumerate() {
            let mut columns = model.rows.columns(row).to_vec();
            let column = column_of_level[usize::from(*level)];
            if is_met(row) && column != yes {
                columns.retain(|c| usize::from(*c) != yes);
                columns.push(column as u16);
            }
            rows.push(&columns);
        }
        let few = || exposed.iter().zip(&has_own).filter(|(_, own)| !**own).map(|(n, _)| *n as f64);
        let of_few = few().sum::<f64>().max(1.0);
        let parts = exposed.iter().zip(&has_own);
        let parts = parts.map(|(n, own)| if *own { 1.0 } else { *n as f64 / of_few }).collect();
        Some(Split { touchpoint, rows, level_of_row, column_of_level, has_own, parts, yes })
    }

    fn fit(&self, analysis: &Analysis, fitted: &Fitted) -> Option<Fit<2>> {
        let mut start = fitted.fit.coefficients.clone();
        let slope = [start[2 * self.yes], start[2 * self.yes + 1]];
        while start.len() < 2 * self.rows.width() {
            start.extend(slope);
        }
        let cells = logit::cells(&fitted.model.weights);
        let penalty = if fitted.fit.is_penalised { Penalty::Always } else { Penalty::WhenSeparated };
        logit::fit::<2>(&self.rows, &cells, penalty, Some(&start), analysis.threads).ok()
    }

    /// Columns of slopes that levels own.
    fn owners(&self) -> Vec<usize> {
        let pairs = self.column_of_level.iter().zip(&self.has_own);
        pairs.filter(|(_, own)| **own).map(|(column, _)| *column).collect()
    }

    /// The column of the other levels' slope, where there is one, and its share of the spread between levels.
    fn rest(&self) -> Option<(usize, f64)> {
        let few = || self.parts.iter().zip(&self.has_own).filter(|(part, own)| !**own && **part > 0.0);
        (few().count() > 0).then(|| (self.yes, few().map(|(part, _)| part * part).sum()))
    }

    #[expect(clippy::too_many_arguments, reason = "one sum over one level, with all that it rests on")]
    fn effect(
        &self,
        analysis: &Analysis,
        fitted: &Fitted,
        fit: &Fit<2>,
        covariance: &DMatrix<f64>,
        pooled: &Pooled,
        level: usize,
        degrees: f64,
    ) -> Option<OwnEffect> {
        let model = &fitted.model;
        let has_own = self.has_own[level];
        let (slope, follows, spread) = pooled.slope(self.column_of_level[level], self.parts[level]);
        let undone = model.undone(&analysis.order, self.touchpoint);
        // Σ w gain, of NPS points and of the detractor probability, and their slopes.
        let mut sums = [0.0; 2];
        let mut of_slope = [Vector2::zeros(); 2];
        let mut of_others = vec![vec![0.0; fit.coefficients.len()]; 2];
        let (mut weight, mut exposed) = (0.0, 0.0);
        let mut gains: Vec<Option<[f64; 2]>> = vec![None; model.rows.len()];
        for row in (0..model.rows.len()).filter(|row| usize::from(self.level_of_row[*row]) == level) {
            let w: f64 = model.weights[row].iter().sum();
            weight += w;
            let columns = model.rows.columns(row);
            if !columns.contains(&(self.yes as u16)) {
                continue;
            }
            exposed += w;
            let others = || columns.iter().copied().filter(|c| usize::from(*c) != self.yes);
            let left = || columns.iter().copied().filter(|c| !undone[usize::from(*c)]);
            let p = fit.probabilities_at(others(), &[slope[0], slope[1]]);
            let p0 = fit.probabilities_at(left(), &[0.0; 2]);
            let gain = [points(p0) - points(p), p[1] - p0[1]];
            gains[row] = Some(gain);
            let of = |p: [f64; 2]| {
                let (detractor, promoter) = slopes(p);
                let points = [0, 1].map(|a| 100.0 * (promoter[a] - detractor[a]));
                [points, [-detractor[0], -detractor[1]]]
            };
            let (now, then) = (of(p), of(p0));
            for kind in 0..2 {
                sums[kind] += w * gain[kind];
                for a in 0..2 {
                    of_slope[kind][a] -= w * now[kind][a];
                    others().for_each(|c| of_others[kind][2 * usize::from(c) + a] -= w * now[kind][a]);
                    left().for_each(|c| of_others[kind][2 * usize::from(c) + a] += w * then[kind][a]);
                }
            }
        }
        if exposed <= 0.0 {
            return None;
        }
        let mut estimates = Vec::with_capacity(2);
        for kind in 0..2 {
            let over = if kind == 0 { weight } else { exposed };
            let value = sums[kind] / over;
            let by_slope = of_slope[kind] / over;
            let mut all: Vec<f64> = of_others[kind].iter().map(|s| s / over).collect();
            for (column, follow) in pooled.owners.iter().zip(&follows) {
                let part = follow.transpose() * by_slope;
                (0..2).for_each(|a| all[2 * column + a] += part[a]);
            }
            let sampling = super::linear::form(&all, covariance, &all);
            let spread = by_slope.dot(&(spread * by_slope));
            let own = self.own_square(analysis, fitted, &gains, level, kind, value)? / (over * over);
            let these = (sampling + spread).max(0.0);
            estimates.push(Estimate::of(value, Some((these + own).sqrt()), Some(these.sqrt()), degrees));
        }
        Some(OwnEffect { has_own_slope: has_own, nps_points: estimates[0], risk_difference: estimates[1] })
    }

    /// C/(C−1) Σ_c (Σ w (gain − value))² over the level's answers, or its exposed ones. What it shares with
    /// the scores is zero where the model holds, and left out.
    fn own_square(
        &self,
        analysis: &Analysis,
        fitted: &Fitted,
        gains: &[Option<[f64; 2]>],
        level: usize,
        kind: usize,
        value: f64,
    ) -> Option<f64> {
        let part = |answer: usize| {
            let (pattern, _, weight) = analysis.patterns.answer(analysis.problem, answer)?;
            let row = fitted.model.row_of[pattern as usize] as usize;
            if usize::from(self.level_of_row[row]) != level {
                return None;
            }
            match gains[row] {
                Some(gain) => Some(weight * (gain[kind] - value)),
                None => (kind == 0).then_some(-weight * value),
            }
        };
        let squares: Vec<f64> = analysis
            .groupings
            .iter()
            .map(|grouping| {
                let alone = (0..analysis.problem.answers())
                    .filter(|answer| !grouping.is_shared[*answer])
                    .filter_map(part)
                    .map(|x| x * x)
                    .sum::<f64>();
                let together: f64 = (0..grouping.several())
                    .map(|cluster| {
                        let sum: f64 = grouping
                            .cluster(cluster)
                            .iter()
                            .filter_map(|answer| part(*answer as usize))
                            .sum();
                        sum * sum
                    })
                    .sum();
                alone + together
            })
            .collect();
        variance(&analysis.groupings, &squares)
    }
}

#[cfg(test)]
mod tests {
    use super::super::effects::{Estimand, Fits};
    use super::super::planted::{self, LATE, PLAIN, Switches, World};
    use super::super::problem::Covariate;
    use super::*;

    /// Five large stores where lateness does nothing, and 35 small ones that have most of the late parcels: what
    /// happened in the small ones is not told by the large ones. What stores are said to have adds up to the whole.
    #[test]
    fn small_levels_speak_for_themselves() {
        let (world, null) = (World::new(8_000, 41, PLAIN), Switches { strength: 0.0, ..PLAIN });
        let (mut mixed, null) = (world.clone(), World::new(8_000, 41, null));
        let store: Vec<u16> = (0..8_000)
            .map(|answer| if answer % 4 == 0 { answer / 4 % 5 } else { 5 + answer % 35 } as u16)
            .collect();
        for answer in (0..8_000).filter(|answer| store[*answer] < 5) {
            mixed.classes[answer] = null.classes[answer];
        }
        let mut problem = mixed.problem();
        let levels = (0..40).map(|store| format!("{store:02}")).collect();
        problem.covariates.push(Covariate { name: "store".into(), levels, codes: &store });
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let own = own_effects(&analysis, fits.behind(Estimand::Total, LATE).unwrap(), LATE, 2).unwrap();
        let levels: Vec<&OwnEffect> = own.levels.iter().flatten().collect();
        assert_eq!((levels.len(), levels.iter().filter(|level| level.has_own_slope).count()), (40, 5));
        let names = &analysis.patterns.levels[2].names;
        let sizes = names.iter().map(|name| {
            let code: u16 = name.parse().unwrap();
            store.iter().filter(|store| **store == code).count() as f64 / 8_000.0
        });
        let sum: f64 = sizes.zip(&levels).map(|(size, level)| size * level.nps_points.value).sum();
        let total = fits.effects(&analysis, Estimand::Total);
        let whole = total.of[LATE].as_ref().unwrap().measures.nps_points.value;
        assert!(whole > 1.0 && (sum / whole - 1.0).abs() < 0.15, "{sum} {whole}");
    }

    /// Where effects do not differ the test rejects in about 5% of worlds; where they do, their intervals
    /// hold each region's own truth, and the common effect alone does not.
    #[test]
    fn own_effects_hold_the_truth_of_their_region() {
        let worlds = 60;
        let mut rejected = 0;
        for seed in 0..worlds {
            let world = World::new(4_000, 500 + seed, PLAIN);
            let problem = world.problem();
            let analysis = Analysis::of(&problem, 2).unwrap();
            let fits = Fits::of(&analysis);
            let own = own_effects(&analysis, fits.behind(Estimand::Total, LATE).unwrap(), LATE, 0).unwrap();
            rejected += u32::from(own.homogeneity.p_value < 0.05);
        }
        assert!(rejected <= 9, "{rejected} of {worlds}");
        let varied = Switches { varies: 0.5, ..PLAIN };
        let (mut held, mut all, mut seen, mut squares) = (0, 0, 0, 0.0);
        let worlds = 120;
        for seed in 0..worlds {
            let world = World::new(4_000, 700 + seed, varied);
            let problem = world.problem();
            let analysis = Analysis::of(&problem, 2).unwrap();
            let fits = Fits::of(&analysis);
            let own = own_effects(&analysis, fits.behind(Estimand::Total, LATE).unwrap(), LATE, 0).unwrap();
            seen += u32::from(own.homogeneity.p_value < 0.05);
            for (level, name) in analysis.patterns.levels[0].names.iter().enumerate() {
                let region: u16 = name.parse().unwrap();
                let truth = planted::late_in_region(varied, region, world.of_region[usize::from(region)]);
                let found = own.levels[level].as_ref().unwrap().nps_points.process.unwrap();
                held += u32::from(found.low <= truth && truth <= found.high);
                let half = 0.5 * (found.high - found.low);
                squares += (1.96 * (0.5 * (found.low + found.high) - truth) / half).powi(2);
                all += 1;
            }
        }
        let share = f64::from(held) / f64::from(all);
        let square = squares / f64::from(all);
        println!("rejected {rejected}, seen {seen} of {worlds}, held {share}, mean square {square}");
        // 720 squares have a mean of 1, give or take .053: one right method in 700 lies outside, and errors a tenth
        // too small would give 1.23.
        assert!((0.84..=1.16).contains(&square), "{square}");
        assert!((0.926..=0.974).contains(&share), "{share}");
        assert!(seen > 60, "{seen}");
    }
}
