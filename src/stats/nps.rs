//! The Net Promoter Score with an interval, and the test of a change between two periods.
//!
//! An answer is v = 1 (promoter), 0 (passive) or −1 (detractor); NPS is 100 times its mean s. Intervals are
//! adjusted Wald: three pseudo-answers are added, ¾ promoter, 1½ passive, ¾ detractor (Rocks 2016, arXiv
//! 1601.07235; Lewis and Sauro). Answers of one customer are not independent, so deviations are summed per
//! customer before they are squared (Liang and Zeger 1986); each pseudo-answer is a customer of its own.
//! With one answer per customer this is the plain adjusted-Wald interval, to the last digit. Where customers
//! answered several times, the squares count C/(C−1) times for C customers, and quantiles are Student's with
//! C − 1 degrees of freedom (Cameron and Miller 2015, §II.B and VI.D); one customer counts as one answer.

use super::quantiles::{t_p_value, t_quantile};

/// What the answers of one group of respondents add up to. Sums over customers c of S_c (the sum of the
/// customer's v) and n_c (the number of the customer's answers).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    pub promoters: f64,
    pub passives: f64,
    pub detractors: f64,
    /// Σ S_c²
    pub net_net: f64,
    /// Σ S_c n_c
    pub net_answers: f64,
    /// Σ n_c²
    pub answers_answers: f64,
    /// C
    pub customers: f64,
}

/// Products summed over the customers who answered in both of two periods.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SharedSums {
    /// Σ S_1c S_2c
    pub net_net: f64,
    /// Σ S_1c n_2c
    pub net_answers: f64,
    /// Σ n_1c S_2c
    pub answers_net: f64,
    /// Σ n_1c n_2c
    pub answers_answers: f64,
}

/// An NPS and its 95% interval, in points (−100 to 100).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub nps: f64,
    pub low: f64,
    pub high: f64,
}

const PSEUDO_ANSWERS: f64 = 3.0;
const PSEUDO_PROMOTERS: f64 = 0.75;
const PSEUDO_PASSIVES: f64 = 1.5;

/// An adjusted mean (between −1 and 1), its number of answers and its variance.
#[derive(Debug, Clone, Copy)]
struct Adjusted {
    mean: f64,
    answers: f64,
    variance: f64,
}

impl Sums {
    /// Sums for customers who answered once each.
    pub fn independent(promoters: f64, passives: f64, detractors: f64) -> Self {
        Self {
            promoters,
            passives,
            detractors,
            net_net: promoters + detractors,
            net_answers: promoters - detractors,
            answers_answers: promoters + passives + detractors,
            customers: promoters + passives + detractors,
        }
    }

    fn answers(&self) -> f64 {
        self.promoters + self.passives + self.detractors
    }

    /// 100 (P − D) / n; none without answers.
    pub fn nps(&self) -> Option<f64> {
        let answers = self.answers();
        (answers > 0.0).then(|| 100.0 * (self.promoters - self.detractors) / answers)
    }

    /// Σ_c (S_c − n_c m)², the clustered square of deviations from m.
    fn squares(&self, mean: f64) -> f64 {
        self.net_net - 2.0 * mean * self.net_answers + mean * mean * self.answers_answers
    }

    /// Standard error of the NPS in points, unadjusted: 100 √(Σ_c (S_c − n_c s)²) / n.
    pub fn std_error(&self) -> Option<f64> {
        let mean = self.nps()? / 100.0;
        Some(100.0 * self.squares(mean).max(0.0).sqrt() / self.answers())
    }

    /// Whether some customer answered more than once.
    fn is_clustered(&self) -> bool {
        self.customers < self.answers()
    }

    fn is_of_one_customer(&self) -> bool {
        self.is_clustered() && self.customers < 2.0
    }

    /// Degrees of freedom; without end where everybody answered once.
    fn degrees(&self) -> f64 {
        match self.is_clustered() && !self.is_of_one_customer() {
            true => self.customers - 1.0,
            false => f64::INFINITY,
        }
    }

