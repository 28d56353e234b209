//! Equal rows are fitted once: the compressed form of a problem.
//!
//! Every column is a state or a level, so a million answers come in far fewer different rows. A *pattern* is
//! one such row of codes (covariates first, then touchpoints); with it stand the summed weights of its
//! answers by class. Nothing of size answers × columns is ever made: beside the columns handed in there is
//! one number per answer.

use super::problem::{Class, Covariate, Problem, State};

/// The level of those that too few answers have to stand alone.
pub const POOLED: &str = "(few answers)";

/// Levels with fewer answers than this are pooled.
const FEWEST_OF_A_LEVEL: usize = 50;

/// No pattern: the answer weighs nothing.
pub const NONE: u32 = u32::MAX;

/// The levels of a covariate as the model sees them: 0 is the reference, the one with the most answers.
#[derive(Debug, Clone)]
pub struct Levels {
    /// By code of the covariate: its level in the model.
    pub level_of: Vec<u16>,
    /// Names by level in the model.
    pub names: Vec<String>,
    /// Whether rare levels were pooled: as [`POOLED`], or into the reference where even together they are rare.
    pub is_pooled: bool,
}

/// A problem by patterns.
#[derive(Debug)]
pub struct Patterns {
    /// Per covariate.
    pub levels: Vec<Levels>,
    /// Per term (covariates, then touchpoints) and pattern: the level in the model, or the state.
    pub codes: Vec<Vec<u16>>,
    /// Per answer; [`NONE`] where it weighs nothing.
    pub of_answer: Vec<u32>,
    /// Per pattern and class: summed weights. They are scaled to a mean of one over the answers.
    pub weights: Vec<[f64; 3]>,
    /// Per pattern and class: number of answers.
    pub counts: Vec<[u32; 3]>,
    /// What an answer's own weight is multiplied with.
    pub scale: f64,
    /// Per pattern: its profile, the levels of all covariates together.
    pub profile_of: Vec<u32>,
    /// Per profile: the first pattern that has it.
    pub profiles: Vec<u32>,
}

impl Patterns {
    /// Of a problem that was checked.
    pub fn of(problem: &Problem) -> Patterns {
        let weighed = |answer: usize| problem.weight(answer) > 0.0;
        let answers = (0..problem.answers()).filter(|answer| weighed(*answer)).count();
        let total: f64 = (0..problem.answers()).map(|answer| problem.weight(answer)).sum();
        let scale = if total > 0.0 { answers as f64 / total } else { 1.0 };
        let levels: Vec<Levels> = problem.covariates.iter().map(|c| levels(problem, c)).collect();

        let mut keys = Keys::new(&fields(problem, &levels));
        let mut patterns = Patterns {
            codes: Vec::new(),
            of_answer: vec![NONE; problem.answers()],
            weights: Vec::new(),
            counts: Vec::new(),
            scale,
            levels,
            profile_of: Vec::new(),
            profiles: Vec::new(),
        };
        const BLOCK: usize = 1024;
        let mut block: Vec<u64> = Vec::new();
        for start in (0..problem.answers()).step_by(BLOCK) {
            let end = (start + BLOCK).min(problem.answers());
            patterns.pack(problem, &keys, start..end, &mut block);
            for (at, answer) in (start..end).enumerate() {
                if !weighed(answer) {
                    continue;
                }
                let pattern = keys.position(&block[at * keys.words..(at + 1) * keys.words]);
                if pattern as usize == patterns.weights.len() {
                    patterns.weights.push([0.0; 3]);
                    patterns.counts.push([0; 3]);
                }
                let class = problem.classes[answer] as usize;
                patterns.of_answer[answer] = pattern;
                patterns.weights[pattern as usize][class] += problem.weight(answer) * scale;
                patterns.counts[pattern as usize][class] += 1;
            }
        }
        (patterns.profile_of, patterns.profiles) = keys.profiles(patterns.levels.len());
        patterns.codes = keys.unpack();
        patterns
    }

    pub fn len(&self) -> usize {
        self.weights.len()
    }

    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Number of answers that weigh something.
    pub fn answers(&self) -> u64 {
        self.counts.iter().flatten().map(|n| u64::from(*n)).sum()
    }

    /// Summed weights by class.
    pub fn by_class(&self) -> [f64; 3] {
        self.weights.iter().fold([0.0; 3], |sum, w| [sum[0] + w[0], sum[1] + w[1], sum[2] + w[2]])
    }

    /// The state of a touchpoint in a pattern.
    pub fn state(&self, touchpoint: usize, pattern: usize) -> State {
        State::ALL[usize::from(self.codes[self.levels.len() + touchpoint][pattern])]
    }

