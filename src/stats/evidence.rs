//! How sure, and how robust: false discovery rates and E-values.

/// Benjamini and Hochberg's adjusted p-values (1995), in the order given: the smallest rate of false
/// discoveries at which each would still be called one. A family is all that is tested together.
pub fn q_values(p_values: &[f64]) -> Vec<f64> {
    let many = p_values.len();
    let mut order: Vec<usize> = (0..many).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]).then(a.cmp(b)));
    let mut q_values = vec![1.0; many];
    let mut least = 1.0f64;
    for (rank, at) in order.iter().enumerate().rev() {
        least = least.min(p_values[*at] * many as f64 / (rank + 1) as f64);
        q_values[*at] = least;
    }
    q_values
}

/// How strongly something unmeasured would have to go along with both the touchpoint and detraction, as a
/// risk ratio, to explain a risk ratio away: RR + √(RR (RR − 1)), inverted below 1 (VanderWeele and Ding
/// 2017). It speaks of detractors, not of NPS points.
pub fn e_value(risk_ratio: f64) -> f64 {
    let ratio = if risk_ratio < 1.0 { 1.0 / risk_ratio } else { risk_ratio };
    ratio + (ratio * (ratio - 1.0)).sqrt()
}

/// The E-value of the limit nearest to 1; 1 where the interval holds 1.
pub fn e_value_limit(low: f64, high: f64) -> f64 {
    if low > 1.0 {
        e_value(low)
    } else if high < 1.0 {
        e_value(high)
    } else {
        1.0
    }
}

/// The E-value for moving an observed risk ratio to another true one.
pub fn e_value_of_shift(observed: f64, to: f64) -> f64 {
    e_value(observed / to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_values_of_vanderweele_and_ding() {
        for (ratio, expected) in [
            (3.9, 7.263034),
            (1.8, 3.0),
            (10.73, 20.947774),
            (8.02, 15.523359),
            (0.80, 1.809017),
            (0.91, 1.428571),
        ] {
            assert!((e_value(ratio) - expected).abs() < 5e-7, "{ratio}: {}", e_value(ratio));
        }
        assert!((e_value_of_shift(2.5, 1.5) - 2.720759).abs() < 5e-7);
        assert_eq!(e_value_limit(0.9, 1.2), 1.0);
        assert_eq!(e_value_limit(1.8, 3.0), e_value(1.8));
        assert_eq!(e_value_limit(0.5, 0.8), e_value(0.8));
    }

    /// The 15 p-values of Benjamini and Hochberg 1995, section 4: four are rejected at .05.
    #[test]
    fn false_discoveries_of_benjamini_and_hochberg() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0,
        ];
        let q = q_values(&p);
        assert_eq!(q.iter().filter(|q| **q <= 0.05).count(), 4);
        assert!((q[3] - 0.0095 * 15.0 / 4.0).abs() < 1e-15);
        let reversed: Vec<f64> = p.iter().rev().copied().collect();
        let mut back = q_values(&reversed);
        back.reverse();
        assert_eq!(back, q);
        assert!(q_values(&[]).is_empty());
    }
}
