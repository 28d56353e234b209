//! Stacked influence values, summed over each customer and squared.
//!
//! An answer moves an estimate in two ways: through the coefficients (its score times what a unit of score
//! does, the model's part), and as one of the answers over which is averaged (its own part, κ). Per
//! touchpoint nine sums over a cluster carry all measures in both readings; what is kept is Σ_c v_c v_cᵀ of
//! these nine. Sources: Stefanski and Boos 2002; Liang and Zeger 1986; Sjölander 2016.
//!
//! | position | sum over the cluster's answers |
//! |---|---|
//! | 0, 1, 2 | model's part of the three gains |
//! | 3, 4, 5 | w × gain, of exposed answers of the target |
//! | 6 | w of exposed answers of the target |
//! | 7, 8 | w of the target's answers, and of its detractors |

use std::ops::Range;

use nalgebra::DMatrix;

use super::analysis::Analysis;
use super::chunks;
use super::clusters::Grouping;
use super::standardise::{GAINS, Gain, Standardised};

pub const SUMS: usize = 9;
/// Σ_c v_c v_cᵀ of one touchpoint.
pub type Moments = [[f64; SUMS]; SUMS];

/// Positions of the last two sums.
const WEIGHT: usize = 7;
const DETRACTORS: usize = 8;

const PAIRS: usize = 6;
/// Per touchpoint: pairs of model's parts, and each of them with w and with detractors' w.
const DENSE: usize = PAIRS + 2 * GAINS;
/// Per touchpoint, only where the cluster is exposed: four own sums with three model's parts, with each
/// other, and with the two of the target.
const OWN: usize = 4;
const SPARSE: usize = OWN * GAINS + OWN * (OWN + 1) / 2 + OWN * 2;

/// Which answers are averaged over.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Answers alone in their cluster: (pattern, class, Σ w²), by pattern.
    pub singles: &'a [(u32, u8, f64)],
    /// Clusters of several with an answer in the target, by position in the grouping.
    pub several: &'a [u32],
    /// Per answer a level, and the one that is the target; none: all answers are.
    pub members: Option<(&'a [u16], u16)>,
}

/// What one grouping yields.
pub struct Squares {
    /// Per touchpoint, in the order of the groups.
    pub moments: Vec<Moments>,
    /// Σ_c S_c S_cᵀ, where S is the influence on 100 (gain 0 + gain 1) − centre × w, both parts.
    pub joint: Option<DMatrix<f64>>,
}

/// All answers of a grouping.
pub fn whole(grouping: &Grouping) -> (Vec<(u32, u8, f64)>, Vec<u32>) {
    let mut singles = Vec::new();
    for (pattern, weights) in grouping.singles.iter().enumerate() {
        for (class, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            singles.push((pattern as u32, class as u8, *weight));
        }
    }
    (singles, (0..grouping.several() as u32).collect())
}