    /// The states of a touchpoint, pattern by pattern.
    pub fn states(&self, touchpoint: usize) -> impl Iterator<Item = State> + '_ {
        self.codes[self.levels.len() + touchpoint].iter().map(|code| State::ALL[usize::from(*code)])
    }

    /// The weight of an answer as the model counts it.
    #[inline]
    pub fn weight(&self, problem: &Problem, answer: usize) -> f64 {
        problem.weight(answer) * self.scale
    }

    /// One answer as the model counts it.
    pub fn answer(&self, problem: &Problem, answer: usize) -> Option<(u32, Class, f64)> {
        let pattern = self.of_answer[answer];
        (pattern != NONE).then(|| (pattern, problem.classes[answer], problem.weight(answer) * self.scale))
    }

    /// Packs the codes of some answers into words, `keys.words` each.
    fn pack(&self, problem: &Problem, keys: &Keys, answers: std::ops::Range<usize>, block: &mut Vec<u64>) {
        block.clear();
        block.resize(answers.len() * keys.words, 0);
        let fields = keys.fields.iter();
        let (covariates, touchpoints) = fields.as_slice().split_at(self.levels.len());
        for ((field, covariate), levels) in covariates.iter().zip(&problem.covariates).zip(&self.levels) {
            for (at, code) in covariate.codes[answers.clone()].iter().enumerate() {
                block[at * keys.words + field.word] |=
                    u64::from(levels.level_of[usize::from(*code)]) << field.shift;
            }
        }
        for (field, touchpoint) in touchpoints.iter().zip(&problem.touchpoints) {
            for (at, state) in touchpoint.states[answers.clone()].iter().enumerate() {
                block[at * keys.words + field.word] |= (*state as u64) << field.shift;
            }
        }
    }
}

