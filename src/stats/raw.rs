//! The unadjusted comparison beside every effect: a 2 × 2 table, and strata of them.

use super::quantiles::normal_quantile;

/// Cases (detractors) and answers, exposed and unexposed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Table {
    pub exposed_cases: f64,
    pub exposed: f64,
    pub unexposed_cases: f64,
    pub unexposed: f64,
}

/// A ratio with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Table {
    /// Of risks, with Katz's log interval (Rothman, Greenland and Lash, *Modern Epidemiology*, ch. 14); none
    /// where a cell that divides is empty.
    pub fn risk_ratio(&self) -> Option<Ratio> {
        let value = (self.exposed_cases / self.exposed) / (self.unexposed_cases / self.unexposed);
        let variance =
            1.0 / self.exposed_cases - 1.0 / self.exposed + 1.0 / self.unexposed_cases - 1.0 / self.unexposed;
        log_interval(value, variance)
    }

    /// Risk among the exposed less risk among the unexposed, −1 to 1.
    pub fn risk_difference(&self) -> Option<f64> {
        (self.exposed > 0.0 && self.unexposed > 0.0)
            .then(|| self.exposed_cases / self.exposed - self.unexposed_cases / self.unexposed)
    }

    pub fn odds_ratio(&self) -> Option<f64> {
        let value = self.exposed_cases * (self.unexposed - self.unexposed_cases)
            / ((self.exposed - self.exposed_cases) * self.unexposed_cases);
        value.is_finite().then_some(value)
    }

    /// Exposed × risk difference.
    pub fn avoidable(&self) -> Option<f64> {
        Some(self.exposed * self.risk_difference()?)
    }

    /// Share of all cases that would not be there at the unexposed's risk.
    pub fn attributable_fraction(&self) -> Option<f64> {
        let share = self.avoidable()? / (self.exposed_cases + self.unexposed_cases);
        share.is_finite().then_some(share)
    }
}

/// Mantel and Haenszel's odds ratio over strata (1959) with the interval of Robins, Breslow and Greenland
/// (1986).
pub fn mantel_haenszel(strata: &[Table]) -> Option<Ratio> {
    let (mut r, mut s, mut pr, mut ps_qr, mut qs) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for table in strata.iter().filter(|table| table.exposed + table.unexposed > 0.0) {
        let total = table.exposed + table.unexposed;
        let (a, b) = (table.exposed_cases, table.exposed - table.exposed_cases);
        let (c, d) = (table.unexposed_cases, table.unexposed - table.unexposed_cases);
        let (right, wrong) = (a * d / total, b * c / total);
        let (p, q) = ((a + d) / total, (b + c) / total);
        r += right;
        s += wrong;
        pr += p * right;
        ps_qr += p * wrong + q * right;
        qs += q * wrong;
    }
    log_interval(r / s, pr / (2.0 * r * r) + ps_qr / (2.0 * r * s) + qs / (2.0 * s * s))
}

fn log_interval(value: f64, variance: f64) -> Option<Ratio> {
    let reach = normal_quantile(0.975) * variance.sqrt();
    let is_known = value.is_finite() && value > 0.0 && reach.is_finite();
    is_known.then(|| Ratio { value, low: value * (-reach).exp(), high: value * reach.exp() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
    }

    #[test]
    fn reference_table() {
        let table = Table { exposed_cases: 60.0, exposed: 200.0, unexposed_cases: 90.0, unexposed: 800.0 };
        let ratio = table.risk_ratio().unwrap();
        close(ratio.value, 2.666667, 5e-7);
        close(ratio.low, 2.000219, 5e-7);
        close(ratio.high, 3.555167, 5e-7);
        close(table.risk_difference().unwrap(), 0.1875, 1e-12);
        close(table.odds_ratio().unwrap(), 3.380952, 5e-7);
        close(table.attributable_fraction().unwrap(), 0.25, 1e-12);
        close(table.avoidable().unwrap(), 37.5, 1e-12);
    }

    /// UCBAdmissions (R's datasets; Bickel, Hammel and O'Connell 1975): admitted men and women by department.
    #[test]
    fn reference_strata_turn_round() {
        let departments = [
            (512.0, 313.0, 89.0, 19.0),
            (353.0, 207.0, 17.0, 8.0),
            (120.0, 205.0, 202.0, 391.0),
            (138.0, 279.0, 131.0, 244.0),
            (53.0, 138.0, 94.0, 299.0),
            (22.0, 351.0, 24.0, 317.0),
        ];
        let strata: Vec<Table> = departments
            .iter()
            .map(|(a, b, c, d)| Table {
                exposed_cases: *a,
                exposed: a + b,
                unexposed_cases: *c,
                unexposed: c + d,
            })
            .collect();
        let sum = |f: fn(&Table) -> f64| strata.iter().map(f).sum::<f64>();
        let crude = Table {
            exposed_cases: sum(|t| t.exposed_cases),
            exposed: sum(|t| t.exposed),
            unexposed_cases: sum(|t| t.unexposed_cases),
            unexposed: sum(|t| t.unexposed),
        };
        close(crude.odds_ratio().unwrap(), 1.841080, 5e-7);
        let common = mantel_haenszel(&strata).unwrap();
        close(common.value, 0.9046968, 5e-8);
        close(common.low, 0.7719074, 5e-8);
        close(common.high, 1.0603298, 5e-8);
    }

    #[test]
    fn empty_cells_give_no_number() {
        let table = Table { exposed_cases: 0.0, exposed: 0.0, unexposed_cases: 3.0, unexposed: 9.0 };
        assert_eq!((table.risk_ratio(), table.risk_difference(), table.odds_ratio()), (None, None, None));
        assert_eq!(mantel_haenszel(&[]), None);
    }
}