/// Walks through the clusters of a target. `centres`: per touchpoint, the NPS points over the target, where
/// the joint covariance is wanted.
pub fn squares(
    analysis: &Analysis,
    groups: &[Standardised],
    grouping: &Grouping,
    target: Target,
    centres: Option<&[f64]>,
) -> Squares {
    let many: usize = groups.iter().map(|group| group.touchpoints.len()).sum();
    let own = OwnParts::of(groups, analysis.patterns.len());
    let table = parts_by_class(analysis, groups, grouping, target);
    let run = |singles: Range<usize>, several: Range<usize>| {
        let mut parts = ModelParts::new(groups);
        let mut walk = Walk::new(many, centres);
        for (pattern, class, weight) in &target.singles[singles] {
            walk.clear();
            parts.add(*pattern as usize, usize::from(*class), 1.0, &mut walk.model);
            walk.add_own(own.of_pattern(*pattern), *class, 1.0);
            walk.square(*weight);
        }
        for cluster in &target.several[several] {
            walk.clear();
            for answer in grouping.cluster(*cluster as usize) {
                let Some((pattern, class, weight)) =
                    analysis.patterns.answer(analysis.problem, *answer as usize)
                else {
                    continue;
                };
                match &table {
                    Some(table) => {
                        let from = (pattern as usize * 3 + class as usize) * GAINS * many;
                        let parts = &table[from..from + GAINS * many];
                        walk.model.iter_mut().zip(parts).for_each(|(sum, part)| *sum += weight * part);
                    }
                    None => parts.add(pattern as usize, class as usize, weight, &mut walk.model),
                }
                if target.members.is_none_or(|(levels, level)| levels[*answer as usize] == level) {
                    walk.add_own(own.of_pattern(pattern), class as u8, weight);
                }
            }
            walk.square(1.0);
        }
        walk.into_sums()
    };
    let threads = analysis.threads;
    let mut parts = chunks::map(target.singles.len(), threads, |range| run(range, 0..0));
    parts.extend(chunks::map(target.several.len(), threads, |range| run(0..0, range)));
    let sums = chunks::sum(parts);

    let (common, rest) = sums.split_at(3);
    let (dense, rest) = rest.split_at(DENSE * many);
    let (sparse, triangle) = rest.split_at(SPARSE * many);
    let moments =
        (0..many).map(|e| assemble(common, many, e, dense, &sparse[e * SPARSE..(e + 1) * SPARSE])).collect();
    let joint = centres.map(|_| {
        DMatrix::from_fn(many, many, |i, j| {
            let (i, j) = (i.max(j), i.min(j));
            triangle[i * (i + 1) / 2 + j]
        })
    });
    Squares { moments, joint }
}

/// Bytes that a table of the model's parts may take.
const LARGEST_TABLE: usize = 256 << 20;

/// The model's parts of an answer of weight one, per pattern and class, where clusters of several are worth a
/// table and it is not too large.
fn parts_by_class(
    analysis: &Analysis,
    groups: &[Standardised],
    grouping: &Grouping,
    target: Target,
) -> Option<Vec<f64>> {
    let length: usize = groups.iter().map(|group| group.touchpoints.len() * GAINS).sum();
    let patterns = analysis.patterns.len();
    let answers = if target.members.is_some() { 0 } else { grouping.answers.len() };
    if length == 0 || answers < patterns || patterns * 3 * length * 8 > LARGEST_TABLE {
        return None;
    }
    let pieces = chunks::map(patterns, analysis.threads, |range| {
        let mut piece = vec![0.0; range.len() * 3 * length];
        let mut parts = ModelParts::new(groups);
        for (pattern, sums) in range.zip(piece.chunks_exact_mut(3 * length)) {
            for (class, sums) in sums.chunks_exact_mut(length).enumerate() {
                parts.add(pattern, class, 1.0, sums);
            }
        }
        piece
    });
    Some(pieces.concat())
}

/// The own parts per pattern: (touchpoint among all groups, gains).
struct OwnParts {
    starts: Vec<usize>,
    gains: Vec<Gain>,
}

impl OwnParts {
    fn of(groups: &[Standardised], patterns: usize) -> OwnParts {
        let mut own = OwnParts { starts: Vec::with_capacity(patterns + 1), gains: Vec::new() };
        own.starts.push(0);
        for pattern in 0..patterns {
            let mut before = 0;
            for group in groups {
                let gains = group.gains(group.model.row_of[pattern] as usize);
                own.gains.extend(gains.iter().map(|gain| Gain { at: gain.at + before, gains: gain.gains }));
                before += group.touchpoints.len() as u16;
            }
            own.starts.push(own.gains.len());
        }
        own
    }

    fn of_pattern(&self, pattern: u32) -> &[Gain] {
        &self.gains[self.starts[pattern as usize]..self.starts[pattern as usize + 1]]
    }
}

/// What residuals move, for the pattern that was read last.
struct ModelParts<'a> {
    groups: &'a [Standardised<'a>],
    read: Option<usize>,
    /// Per group: for a unit of residual of each free class, gains × touchpoints.
    pulls: Vec<Vec<f64>>,
    probabilities: Vec<[f64; 2]>,
    many: usize,
}