/// Levels of a covariate in the model: by answers that weigh something, the most frequent first as the
/// reference, rare ones pooled, the others in the covariate's order.
fn levels(problem: &Problem, covariate: &Covariate) -> Levels {
    let mut counts = vec![0usize; covariate.levels.len()];
    for (answer, code) in covariate.codes.iter().enumerate() {
        if problem.weight(answer) > 0.0 {
            counts[usize::from(*code)] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let reference = counts.iter().position(|n| *n == most).unwrap_or(0);
    let is_rare = |code: usize| code != reference && counts[code] < FEWEST_OF_A_LEVEL;
    let rare: usize = (0..counts.len()).filter(|code| is_rare(*code)).map(|code| counts[code]).sum();
    let mut names = vec![covariate.levels.get(reference).cloned().unwrap_or_default()];
    let mut level_of = vec![0u16; counts.len()];
    for code in (0..counts.len()).filter(|code| *code != reference && !is_rare(*code)) {
        level_of[code] = names.len() as u16;
        names.push(covariate.levels[code].clone());
    }
    if rare >= FEWEST_OF_A_LEVEL {
        for code in (0..counts.len()).filter(|code| is_rare(*code)) {
            level_of[code] = names.len() as u16;
        }
        names.push(POOLED.into());
    }
    Levels { level_of, names, is_pooled: rare > 0 }
}

/// Where a term's code lies in a key.
#[derive(Debug, Clone, Copy)]
struct Field {
    word: usize,
    shift: u32,
    bits: u32,
}

impl Field {
    fn mask(&self) -> u64 {
        (1 << self.bits) - 1
    }
}

fn fields(problem: &Problem, levels: &[Levels]) -> Vec<Field> {
    let highest = levels
        .iter()
        .map(|levels| levels.names.len().saturating_sub(1))
        .chain(problem.touchpoints.iter().map(|t| t.states.iter().max().map_or(0, |s| *s as usize)));
    let (mut word, mut used) = (0, 0);
    highest
        .map(|highest| {
            let bits = usize::BITS - highest.leading_zeros();
            if used + bits > u64::BITS {
                (word, used) = (word + 1, 0);
            }
            let field = Field { word, shift: used, bits };
            used += bits;
            field
        })
        .collect()
}

/// Different keys in the order in which they were first seen: an open table over one flat vector.
struct Keys {
    fields: Vec<Field>,
    words: usize,
    keys: Vec<u64>,
    slots: Vec<u32>,
}

impl Keys {
    fn new(fields: &[Field]) -> Keys {
        let words = fields.iter().map(|field| field.word + 1).max().unwrap_or(1);
        Keys { fields: fields.to_vec(), words, keys: Vec::new(), slots: vec![NONE; 1024] }
    }

    fn len(&self) -> usize {
        self.keys.len() / self.words
    }

    fn position(&mut self, key: &[u64]) -> u32 {
        if self.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let mut slot = slot(key, self.slots.len());
        loop {
            let at = self.slots[slot];
            if at == NONE {
                let at = self.len() as u32;
                self.slots[slot] = at;
                self.keys.extend_from_slice(key);
                return at;
            }
            if &self.keys[at as usize * self.words..(at as usize + 1) * self.words] == key {
                return at;
            }
            slot = (slot + 1) % self.slots.len();
        }
    }

    fn grow(&mut self) {
        let mut slots = vec![NONE; self.slots.len() * 4];
        for (at, key) in self.keys.chunks_exact(self.words).enumerate() {
            let mut slot = slot(key, slots.len());
            while slots[slot] != NONE {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = at as u32;
        }
        self.slots = slots;
    }

    /// Keys that agree in their first fields, numbered in order; and the first key of each number.
    fn profiles(&self, fields: usize) -> (Vec<u32>, Vec<u32>) {
        let mut masks = vec![0u64; self.words];
        for field in &self.fields[..fields] {
            masks[field.word] |= field.mask() << field.shift;
        }
        let mut seen = Keys::new(&self.fields);
        let (mut of_key, mut first) = (Vec::with_capacity(self.len()), Vec::new());
        let mut masked = vec![0u64; self.words];
        for (at, key) in self.keys.chunks_exact(self.words).enumerate() {
            masked.iter_mut().zip(key).zip(&masks).for_each(|((masked, word), mask)| *masked = word & mask);
            let profile = seen.position(&masked);
            if profile as usize == first.len() {
                first.push(at as u32);
            }
            of_key.push(profile);
        }
        (of_key, first)
    }

    fn unpack(self) -> Vec<Vec<u16>> {
        self.fields
            .iter()
            .map(|field| {
                let mask = field.mask();
                let code = |key: &[u64]| ((key[field.word] >> field.shift) & mask) as u16;
                self.keys.chunks_exact(self.words).map(code).collect()
            })
            .collect()
    }
}

/// Fowler–Noll–Vo over words with a final mix; the number of slots is a power of two.
pub(super) fn slot(key: &[u64], slots: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in key {
        hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    (hash.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20) as usize & (slots - 1)
}

#[cfg(test)]
mod tests {
    use super::super::problem::Touchpoint;
    use super::*;

    #[test]
    fn equal_rows_become_one_and_weights_add_up() {
        let (p, d) = (Class::Promoter, Class::Detractor);
        let states: Vec<Vec<State>> = (0..40)
            .map(|t| (0..6).map(|i| if i % 3 == t % 3 { State::Yes } else { State::No }).collect())
            .collect();
        let touchpoint = |states| Touchpoint {
            id: "t".into(),
            stage: 0,
            factor: None,
            within: None,
            after: vec![],
            waits_for: None,
            states,
        };
        let problem = Problem {
            classes: &[p, d, p, p, p, d],
            weights: Some(&[1.0, 2.0, 3.0, 4.0, 0.0, 6.0]),
            clusters: vec![&[0, 1, 2, 3, 4, 5]],
            touchpoints: states.iter().map(|s| touchpoint(s.as_slice())).collect(),
            covariates: vec![],
        };
        problem.check().unwrap();
        let patterns = Patterns::of(&problem);
        assert_eq!(patterns.of_answer, [0, 1, 2, 0, NONE, 2]);
        // 16 in sum over 5 answers that weigh something.
        assert!((patterns.scale - 5.0 / 16.0).abs() < 1e-15);
        assert_eq!(patterns.counts, [[2, 0, 0], [0, 0, 1], [1, 0, 1]]);
        assert!((patterns.weights[2][2] - 6.0 * 5.0 / 16.0).abs() < 1e-15);
        // Without covariates everybody is alike.
        assert_eq!(
            (patterns.profile_of.as_slice(), patterns.profiles.as_slice()),
            ([0; 3].as_slice(), [0].as_slice())
        );
        assert_eq!(patterns.state(39, 0), State::Yes);
        assert_eq!(patterns.state(38, 2), State::Yes);
        assert_eq!(patterns.state(38, 0), State::No);
    }

    #[test]
    fn rare_levels_are_pooled() {
        let codes: Vec<u16> = (0..300)
            .map(|i| {
                if i < 200 {
                    1
                } else if i < 250 {
                    0
                } else {
                    2 + i % 5
                }
            })
            .collect();
        let classes = vec![Class::Promoter; 300];
        let clusters: Vec<u32> = (0..300).collect();
        let names = |n: usize| (0..n).map(|i| format!("l{i}")).collect();
        let mut problem = Problem {
            classes: &classes,
            weights: None,
            clusters: vec![&clusters],
            touchpoints: vec![],
            covariates: vec![Covariate { name: "region".into(), levels: names(7), codes: &codes }],
        };
        let found = &Patterns::of(&problem).levels[0];
        assert_eq!(found.names, ["l1", "l0", POOLED]);
        assert_eq!(found.level_of, [1, 0, 2, 2, 2, 2, 2]);
        // Even together too rare: they join the reference.
        problem.classes = &classes[..290];
        problem.clusters = vec![&clusters[..290]];
        problem.covariates[0].codes = &codes[..290];
        let found = &Patterns::of(&problem).levels[0];
        assert_eq!(found.names, ["l1", "l0"]);
        assert_eq!((found.level_of[4], found.is_pooled), (0, true));
    }
}
