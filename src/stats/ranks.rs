//! Between which ranks a touchpoint may stand, with 95% confidence for all at once.
//!
//! Mogstad, Romano, Shaikh and Wilhelm 2024: two are told apart if their |t| exceeds the 95% quantile of the
//! largest |t| of any pair, which is simulated from the joint covariance.

use nalgebra::DMatrix;
use rand::Rng;

use super::linear;

/// The rank of an estimate (1 is the largest) and the interval of its true rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    pub rank: usize,
    pub low: usize,
    pub high: usize,
}

const DRAWS: usize = 10_000;

/// Ranks of estimates with their joint covariance.
pub fn ranks(estimates: &[f64], covariance: &DMatrix<f64>, random: &mut impl Rng) -> Vec<Rank> {
    let many = estimates.len();
    let spread = |i: usize, j: usize| {
        (covariance[(i, i)] + covariance[(j, j)] - 2.0 * covariance[(i, j)]).max(0.0).sqrt()
    };
    let critical = critical_value(covariance, random, spread);
    let is_above = |i: usize, j: usize| {
        let spread = spread(i, j);
        spread > 0.0 && (estimates[i] - estimates[j]) / spread > critical
    };
    (0..many)
        .map(|i| Rank {
            rank: 1
                + (0..many)
                    .filter(|j| estimates[*j] > estimates[i] || (estimates[*j] == estimates[i] && *j < i))
                    .count(),
            low: 1 + (0..many).filter(|j| is_above(*j, i)).count(),
            high: many - (0..many).filter(|j| is_above(i, *j)).count(),
        })
        .collect()
}

/// The 95% quantile of the largest |t| over pairs.
fn critical_value(
    covariance: &DMatrix<f64>,
    random: &mut impl Rng,
    spread: impl Fn(usize, usize) -> f64,
) -> f64 {
    let many = covariance.nrows();
    let root = linear::root(covariance);
    let pairs: Vec<(usize, usize, f64)> = (0..many)
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .map(|(i, j)| (i, j, spread(i, j)))
        .filter(|(.., spread)| *spread > 0.0)
        .collect();
    let mut largest: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let z: Vec<f64> = (0..many).map(|_| standard_normal(random)).collect();
            let draw = linear::times(&root, &z);
            pairs.iter().map(|(i, j, spread)| (draw[*i] - draw[*j]).abs() / spread).fold(0.0, f64::max)
        })
        .collect();
    largest.sort_by(f64::total_cmp);
    largest[DRAWS * 95 / 100]
}

/// A standard normal number, by Box and Muller.
pub fn standard_normal(random: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Tukey's studentised range: three independent means, 95%: q = 3.314493, |t| = q / √2.
    #[test]
    fn the_critical_value_is_that_of_the_studentised_range() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let covariance = DMatrix::identity(3, 3);
        let found = critical_value(&covariance, &mut random, |_, _| 2.0f64.sqrt());
        assert!((found - 3.314493 / 2.0f64.sqrt()).abs() < 0.03, "{found}");
    }

    #[test]
    fn ranks_overlap_unless_told_apart() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let covariance = DMatrix::from_diagonal_element(3, 3, 0.01);
        let found = ranks(&[1.0, 3.0, 1.1], &covariance, &mut random);
        assert_eq!(found[0], Rank { rank: 3, low: 2, high: 3 });
        assert_eq!(found[1], Rank { rank: 1, low: 1, high: 1 });
        assert_eq!(found[2], Rank { rank: 2, low: 2, high: 3 });
    }

    /// Tied truths: the interval holds every rank in about 95% of draws.
    #[test]
    fn tied_ranks_are_covered() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let covariance = DMatrix::from_fn(4, 4, |i, j| if i == j { 1.0 } else { 0.4 });
        let root = linear::root(&covariance);
        let mut covered = 0;
        for _ in 0..200 {
            let z: Vec<f64> = (0..4).map(|_| standard_normal(&mut random)).collect();
            let found = ranks(&linear::times(&root, &z), &covariance, &mut random);
            covered += u32::from(found.iter().all(|rank| (rank.low, rank.high) == (1, 4)));
        }
        assert!((180..=199).contains(&covered), "{covered}");
    }

    #[test]
    fn nothing_to_rank() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        assert!(ranks(&[], &DMatrix::zeros(0, 0), &mut random).is_empty());
        assert_eq!(ranks(&[1.0], &DMatrix::identity(1, 1), &mut random), [Rank { rank: 1, low: 1, high: 1 }]);
    }
}