impl<'a> ModelParts<'a> {
    fn new(groups: &'a [Standardised<'a>]) -> ModelParts<'a> {
        ModelParts {
            groups,
            read: None,
            pulls: groups.iter().map(|group| vec![0.0; 2 * GAINS * group.touchpoints.len()]).collect(),
            probabilities: vec![[0.0; 2]; groups.len()],
            many: groups.iter().map(|group| group.touchpoints.len()).sum(),
        }
    }

    fn read(&mut self, pattern: usize) {
        if self.read == Some(pattern) {
            return;
        }
        self.read = Some(pattern);
        for ((group, pulls), p) in self.groups.iter().zip(&mut self.pulls).zip(&mut self.probabilities) {
            let step = pulls.len();
            let row = group.model.row_of[pattern] as usize;
            *p = group.fit.probabilities[row];
            pulls.fill(0.0);
            for column in group.model.rows.columns(row) {
                let from = usize::from(*column) * step;
                for (sum, pull) in pulls.iter_mut().zip(&group.pull[from..from + step]) {
                    *sum += pull;
                }
            }
        }
    }

    /// Adds the model's part of an answer to sums of gains × touchpoints of all groups.
    fn add(&mut self, pattern: usize, class: usize, weight: f64, sums: &mut [f64]) {
        self.read(pattern);
        let mut before = 0;
        for (pulls, p) in self.pulls.iter().zip(&self.probabilities) {
            let residual = [
                weight * (f64::from(u8::from(class == 1)) - p[0]),
                weight * (f64::from(u8::from(class == 2)) - p[1]),
            ];
            let e = pulls.len() / (2 * GAINS);
            let (passive, detractor) = pulls.split_at(GAINS * e);
            for gain in 0..GAINS {
                let sums = &mut sums[gain * self.many + before..gain * self.many + before + e];
                let (passive, detractor) = (&passive[gain * e..][..e], &detractor[gain * e..][..e]);
                for ((sum, passive), detractor) in sums.iter_mut().zip(passive).zip(detractor) {
                    *sum += residual[0] * passive + residual[1] * detractor;
                }
            }
            before += e;
        }
    }
}

fn assemble(common: &[f64], many: usize, one: usize, dense: &[f64], sparse: &[f64]) -> Moments {
    let mut moments = [[0.0; SUMS]; SUMS];
    let mut put = |i: usize, j: usize, x: f64| {
        moments[i][j] = x;
        moments[j][i] = x;
    };
    let pairs = (0..GAINS).flat_map(|i| (0..=i).map(move |j| (i, j)));
    pairs.enumerate().for_each(|(pair, (i, j))| put(i, j, dense[pair * many + one]));
    for gain in 0..GAINS {
        put(WEIGHT, gain, dense[(PAIRS + gain) * many + one]);
        put(DETRACTORS, gain, dense[(PAIRS + GAINS + gain) * many + one]);
    }
    let owns = GAINS..GAINS + OWN;
    let places = owns.clone().flat_map(|own| (0..GAINS).map(move |gain| (own, gain)));
    let places = places.chain(owns.clone().flat_map(|i| (GAINS..=i).map(move |j| (i, j))));
    let places = places.chain(owns.flat_map(|own| [(WEIGHT, own), (DETRACTORS, own)]));
    places.zip(sparse).for_each(|((i, j), x)| put(i, j, *x));
    put(WEIGHT, WEIGHT, common[0]);
    put(DETRACTORS, WEIGHT, common[1]);
    put(DETRACTORS, DETRACTORS, common[2]);
    moments
}

/// The sums of one cluster and the squares so far.
struct Walk<'a> {
    centres: Option<&'a [f64]>,
    many: usize,
    /// w of the cluster's answers in the target, and of its detractors.
    weight: f64,
    detractors: f64,
    /// Gains × touchpoints: the model's part.
    model: Vec<f64>,
    own: Vec<[f64; OWN]>,
    touched: Vec<u16>,
    common: [f64; 3],
    dense: Vec<f64>,
    sparse: Vec<f64>,
    stacked: Vec<f64>,
    joint: Vec<f64>,
}

