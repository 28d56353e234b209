//! Quantiles and tails of the t and normal distributions.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Beyond so many degrees of freedom t is normal to ten digits at the usual levels.
const NORMAL_FROM: f64 = 1e7;

/// The quantile of Student's t with `degrees` of freedom; none below one degree.
pub fn t_quantile(probability: f64, degrees: f64) -> Option<f64> {
    if degrees.is_nan() || degrees < 1.0 {
        return None;
    }
    if degrees > NORMAL_FROM {
        return Some(normal_quantile(probability));
    }
    let t = StudentsT::new(0.0, 1.0, degrees).ok()?;
    let mut x = t.inverse_cdf(probability);
    // One step of Newton's method: the library's inverse is good to some eight digits.
    for _ in 0..2 {
        let density = statrs::distribution::Continuous::pdf(&t, x);
        if density > 0.0 {
            x -= (t.cdf(x) - probability) / density;
        }
    }
    Some(x)
}

/// Two-sided p-value of |t|; none below one degree of freedom.
pub fn t_p_value(t: f64, degrees: f64) -> Option<f64> {
    if degrees.is_nan() || degrees < 1.0 || !t.is_finite() {
        return None;
    }
    if degrees > NORMAL_FROM {
        return Some(2.0 * Normal::standard().sf(t.abs()));
    }
    let distribution = StudentsT::new(0.0, 1.0, degrees).ok()?;
    Some((2.0 * distribution.sf(t.abs())).min(1.0))
}

pub fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// Upper tail of χ² with `degrees` of freedom.
pub fn chi_squared_p_value(x: f64, degrees: f64) -> Option<f64> {
    let distribution = statrs::distribution::ChiSquared::new(degrees).ok()?;
    x.is_finite().then(|| distribution.sf(x.max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.t.ppf, .sf; chi2.sf.
    #[test]
    fn as_scipy_has_them() {
        for (probability, degrees, expected) in [
            (0.975, 1.0, 12.706_204_736_432_095),
            (0.975, 2.0, 4.302_652_729_911_275),
            (0.975, 29.0, 2.045_229_642_132_703),
            (0.95, 411.0, 1.648_569_516_135_990_6),
            (0.975, 123_456.0, 1.959_983_200_245_186_7),
        ] {
            let found = t_quantile(probability, degrees).unwrap();
            assert!((found - expected).abs() < 1e-9 * expected, "{degrees}: {found}");
        }
        assert_eq!(t_quantile(0.975, 0.0), None);
        assert!((t_p_value(2.5, 29.0).unwrap() - 0.018_325_344_338_426_086).abs() < 1e-12);
        assert!((chi_squared_p_value(12.3, 6.0).unwrap() - 0.055_601_201_779_395_225).abs() < 1e-12);
    }
}
