//! What chance does to a figure of so many worlds: exact binomial bounds, and t where shares differ by world.

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

/// Level of the one-sided bounds that stand beside a figure.
pub const LEVEL: f64 = 0.99;

/// The largest true share that leaves so few, or fewer, with a probability of 1 − `level` (Clopper and Pearson
/// 1934).
pub fn upper_bound(found: u64, worlds: u64, level: f64) -> f64 {
    if found >= worlds {
        return 1.0;
    }
    Beta::new(found as f64 + 1.0, (worlds - found) as f64).map_or(1.0, |beta| beta.inverse_cdf(level))
}

/// The smallest true share that leaves so many, or more, with a probability of 1 − `level`.
pub fn lower_bound(found: u64, worlds: u64, level: f64) -> f64 {
    1.0 - upper_bound(worlds - found.min(worlds), worlds, level)
}

/// The probability of at most so many.
pub fn at_most(found: u64, worlds: u64, share: f64) -> f64 {
    Binomial::new(share, worlds).map_or(1.0, |binomial| binomial.cdf(found))
}

/// The fewest that a method of this share leaves out of so many worlds, but for a probability of `error`.
pub fn fewest(worlds: u64, share: f64, error: f64) -> u64 {
    (0..=worlds).find(|found| at_most(*found, worlds, share) > error).unwrap_or(worlds)
}

/// The most, likewise.
pub fn most(worlds: u64, share: f64, error: f64) -> u64 {
    worlds - fewest(worlds, 1.0 - share, error)
}

/// The probability that a method of this share shows less than `least` or more than `most`.
pub fn outside(worlds: u64, share: f64, least: Option<f64>, most: Option<f64>) -> f64 {
    // Shares of whole worlds, whatever their last digit.
    let count = |bound: f64| bound * worlds as f64;
    let below = least.map_or(0.0, |least| match (count(least) - 1e-9).ceil() {
        none if none <= 0.0 => 0.0,
        first => at_most(first as u64 - 1, worlds, share),
    });
    let above = most.map_or(0.0, |most| 1.0 - at_most((count(most) + 1e-9).floor() as u64, worlds, share));
    below + above.max(0.0)
}

/// How many standard errors of a mean of so many worlds chance exceeds with a probability of `error`.
pub fn reach(worlds: u64, error: f64) -> f64 {
    // Halving: the library's inverse is good to a few per cent far out.
    let (mut near, mut far) = (0.0, 1e9);
    for _ in 0..200 {
        let middle = 0.5 * (near + far);
        if beyond(worlds, middle) > error {
            near = middle;
        } else {
            far = middle;
        }
    }
    far
}

/// The probability that a mean of so many worlds lies more than so many standard errors above its own.
pub fn beyond(worlds: u64, errors: f64) -> f64 {
    let degrees = worlds.saturating_sub(1).max(1) as f64;
    StudentsT::new(0.0, 1.0, degrees).map_or(1.0, |t| t.sf(errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats: beta.ppf(.99, k + 1, n - k), binom.cdf, t.sf; by hand where nothing was found.
    #[test]
    fn as_scipy_has_them() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        // Nothing of n: 1 − .01^(1/n).
        close(upper_bound(0, 10, 0.99), 1.0 - 0.01_f64.powf(0.1));
        close(upper_bound(10, 10, 0.99), 1.0);
        close(lower_bound(10, 10, 0.99), 0.01_f64.powf(0.1));
        close(lower_bound(0, 10, 0.99), 0.0);
        close(upper_bound(3, 10, 0.99), 0.702_883_528);
        close(at_most(15, 20, 0.95), 0.002_573_940);
        // P(K ≤ 0) = .05³, P(K ≤ 1) = .05³ + 3 × .95 × .05².
        close(at_most(1, 3, 0.95), 0.000_125 + 0.007_125);
        assert_eq!((fewest(3, 0.95, 0.001), fewest(3, 0.95, 0.0001)), (1, 0));
        assert_eq!(most(3, 0.05, 0.001), 2);
        close(outside(3, 0.95, Some(1.0 / 3.0), None), 0.000_125);
        close(outside(3, 0.95, Some(0.0), Some(2.0 / 3.0)), 0.857_375);
        // What 92.5 to 97.5% leaves a right method at 1,000 worlds: scipy binom(1000, .95).
        let literal = outside(1_000, 0.95, Some(0.925), Some(0.975));
        close(literal, 0.000_281_831);
        close(beyond(10_000_000, 1.959_963_985), 0.025);
        // scipy.stats.t.isf
        close(reach(12, 5e-8), 12.177_707_989);
        close(reach(100, 1.5e-4), 3.747_953_739);
        close(reach(10_000_000, 0.025), 1.959_964_222);
    }
}