impl<'a> Walk<'a> {
    fn new(many: usize, centres: Option<&'a [f64]>) -> Walk<'a> {
        let pairs = if centres.is_some() { many * (many + 1) / 2 } else { 0 };
        Walk {
            centres,
            many,
            weight: 0.0,
            detractors: 0.0,
            model: vec![0.0; GAINS * many],
            own: vec![[0.0; OWN]; many],
            touched: Vec::new(),
            common: [0.0; 3],
            dense: vec![0.0; DENSE * many],
            sparse: vec![0.0; SPARSE * many],
            stacked: vec![0.0; many],
            joint: vec![0.0; pairs],
        }
    }

    fn clear(&mut self) {
        (self.weight, self.detractors) = (0.0, 0.0);
        self.model.fill(0.0);
        for at in self.touched.drain(..) {
            self.own[usize::from(at)] = [0.0; OWN];
        }
    }

    /// Adds the own part of an answer of the target.
    fn add_own(&mut self, gains: &[Gain], class: u8, weight: f64) {
        self.weight += weight;
        self.detractors += if class == 2 { weight } else { 0.0 };
        for gain in gains {
            let own = &mut self.own[usize::from(gain.at)];
            if own[OWN - 1] == 0.0 {
                self.touched.push(gain.at);
            }
            for (sum, gain) in own.iter_mut().zip(gain.gains) {
                *sum += weight * gain;
            }
            own[OWN - 1] += weight;
        }
    }

    /// Adds the squares of the cluster, `times` over.
    fn square(&mut self, times: f64) {
        let (weight, detractors) = (times * self.weight, times * self.detractors);
        self.common[0] += weight * self.weight;
        self.common[1] += weight * self.detractors;
        self.common[2] += detractors * self.detractors;
        let e = self.many;
        let [x, y, z] = [0, 1, 2].map(|gain| &self.model[gain * e..(gain + 1) * e]);
        for (at, (one, other)) in [(x, x), (y, x), (y, y), (z, x), (z, y), (z, z)].into_iter().enumerate() {
            for ((sum, one), other) in self.dense[at * e..(at + 1) * e].iter_mut().zip(one).zip(other) {
                *sum += times * one * other;
            }
        }
        // Most clusters hold no detractor: nothing to add.
        for (at, factor) in [(PAIRS, weight), (PAIRS + GAINS, detractors)] {
            if factor != 0.0 {
                let sums = &mut self.dense[at * e..(at + GAINS) * e];
                sums.iter_mut().zip(&self.model).for_each(|(sum, x)| *sum += factor * x);
            }
        }
        for at in self.touched.iter().map(|at| usize::from(*at)) {
            let own = self.own[at];
            let sums = &mut self.sparse[at * SPARSE..(at + 1) * SPARSE];
            let mut next = 0;
            for own in own {
                for gain in 0..GAINS {
                    sums[next] += times * own * self.model[gain * e + at];
                    next += 1;
                }
            }
            for i in 0..OWN {
                for j in 0..=i {
                    sums[next] += times * own[i] * own[j];
                    next += 1;
                }
            }
            for own in own {
                sums[next] += weight * own;
                sums[next + 1] += detractors * own;
                next += 2;
            }
        }
        if let Some(centres) = self.centres {
            self.stack(centres, times);
        }
    }

    fn stack(&mut self, centres: &[f64], times: f64) {
        let (fall, rise) = self.model.split_at(self.many);
        let parts = self.stacked.iter_mut().zip(fall).zip(rise).zip(centres);
        for (((stacked, fall), rise), centre) in parts {
            *stacked = 100.0 * (fall + rise) - centre * self.weight;
        }
        for at in self.touched.iter().map(|at| usize::from(*at)) {
            self.stacked[at] += 100.0 * (self.own[at][0] + self.own[at][1]);
        }
        let mut from = 0;
        for i in 0..self.many {
            let one = times * self.stacked[i];
            let sums = &mut self.joint[from..from + i + 1];
            sums.iter_mut().zip(&self.stacked).for_each(|(sum, other)| *sum += one * other);
            from += i + 1;
        }
    }

    fn into_sums(self) -> Vec<f64> {
        let mut sums = self.common.to_vec();
        sums.extend(self.dense);
        sums.extend(self.sparse);
        sums.extend(self.joint);
        sums
    }
}
