//! Partial pooling: estimates of many groups, each drawn towards their common mean as far as chance explains
//! how they differ.
//!
//! θ̂_s ~ N(θ_s, v_s), θ_s ~ N(β, τ²); τ² by restricted maximum likelihood (Patterson and Thompson 1971; Fisher
//! scoring as in Viechtbauer 2005); shrinkage and its uncertainty after Morris 1983.

/// The spread between groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// τ², in squared units of the estimates.
    pub between: f64,
    pub mean: f64,
    pub std_error: f64,
}

/// REML of a random-effects mean. None with fewer than two groups.
pub fn reml(estimates: &[f64], variances: &[f64]) -> Option<Spread> {
    let many = estimates.len() as f64;
    if estimates.len() < 2 || variances.iter().any(|v| !v.is_finite() || *v <= 0.0) {
        return None;
    }
    let mean: f64 = estimates.iter().sum::<f64>() / many;
    let spread: f64 = estimates.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / (many - 1.0);
    let mut between = (spread - variances.iter().sum::<f64>() / many).max(0.0);
    for _ in 0..500 {
        let step = scoring_step(estimates, variances, between);
        let next = (between + step).max(0.0);
        if (next - between).abs() <= 1e-12 * (1e-6 + between) {
            break;
        }
        between = next;
    }
    let weights: Vec<f64> = variances.iter().map(|v| 1.0 / (v + between)).collect();
    let total: f64 = weights.iter().sum();
    let mean = weights.iter().zip(estimates).map(|(w, y)| w * y).sum::<f64>() / total;
    Some(Spread { between, mean, std_error: total.recip().sqrt() })
}

/// A group's estimate, drawn towards the mean of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    pub value: f64,
    /// With the uncertainty of the mean as far as it is drawn there.
    pub std_error: f64,
}

/// Each estimate drawn towards the common mean: θ̂ B + β̂ (1 − B) with B = τ² / (τ² + v), its variance
/// v B + (1 − B)² Var(β̂). As they are where nothing can be said of their spread.
pub fn drawn(estimates: &[f64], variances: &[f64]) -> Vec<Drawn> {
    let spread = reml(estimates, variances);
    let pairs = estimates.iter().zip(variances);
    pairs
        .map(|(estimate, variance)| match spread {
            None => Drawn { value: *estimate, std_error: variance.max(0.0).sqrt() },
            Some(spread) => {
                let own = spread.between / (spread.between + variance);
                Drawn {
                    value: own * estimate + (1.0 - own) * spread.mean,
                    std_error: (variance * own + ((1.0 - own) * spread.std_error).powi(2)).sqrt(),
                }
            }
        })
        .collect()
}

/// (yᵀPPy − tr P) / tr PP at τ², with P the projection of the weighted mean.
fn scoring_step(estimates: &[f64], variances: &[f64], between: f64) -> f64 {
    let weights: Vec<f64> = variances.iter().map(|v| 1.0 / (v + between)).collect();
    let power = |n: i32| weights.iter().map(|w| w.powi(n)).sum::<f64>();
    let (one, two, three) = (power(1), power(2), power(3));
    let mean = weights.iter().zip(estimates).map(|(w, y)| w * y).sum::<f64>() / one;
    let squares: f64 = weights.iter().zip(estimates).map(|(w, y)| (w * (y - mean)).powi(2)).sum();
    (squares - (one - two / one)) / (two - 2.0 * three / one + (two / one).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 13 trials of BCG vaccine (Colditz 1994): log risk ratios. metafor's rma(method = "REML"): τ² .3132,
    /// mean −.7145, standard error .1798.
    #[test]
    fn bcg_trials() {
        let trials = [
            [4.0, 119.0, 11.0, 128.0],
            [6.0, 300.0, 29.0, 274.0],
            [3.0, 228.0, 11.0, 209.0],
            [62.0, 13536.0, 248.0, 12619.0],
            [33.0, 5036.0, 47.0, 5761.0],
            [180.0, 1361.0, 372.0, 1079.0],
            [8.0, 2537.0, 10.0, 619.0],
            [505.0, 87886.0, 499.0, 87892.0],
            [29.0, 7470.0, 45.0, 7232.0],
            [17.0, 1699.0, 65.0, 1600.0],
            [186.0, 50448.0, 141.0, 27197.0],
            [5.0, 2493.0, 3.0, 2338.0],
            [27.0, 16886.0, 29.0, 17825.0],
        ];
        let ratios: Vec<f64> =
            trials.iter().map(|[a, b, c, d]: &[f64; 4]| ((a / (a + b)) / (c / (c + d))).ln()).collect();
        let variances: Vec<f64> =
            trials.iter().map(|[a, b, c, d]| 1.0 / a - 1.0 / (a + b) + 1.0 / c - 1.0 / (c + d)).collect();
        let found = reml(&ratios, &variances).unwrap();
        assert!((found.between - 0.3132).abs() < 5e-5, "{found:?}");
        assert!((found.mean + 0.7145).abs() < 5e-5, "{found:?}");
        assert!((found.std_error - 0.1798).abs() < 5e-5, "{found:?}");
    }

    #[test]
    fn few_answers_are_drawn_furthest() {
        // τ² = 3 and β = 0 by symmetry: what is left of each is 3 / (3 + v).
        let found = drawn(&[-2.0, 2.0], &[5.0, 5.0]);
        let spread = reml(&[-2.0, 2.0], &[5.0, 5.0]).unwrap();
        assert!((spread.between - 3.0).abs() < 1e-9 && spread.mean.abs() < 1e-9, "{spread:?}");
        assert!((found[1].value - 0.75).abs() < 1e-9, "{found:?}");
        let variance: f64 = 5.0 * 0.375 + 0.625f64.powi(2) * (8.0 / 2.0);
        assert!((found[1].std_error - variance.sqrt()).abs() < 1e-9, "{found:?}");
        assert_eq!(drawn(&[7.0], &[4.0]), [Drawn { value: 7.0, std_error: 2.0 }]);
        assert_eq!(drawn(&[], &[]), []);
    }

    #[test]
    fn no_spread_beyond_chance_is_none() {
        let found = reml(&[1.0, 1.01, 0.99, 1.0], &[0.5; 4]).unwrap();
        assert_eq!(found.between, 0.0);
        assert!((found.std_error - (0.5f64 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(reml(&[1.0], &[0.5]), None);
    }
}
