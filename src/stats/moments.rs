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

/// So many clusters are looked up at once.
const CLUSTERS_AHEAD: usize = 32;

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
    let pulls = Pulls::of(analysis, groups, walked(grouping, target));
    let records = Records::of(analysis, groups, &pulls);
    let run = |singles: Range<usize>, several: Range<usize>| {
        let mut parts = ModelParts::new(&pulls, groups);
        let mut walk = Walk::new(many, centres);
        for (pattern, class, weight) in &target.singles[singles] {
            let record = records.of_pattern(*pattern);
            walk.clear();
            parts.add(*pattern, &record, *class, 1.0, &mut walk.model);
            walk.add_own(record.gains, *class, 1.0);
            walk.square(*weight);
        }
        // Records are looked up ahead of their use: many looks wait for memory at once.
        let mut ahead: Vec<Record> = Vec::new();
        for clusters in target.several[several].chunks(CLUSTERS_AHEAD) {
            let members = |cluster: &u32| grouping.members(*cluster as usize);
            ahead.clear();
            ahead.extend(clusters.iter().flat_map(members).map(|(_, unit)| records.of_pattern(unit.pattern)));
            let mut ahead = ahead.iter();
            for cluster in clusters {
                walk.clear();
                for ((answer, unit), record) in members(cluster).zip(ahead.by_ref()) {
                    let weight = analysis.patterns.weight(analysis.problem, answer as usize);
                    parts.add(unit.pattern, record, unit.class, weight, &mut walk.model);
                    if target.members.is_none_or(|(levels, level)| levels[answer as usize] == level) {
                        walk.add_own(record.gains, unit.class, weight);
                    }
                }
                walk.square(1.0);
            }
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

/// How many times the model's part of an answer will be worked out.
fn walked(grouping: &Grouping, target: Target) -> usize {
    let several = target.several.iter().map(|cluster| grouping.cluster(*cluster as usize).len());
    target.singles.len() + several.sum::<usize>()
}

/// Bytes that a table of profiles may take.
const LARGEST_TABLE: usize = 256 << 20;

/// What residuals move, of all fits side by side, by column of the problem: an answer's pull is the sum over its
/// columns. The part of the covariates is summed once per profile where that is worth it.
struct Pulls {
    /// Touchpoints of all groups.
    many: usize,
    /// Per column: for a unit of residual of each free class, gains × touchpoints.
    of_column: Vec<f64>,
    of_profile: Option<Vec<f64>>,
}

impl Pulls {
    fn of(analysis: &Analysis, groups: &[Standardised], walked: usize) -> Pulls {
        let many: usize = groups.iter().map(|group| group.touchpoints.len()).sum();
        let columns = &analysis.columns;
        let step = 2 * GAINS * many;
        let mut of_column = vec![0.0; columns.columns.len() * step];
        let mut before = 0;
        for group in groups {
            let e = group.touchpoints.len();
            for (own, column) in columns.positions(group.model) {
                for part in 0..2 * GAINS {
                    let from = (own * 2 * GAINS + part) * e;
                    let to = column * step + part * many + before;
                    of_column[to..to + e].copy_from_slice(&group.pull[from..from + e]);
                }
            }
            before += e;
        }
        let patterns = &analysis.patterns;
        let mut pulls = Pulls { many, of_column, of_profile: None };
        let profiles = patterns.profiles.len();
        if 2 * profiles <= walked && profiles * step * 8 <= LARGEST_TABLE {
            let pieces = chunks::map(profiles, analysis.threads, |range| {
                let mut piece = vec![0.0; range.len() * step];
                for (profile, sums) in range.zip(piece.chunks_exact_mut(step.max(1))) {
                    let pattern = patterns.profiles[profile] as usize;
                    let own = columns.rows.columns(pattern).iter();
                    own.take_while(|column| **column < columns.first_of_touchpoints)
                        .for_each(|column| pulls.add(*column, sums));
                }
                piece
            });
            pulls.of_profile = Some(pieces.concat());
        }
        pulls
    }

    fn step(&self) -> usize {
        2 * GAINS * self.many
    }

    fn add(&self, column: u16, sums: &mut [f64]) {
        let from = usize::from(column) * self.step();
        let pulls = &self.of_column[from..from + sums.len()];
        sums.iter_mut().zip(pulls).for_each(|(sum, pull)| *sum += pull);
    }

    /// The pull of a pattern.
    fn read(&self, record: &Record, sums: &mut [f64]) {
        match &self.of_profile {
            Some(table) => {
                let from = record.profile * self.step();
                sums.copy_from_slice(&table[from..from + self.step()]);
            }
            None => sums.fill(0.0),
        }
        for four in record.columns {
            let mut four = *four;
            while four != 0 {
                self.add((four & 0xffff) as u16 - 1, sums);
                four >>= 16;
            }
        }
    }
}

/// What a walk has to know of each pattern, side by side: customers meet patterns in any order, and memory is
/// what a walk waits for.
struct Records {
    groups: usize,
    /// Per pattern: where its words begin; one more at the end.
    starts: Vec<usize>,
    words: Vec<u64>,
}

/// The words of one pattern.
struct Record<'a> {
    profile: usize,
    /// Per group the probabilities of passive and detractor.
    probabilities: &'a [u64],
    /// Four columns to a word, each with one added: those that are not in its profile's sum.
    columns: &'a [u64],
    /// Its own parts, of all groups: position among all touchpoints, gains.
    gains: &'a [u64],
}

const WORDS_OF_A_GAIN: usize = 1 + GAINS;

impl Records {
    fn of(analysis: &Analysis, groups: &[Standardised], pulls: &Pulls) -> Records {
        let columns = &analysis.columns;
        let first = if pulls.of_profile.is_some() { columns.first_of_touchpoints } else { 0 };
        let pieces = chunks::map(analysis.patterns.len(), analysis.threads, |range| {
            let (mut words, mut lengths) = (Vec::new(), Vec::with_capacity(range.len()));
            for pattern in range {
                let start = words.len();
                let row = columns.rows.columns(pattern);
                let own = &row[row.partition_point(|column| *column < first)..];
                let in_words = own.len().div_ceil(4) as u64;
                words.push(u64::from(analysis.patterns.profile_of[pattern]) << 32 | in_words);
                for group in groups {
                    let p = group.fit.probabilities[group.model.row_of[pattern] as usize];
                    words.extend(p.map(f64::to_bits));
                }
                let pack = |word: u64, column: &u16| word << 16 | (u64::from(*column) + 1);
                words.extend(own.chunks(4).map(|four| four.iter().rev().fold(0, pack)));
                let mut before = 0;
                for group in groups {
                    for gain in group.gains(group.model.row_of[pattern] as usize) {
                        words.push(u64::from(gain.at + before));
                        words.extend(gain.gains.map(f64::to_bits));
                    }
                    before += group.touchpoints.len() as u16;
                }
                lengths.push(words.len() - start);
            }
            (words, lengths)
        });
        let mut records = Records { groups: groups.len(), starts: vec![0], words: Vec::new() };
        let mut end = 0;
        for (words, lengths) in pieces {
            records.words.extend(words);
            for length in lengths {
                end += length;
                records.starts.push(end);
            }
        }
        records
    }

    #[inline]
    fn of_pattern(&self, pattern: u32) -> Record<'_> {
        let pattern = pattern as usize;
        let words = &self.words[self.starts[pattern]..self.starts[pattern + 1]];
        let (probabilities, rest) = words[1..].split_at(2 * self.groups);
        let (columns, gains) = rest.split_at((words[0] & 0xffff_ffff) as usize);
        Record { profile: (words[0] >> 32) as usize, probabilities, columns, gains }
    }
}

