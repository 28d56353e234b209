//! Whose answers belong together: sums over a customer come before squares.
//!
//! Cluster-robust covariance: Liang and Zeger 1986; two crossed groupings: Cameron, Gelbach and Miller 2011,
//! V = V_A + V_B − V_AB. Customers who answered once are counted by pattern and class; only those who
//! answered several times are walked through one by one.

use super::patterns::{NONE, Patterns, slot};
use super::problem::Problem;

/// One grouping of the answers that weigh something.
#[derive(Debug)]
pub struct Grouping {
    /// +1, or −1 for the intersection of two crossed groupings.
    pub sign: f64,
    /// Number of clusters.
    pub clusters: usize,
    /// Per pattern and class: Σ w² of the answers that are alone in their cluster.
    pub singles: Vec<[f64; 3]>,
    /// Per pattern: number of answers that are alone.
    pub single_counts: Vec<u32>,
    /// Answers of clusters of several, cluster by cluster.
    pub answers: Vec<u32>,
    /// What they are.
    pub units: Vec<Unit>,
    /// Where each cluster of several begins in `answers`; one more at the end.
    pub starts: Vec<usize>,
    /// Per answer, whether it shares its cluster.
    pub is_shared: Vec<bool>,
}

/// An answer as the model sees it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unit {
    pub pattern: u32,
    pub class: u8,
}

impl Grouping {
    /// The groupings of a problem: one, or two and their intersection.
    pub fn all(problem: &Problem, patterns: &Patterns) -> Vec<Grouping> {
        match problem.clusters.as_slice() {
            [one, other] => vec![
                Grouping::of(1.0, one, problem, patterns),
                Grouping::of(1.0, other, problem, patterns),
                Grouping::of(-1.0, &intersection(one, other), problem, patterns),
            ],
            others => others.iter().map(|one| Grouping::of(1.0, one, problem, patterns)).collect(),
        }
    }

    fn of(sign: f64, clusters: &[u32], problem: &Problem, patterns: &Patterns) -> Grouping {
        let clusters = &dense(clusters);
        let most = clusters.iter().max().map_or(0, |most| *most as usize + 1);
        let mut sizes = vec![0u32; most];
        let counted = || (0..clusters.len()).filter(|answer| patterns.of_answer[*answer] != NONE);
        for answer in counted() {
            sizes[clusters[answer] as usize] += 1;
        }
        let mut starts = vec![0usize];
        let mut at = vec![usize::MAX; most];
        for (cluster, size) in sizes.iter().enumerate().filter(|(_, size)| **size > 1) {
            let start = starts[starts.len() - 1];
            at[cluster] = start;
            starts.push(start + *size as usize);
        }
        let mut grouping = Grouping {
            sign,
            clusters: sizes.iter().filter(|size| **size > 0).count(),
            singles: vec![[0.0; 3]; patterns.len()],
            single_counts: vec![0; patterns.len()],
            answers: vec![0; starts[starts.len() - 1]],
            units: vec![Unit::default(); starts[starts.len() - 1]],
            starts,
            is_shared: vec![false; clusters.len()],
        };
        for answer in counted() {
            let cluster = clusters[answer] as usize;
            let Some((pattern, class, weight)) = patterns.answer(problem, answer) else { continue };
            if sizes[cluster] == 1 {
                grouping.singles[pattern as usize][class as usize] += weight * weight;
                grouping.single_counts[pattern as usize] += 1;
            } else {
                grouping.is_shared[answer] = true;
                grouping.answers[at[cluster]] = answer as u32;
                grouping.units[at[cluster]] = Unit { pattern, class: class as u8 };
                at[cluster] += 1;
            }
        }
        grouping
    }

    /// C / (C − 1) with its sign; none for a single cluster, which says nothing of the spread.
    pub fn factor(&self) -> Option<f64> {
        let clusters = self.clusters as f64;
        (self.clusters > 1).then(|| self.sign * clusters / (clusters - 1.0))
    }

