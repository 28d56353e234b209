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
use super::standardise::{GAINS, Standardised};

pub const SUMS: usize = 9;
/// Σ_c v_c v_cᵀ of one touchpoint.
pub type Moments = [[f64; SUMS]; SUMS];

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
    let run = |singles: Range<usize>, several: Range<usize>| {
        let mut walk = Walk::new(groups, centres);
        let mut before = u32::MAX;
        for (pattern, class, weight) in &target.singles[singles] {
            if *pattern != before {
                walk.read(*pattern as usize);
                before = *pattern;
            }
            walk.clear();
            walk.add(*pattern as usize, usize::from(*class), 1.0, true);
            walk.square(*weight);
        }
        for cluster in &target.several[several] {
            walk.clear();
            for answer in grouping.cluster(*cluster as usize) {
                let Some((pattern, class, weight)) = analysis.patterns.answer(analysis.problem, *answer as usize)
                else {
                    continue;
                };
                let is_member = target.members.is_none_or(|(levels, level)| levels[*answer as usize] == level);
                walk.read(pattern as usize);
                walk.add(pattern as usize, class as usize, weight, is_member);
            }
            walk.square(1.0);
        }
        walk.into_sums()
    };
    let threads = analysis.threads;
    let mut parts = chunks::map(target.singles.len(), threads, |range| run(range, 0..0));
    parts.extend(chunks::map(target.several.len(), threads, |range| run(0..0, range)));
    let sums = chunks::sum(parts);

    let common = &sums[..3];
    let mut at = 3;
    let mut moments = Vec::with_capacity(many);
    for group in groups {
        let e = group.touchpoints.len();
        let (dense, sparse) = (&sums[at..at + DENSE * e], &sums[at + DENSE * e..at + (DENSE + SPARSE) * e]);
        moments.extend((0..e).map(|one| assemble(common, e, one, dense, &sparse[one * SPARSE..(one + 1) * SPARSE])));
        at += (DENSE + SPARSE) * e;
    }
    let joint = centres.map(|_| {
        let triangle = &sums[at..];
        DMatrix::from_fn(many, many, |i, j| {
            let (i, j) = (i.max(j), i.min(j));
            triangle[i * (i + 1) / 2 + j]
        })
    });
    Squares { moments, joint }
}

fn assemble(common: &[f64], many: usize, one: usize, dense: &[f64], sparse: &[f64]) -> Moments {
    let mut m = [[0.0; SUMS]; SUMS];
    let mut pair = 0;
    for i in 0..GAINS {
        for j in 0..=i {
            m[i][j] = dense[pair * many + one];
            pair += 1;
        }
        m[7][i] = dense[(PAIRS + i) * many + one];
        m[8][i] = dense[(PAIRS + GAINS + i) * many + one];
    }
    let mut next = sparse.iter().copied();
    let mut take = || next.next().unwrap_or(0.0);
    for own in 3..3 + OWN {
        for model in 0..GAINS {
            m[own][model] = take();
        }
    }
    for i in 3..3 + OWN {
        for j in 3..=i {
            m[i][j] = take();
        }
    }
    for own in 3..3 + OWN {
        m[7][own] = take();
        m[8][own] = take();
    }
    (m[7][7], m[8][7], m[8][8]) = (common[0], common[1], common[2]);
    for i in 0..SUMS {
        for j in 0..i {
            m[j][i] = m[i][j];
        }
    }
    m
}

/// The sums of one cluster and the squares so far.
struct Walk<'a> {
    groups: &'a [Standardised<'a>],
    centres: Option<&'a [f64]>,
    states: Vec<GroupState>,
    /// w of the cluster's answers in the target, and of its detractors.
    weight: f64,
    detractors: f64,
    common: [f64; 3],
    stacked: Vec<f64>,
    joint: Vec<f64>,
}

struct GroupState {
    /// What a unit of residual of each free class moves, for the pattern that was read: 2 × gains × touchpoints.
    pulls: Vec<f64>,
    row: usize,
    /// Gains × touchpoints: the model's part.
    model: Vec<f64>,
    own: Vec<[f64; OWN]>,
    touched: Vec<u16>,
    is_touched: Vec<bool>,
    dense: Vec<f64>,
    sparse: Vec<f64>,
}

impl<'a> Walk<'a> {
    fn new(groups: &'a [Standardised<'a>], centres: Option<&'a [f64]>) -> Walk<'a> {
        let states: Vec<GroupState> = groups
            .iter()
            .map(|group| {
                let e = group.touchpoints.len();
                GroupState {
                    pulls: vec![0.0; 2 * GAINS * e],
                    row: 0,
                    model: vec![0.0; GAINS * e],
                    own: vec![[0.0; OWN]; e],
                    touched: Vec::new(),
                    is_touched: vec![false; e],
                    dense: vec![0.0; DENSE * e],
                    sparse: vec![0.0; SPARSE * e],
                }
            })
            .collect();
        let many: usize = groups.iter().map(|group| group.touchpoints.len()).sum();
        let pairs = if centres.is_some() { many * (many + 1) / 2 } else { 0 };
        Walk {
            groups,
            centres,
            states,
            weight: 0.0,
            detractors: 0.0,
            common: [0.0; 3],
            stacked: vec![0.0; many],
            joint: vec![0.0; pairs],
        }
    }