/// The model's part of answers; the pull is kept for the pattern that was read last.
struct ModelParts<'a> {
    pulls: &'a Pulls,
    /// Per group: its number of touchpoints.
    groups: Vec<usize>,
    read: Option<u32>,
    /// For a unit of residual of each free class: gains × touchpoints.
    pull: Vec<f64>,
    /// Of passive and detractor, per touchpoint by the fit that it rests on.
    residuals: [Vec<f64>; 2],
}

impl<'a> ModelParts<'a> {
    fn new(pulls: &'a Pulls, groups: &[Standardised]) -> ModelParts<'a> {
        ModelParts {
            pulls,
            groups: groups.iter().map(|group| group.touchpoints.len()).collect(),
            read: None,
            pull: vec![0.0; pulls.step()],
            residuals: [vec![0.0; pulls.many], vec![0.0; pulls.many]],
        }
    }

    /// Adds the model's part of an answer to sums of gains × touchpoints of all groups.
    fn add(&mut self, pattern: u32, record: &Record, class: u8, weight: f64, sums: &mut [f64]) {
        let many = self.pulls.many;
        if many == 0 {
            return;
        }
        if self.read != Some(pattern) {
            self.read = Some(pattern);
            self.pulls.read(record, &mut self.pull);
        }
        let [r0, r1] = &mut self.residuals;
        let mut before = 0;
        for (e, p) in self.groups.iter().zip(record.probabilities.chunks_exact(2)) {
            let residual =
                |a: usize| weight * (f64::from(u8::from(usize::from(class) == a + 1)) - f64::from_bits(p[a]));
            r0[before..before + e].fill(residual(0));
            r1[before..before + e].fill(residual(1));
            before += e;
        }
        let (passive, detractor) = self.pull.split_at(GAINS * many);
        let pulls = passive.chunks_exact(many).zip(detractor.chunks_exact(many));
        for (sums, (passive, detractor)) in sums.chunks_exact_mut(many).zip(pulls) {
            let of_passive = r0.iter().zip(passive);
            let of_detractor = r1.iter().zip(detractor);
            for ((sum, (r0, passive)), (r1, detractor)) in sums.iter_mut().zip(of_passive).zip(of_detractor) {
                *sum += r0 * passive + r1 * detractor;
            }
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
    fn add_own(&mut self, gains: &[u64], class: u8, weight: f64) {
        self.weight += weight;
        self.detractors += if class == 2 { weight } else { 0.0 };
        for gain in gains.chunks_exact(WORDS_OF_A_GAIN) {
            let own = &mut self.own[gain[0] as usize];
            if own[OWN - 1] == 0.0 {
                self.touched.push(gain[0] as u16);
            }
            for (sum, gain) in own.iter_mut().zip(&gain[1..]) {
                *sum += weight * f64::from_bits(*gain);
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