    fn adjusted(&self) -> Adjusted {
        let net = self.promoters - self.detractors;
        let (net, count, few) = match (self.is_of_one_customer(), self.is_clustered()) {
            (true, _) => (net / self.answers(), 1.0, 1.0),
            (false, true) => (net, self.answers(), self.customers / (self.customers - 1.0)),
            (false, false) => (net, self.answers(), 1.0),
        };
        let answers = count + PSEUDO_ANSWERS;
        let mean = net / answers;
        let squares = match self.is_of_one_customer() {
            true => (net - mean).powi(2),
            false => self.squares(mean).max(0.0),
        };
        let pseudo =
            PSEUDO_PROMOTERS * ((1.0 - mean).powi(2) + (1.0 + mean).powi(2)) + PSEUDO_PASSIVES * mean * mean;
        let variance = (few * squares + pseudo) / (answers * answers);
        Adjusted { mean, answers, variance }
    }

    /// The adjusted mean in points, and its variance in squared points: never nothing, however few the answers.
    pub fn adjusted_points(&self) -> Option<(f64, f64)> {
        self.nps()?;
        let adjusted = self.adjusted();
        Some((100.0 * adjusted.mean, 1e4 * adjusted.variance))
    }

    /// The NPS with its adjusted-Wald 95% interval, clipped to ±100 and never without the NPS itself (which it
    /// would be for a single answer); none without answers.
    pub fn interval(&self) -> Option<Interval> {
        let nps = self.nps()?;
        let adjusted = self.adjusted();
        let reach = 100.0 * t_quantile(0.975, self.degrees())? * adjusted.variance.sqrt();
        let centre = 100.0 * adjusted.mean;
        let (low, high) = ((centre - reach).max(-100.0), (centre + reach).min(100.0));
        Some(Interval { nps, low: low.min(nps), high: high.max(nps) })
    }
}

/// z of the change from `before` to `now`: z = (s₁′ − s₂′) / √(V₁ + V₂ − 2 C), where C comes from the
/// customers who answered in both. None without answers in either.
pub fn change_z(now: &Sums, before: &Sums, shared: &SharedSums) -> Option<f64> {
    now.nps().and(before.nps())?;
    let (a, b) = (now.adjusted(), before.adjusted());
    let products = shared.net_net - b.mean * shared.net_answers - a.mean * shared.answers_net
        + a.mean * b.mean * shared.answers_answers;
    // One customer stands as one answer: of products over answers nothing can be said.
    let covariance = match now.is_of_one_customer() || before.is_of_one_customer() {
        true => 0.0,
        false => products / (a.answers * b.answers),
    };
    let variance = a.variance + b.variance - 2.0 * covariance;
    (variance > 0.0).then(|| (a.mean - b.mean) / variance.sqrt())
}