    fn clear(&mut self) {
        (self.weight, self.detractors) = (0.0, 0.0);
        for state in &mut self.states {
            state.model.fill(0.0);
            for at in state.touched.drain(..) {
                state.own[usize::from(at)] = [0.0; OWN];
                state.is_touched[usize::from(at)] = false;
            }
        }
    }

    fn read(&mut self, pattern: usize) {
        for (group, state) in self.groups.iter().zip(&mut self.states) {
            let step = state.pulls.len();
            state.row = group.fitted.model.row_of[pattern] as usize;
            state.pulls.fill(0.0);
            for column in group.fitted.model.rows.columns(state.row) {
                let from = usize::from(*column) * step;
                for (sum, pull) in state.pulls.iter_mut().zip(&group.pull[from..from + step]) {
                    *sum += pull;
                }
            }
        }
    }

    /// Adds an answer with the pattern that was read.
    fn add(&mut self, pattern: usize, class: usize, weight: f64, is_member: bool) {
        debug_assert!(self.groups.iter().zip(&self.states).all(|(g, s)| g.fitted.model.row_of[pattern] as usize == s.row));
        if is_member {
            self.weight += weight;
            self.detractors += if class == 2 { weight } else { 0.0 };
        }
        for (group, state) in self.groups.iter().zip(&mut self.states) {
            let p = group.fitted.fit.probabilities[state.row];
            let residual = [
                weight * (f64::from(u8::from(class == 1)) - p[0]),
                weight * (f64::from(u8::from(class == 2)) - p[1]),
            ];
            let (passive, detractor) = state.pulls.split_at(state.model.len());
            for ((sum, passive), detractor) in state.model.iter_mut().zip(passive).zip(detractor) {
                *sum += residual[0] * passive + residual[1] * detractor;
            }
            if !is_member {
                continue;
            }
            for gain in group.gains(state.row) {
                let at = usize::from(gain.at);
                if !state.is_touched[at] {
                    state.is_touched[at] = true;
                    state.touched.push(gain.at);
                }
                for (sum, gain) in state.own[at].iter_mut().zip(gain.gains.iter().chain([&1.0])) {
                    *sum += weight * gain;
                }
            }
        }
    }

    /// Adds the squares of the cluster, `times` over.
    fn square(&mut self, times: f64) {
        let (weight, detractors) = (times * self.weight, times * self.detractors);
        self.common[0] += weight * self.weight;
        self.common[1] += weight * self.detractors;
        self.common[2] += detractors * self.detractors;
        for state in &mut self.states {
            let e = state.own.len();
            let mut sums = state.dense.chunks_exact_mut(e.max(1));
            for i in 0..GAINS {
                for j in 0..=i {
                    let (one, other) = (&state.model[i * e..(i + 1) * e], &state.model[j * e..(j + 1) * e]);
                    let Some(sum) = sums.next() else { continue };
                    for ((sum, x), y) in sum.iter_mut().zip(one).zip(other) {
                        *sum += times * x * y;
                    }
                }
            }
            for factor in [weight, detractors] {
                for i in 0..GAINS {
                    let Some(sum) = sums.next() else { continue };
                    for (sum, x) in sum.iter_mut().zip(&state.model[i * e..(i + 1) * e]) {
                        *sum += factor * x;
                    }
                }
            }
            for at in state.touched.iter().map(|at| usize::from(*at)) {
                let own = &state.own[at];
                let mut sums = state.sparse[at * SPARSE..(at + 1) * SPARSE].iter_mut();
                let mut put = |x: f64| {
                    if let Some(sum) = sums.next() {
                        *sum += x;
                    }
                };
                for own in own {
                    (0..GAINS).for_each(|gain| put(times * own * state.model[gain * e + at]));
                }
                for i in 0..OWN {
                    (0..=i).for_each(|j| put(times * own[i] * own[j]));
                }
                for own in own {
                    put(weight * own);
                    put(detractors * own);
                }
            }
        }
        if let Some(centres) = self.centres {
            self.stack(centres, times);
        }
    }

    fn stack(&mut self, centres: &[f64], times: f64) {
        let mut at = 0;
        for state in &self.states {
            let e = state.own.len();
            for one in 0..e {
                let model = state.model[one] + state.model[e + one];
                let own = state.own[one][0] + state.own[one][1];
                self.stacked[at] = 100.0 * (model + own) - centres[at] * self.weight;
                at += 1;
            }
        }
        let mut sums = self.joint.iter_mut();
        for (i, one) in self.stacked.iter().enumerate() {
            let one = times * one;
            for (other, sum) in self.stacked[..=i].iter().zip(&mut sums) {
                *sum += one * other;
            }
        }
    }

    fn into_sums(self) -> Vec<f64> {
        let mut sums = self.common.to_vec();
        for state in self.states {
            sums.extend(state.dense);
            sums.extend(state.sparse);
        }
        sums.extend(self.joint);
        sums
    }
}