    /// Number of clusters of several.
    pub fn several(&self) -> usize {
        self.starts.len() - 1
    }

    /// Answers of a cluster of several, and what they are.
    pub fn members(&self, at: usize) -> impl Iterator<Item = (u32, Unit)> + '_ {
        let range = self.starts[at]..self.starts[at + 1];
        self.answers[range.clone()].iter().copied().zip(self.units[range].iter().copied())
    }

    /// Answers of a cluster of several.
    pub fn cluster(&self, at: usize) -> &[u32] {
        &self.answers[self.starts[at]..self.starts[at + 1]]
    }
}

/// Σ over groupings of sign C/(C−1) × square, squares given per grouping; none where it cannot be known.
/// Crossed groupings can come out at zero or below: then the larger of the two counts.
pub fn variance(groupings: &[Grouping], squares: &[f64]) -> Option<f64> {
    let terms: Option<Vec<f64>> =
        groupings.iter().zip(squares).map(|(grouping, square)| Some(grouping.factor()? * square)).collect();
    let terms = terms?;
    let total: f64 = terms.iter().sum();
    let variance =
        if total > 0.0 || terms.len() == 1 { total } else { terms.iter().copied().fold(0.0, f64::max) };
    variance.is_finite().then_some(variance.max(0.0))
}

/// Cluster numbers without gaps, in order of first appearance, however large they were.
fn dense(clusters: &[u32]) -> Vec<u32> {
    let most = clusters.iter().max().map_or(0, |most| *most as usize);
    if most <= 2 * clusters.len() + 1024 {
        return clusters.to_vec();
    }
    let mut seen = Seen::new(clusters.len());
    clusters.iter().map(|cluster| seen.position([u64::from(*cluster)])).collect()
}

fn intersection(one: &[u32], other: &[u32]) -> Vec<u32> {
    let mut seen = Seen::new(one.len());
    let pairs = one.iter().zip(other);
    pairs.map(|(one, other)| seen.position([u64::from(*one) << 32 | u64::from(*other)])).collect()
}

/// Numbers in order of first appearance.
struct Seen {
    slots: Vec<u32>,
    keys: Vec<u64>,
}

impl Seen {
    fn new(most: usize) -> Seen {
        Seen { slots: vec![NONE; (most * 2).next_power_of_two().max(16)], keys: Vec::new() }
    }

    fn position(&mut self, key: [u64; 1]) -> u32 {
        let mut slot = slot(&key, self.slots.len());
        loop {
            match self.slots[slot] {
                NONE => {
                    self.slots[slot] = self.keys.len() as u32;
                    self.keys.push(key[0]);
                    return self.slots[slot];
                }
                at if self.keys[at as usize] == key[0] => return at,
                _ => slot = (slot + 1) % self.slots.len(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::analysis::Analysis;
    use super::super::effects::{Estimand, Fits};
    use super::super::planted::{LATE, PLAIN, World};

    /// V_A + V_B − V_AB: a second grouping that is the same, or finer, changes nothing; a coarser one does.
    #[test]
    fn crossed_groupings_count_shared_answers_once() {
        let world = World::new(3_000, 131, PLAIN);
        let error = |second: Option<&[u32]>| {
            let mut problem = world.problem();
            problem.clusters.extend(second);
            let analysis = Analysis::of(&problem, 2).unwrap();
            let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
            effects.of[LATE].as_ref().unwrap().measures.nps_points.process.unwrap().std_error
        };
        let one = error(None);
        // Large numbers too: what matters is which are equal.
        let same: Vec<u32> =
            world.customers.iter().map(|customer| 4_000_000_000 - 1_000 * customer).collect();
        let finer: Vec<u32> = (0..3_000).collect();
        let coarser: Vec<u32> = world.customers.iter().map(|customer| customer / 40).collect();
        assert!((error(Some(&same)) / one - 1.0).abs() < 1e-9);
        assert!((error(Some(&finer)) / one - 1.0).abs() < 1e-9);
        assert!((error(Some(&coarser)) / one - 1.0).abs() > 1e-3);
    }
}