/// Two-sided p-value of the change, from 0 to 1; by Student's t with the fewer degrees of freedom of the two.
pub fn change_p_value(now: &Sums, before: &Sums, shared: &SharedSums) -> Option<f64> {
    let degrees = now.degrees().min(before.degrees());
    change_z(now, before, shared).and_then(|z| t_p_value(z, degrees))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
    }

    /// Counts (promoters, passives, detractors), NPS, standard error, interval: half a unit of the last digit.
    #[test]
    fn reference_intervals() {
        for (counts, nps, std_error, low, high) in [
            ((50.0, 30.0, 20.0), 30.0, 7.810250, 14.051130, 44.201297),
            ((350.0, 440.0, 210.0), 14.0, 2.324651, 9.408976, 18.507275),
            ((18.0, 11.0, 2.0), 51.612903, 11.053712, 25.512334, 68.605313),
            ((10.0, 0.0, 0.0), 100.0, 0.0, 47.503552, 100.0),
        ] {
            let sums = Sums::independent(counts.0, counts.1, counts.2);
            let found = sums.interval().unwrap();
            close(found.nps, nps, 5e-7);
            close(sums.std_error().unwrap(), std_error, 5e-7);
            close(found.low, low, 5e-7);
            close(found.high, high, 5e-7);
        }
    }

    #[test]
    fn reference_change_of_independent_periods() {
        let now = Sums::independent(50.0, 30.0, 20.0);
        let before = Sums::independent(40.0, 30.0, 30.0);
        close(change_z(&now, &before, &SharedSums::default()).unwrap(), 1.732324, 5e-7);
        close(change_p_value(&now, &before, &SharedSums::default()).unwrap(), 0.083216, 5e-7);
    }

    /// The formula of the clustered variance, (1/n²) Σ_c (Σ_i (v_i − s))², worked out answer by answer.
    #[test]
    fn clustered_standard_error_equals_the_sum_over_answers() {
        let customers: [&[f64]; 4] = [&[1.0, 1.0, -1.0], &[-1.0], &[0.0, 1.0], &[-1.0, -1.0]];
        let all: Vec<f64> = customers.iter().flat_map(|answers| answers.iter().copied()).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let squares: f64 =
            customers.iter().map(|answers| answers.iter().map(|v| v - mean).sum::<f64>().powi(2)).sum();
        let count = |class: f64| all.iter().filter(|v| **v == class).count() as f64;
        let sum = |f: fn(f64, f64) -> f64| {
            customers.iter().map(|a| f(a.iter().sum::<f64>(), a.len() as f64)).sum::<f64>()
        };
        let sums = Sums {
            promoters: count(1.0),
            passives: count(0.0),
            detractors: count(-1.0),
            net_net: sum(|s, _| s * s),
            net_answers: sum(|s, n| s * n),
            answers_answers: sum(|_, n| n * n),
            customers: customers.len() as f64,
        };
        close(sums.std_error().unwrap(), 100.0 * squares.sqrt() / all.len() as f64, 1e-12);
        // Three answers that agree say less than three customers who do.
        assert!(sums.std_error().unwrap() > Sums::independent(3.0, 1.0, 4.0).std_error().unwrap());
    }

    /// The same customers answering alike in both periods leave no room for a change by chance.
    #[test]
    fn shared_customers_make_a_change_surer() {
        let now = Sums::independent(50.0, 30.0, 20.0);
        let before = Sums::independent(40.0, 30.0, 30.0);
        let shared =
            SharedSums { net_net: 60.0, net_answers: 30.0, answers_net: 10.0, answers_answers: 100.0 };
        let alone = change_z(&now, &before, &SharedSums::default()).unwrap();
        assert!(change_z(&now, &before, &shared).unwrap() > alone);
    }

    /// Six hundred answers of one customer say no more than one; those of two say little.
    #[test]
    fn few_customers_leave_much_open() {
        let one = Sums {
            promoters: 200.0,
            passives: 194.0,
            detractors: 206.0,
            net_net: 36.0,
            net_answers: -3_600.0,
            answers_answers: 360_000.0,
            customers: 1.0,
        };
        let interval = one.interval().unwrap();
        // By hand: one answer of −.01 and the three added: mean −.0025, variance (.0075² + 1.5 + 3 · .0025²)/16.
        close(interval.nps, -1.0, 1e-12);
        let reach = 196.0 * (0.0075f64.powi(2) + 1.5 + 3.0 * 0.0025f64.powi(2)).sqrt() / 4.0;
        close(interval.low, -0.25 - reach, 0.01);
        close(interval.high, -0.25 + reach, 0.01);
        let before =
            Sums { promoters: 260.0, detractors: 146.0, net_net: 12_996.0, net_answers: 68_400.0, ..one };
        let shared = SharedSums {
            net_net: -684.0,
            net_answers: -3_600.0,
            answers_net: 68_400.0,
            answers_answers: 360_000.0,
        };
        assert!(change_p_value(&one, &before, &shared).unwrap() > 0.5);
        // Two customers of 300 answers, one of whom has 50 more promoters than detractors, the other 56 fewer.
        let two = Sums {
            net_net: 50.0 * 50.0 + 56.0 * 56.0,
            net_answers: -6.0 * 300.0,
            answers_answers: 180_000.0,
            customers: 2.0,
            ..one
        };
        let interval = two.interval().unwrap();
        assert_eq!((interval.low, interval.high), (-100.0, 100.0));
        // A single detractor: the interval holds the figure.
        let alone = Sums::independent(0.0, 0.0, 1.0).interval().unwrap();
        assert_eq!((alone.nps, alone.low), (-100.0, -100.0));
    }

    #[test]
    fn no_answers_give_no_number() {
        let none = Sums::independent(0.0, 0.0, 0.0);
        assert_eq!((none.nps(), none.std_error(), none.interval()), (None, None, None));
        assert_eq!(change_p_value(&none, &Sums::independent(1.0, 0.0, 0.0), &SharedSums::default()), None);
    }
}
