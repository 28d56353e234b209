//! What if detractors answer more readily, or less? A table that no feed can decide.
//!
//! If class c answers ρ_c / ρ_P times as readily as promoters, the log-odds among the answers are those of all
//! customers plus ln (ρ_c / ρ_P) (Prentice and Pyke 1979; Scott and Wild 1986). So the shift belongs in the fit
//! and not in the standardisation: with a constant in the model, fitting with it is fitting without it and
//! taking it off the constant.

use super::analysis::Analysis;
use super::effects::{Effect, Effects, Estimand, Fits};
use super::verdict::Verdict;

/// Ratios of the table: how readily a class answers, relative to promoters.
pub const RATIOS: [f64; 5] = [0.5, std::f64::consts::FRAC_1_SQRT_2, 1.0, std::f64::consts::SQRT_2, 2.0];

/// Total effects if passives and detractors answer so much more readily than promoters.
#[derive(Debug, Clone)]
pub struct Sensitive {
    pub passives: f64,
    pub detractors: f64,
    pub effects: Effects,
}

/// Total effects at one pair of ratios.
pub fn at_ratios(analysis: &Analysis, fits: &Fits, passives: f64, detractors: f64) -> Effects {
    fits.shifted(analysis, Estimand::Total, &[-passives.ln(), -detractors.ln()])
}

/// The whole table: all pairs of [`RATIOS`].
pub fn table(analysis: &Analysis, fits: &Fits) -> Vec<Sensitive> {
    let pairs =
        RATIOS.iter().flat_map(|passives| RATIOS.iter().map(move |detractors| (*passives, *detractors)));
    pairs
        .map(|(passives, detractors)| Sensitive {
            passives,
            detractors,
            effects: at_ratios(analysis, fits, passives, detractors),
        })
        .collect()
}

/// Per touchpoint the ratio for detractors nearest to 1 in [½, 2] that would turn its verdict, passives
/// answering as their geometric middle; none where none would. `say` is the verdict of a touchpoint's effect.
pub fn turning_ratios(
    analysis: &Analysis,
    fits: &Fits,
    say: impl Fn(usize, &Effects, &Effect) -> Verdict,
) -> Vec<Option<f64>> {
    const STEPS: i32 = 8;
    let verdicts = |log: f64| -> Vec<Option<Verdict>> {
        let ratio = log.exp();
        let effects = at_ratios(analysis, fits, ratio.sqrt(), ratio);
        let of = effects.of.iter().enumerate();
        of.map(|(touchpoint, effect)| effect.as_ref().ok().map(|effect| say(touchpoint, &effects, effect)))
            .collect()
    };
    let as_it_is = verdicts(0.0);
    let mut found: Vec<Option<f64>> = vec![None; analysis.touchpoints()];
    for step in 1..=STEPS {
        for sign in [1.0, -1.0] {
            let log = sign * f64::from(step) / f64::from(STEPS) * 2.0f64.ln();
            for (touchpoint, verdict) in verdicts(log).into_iter().enumerate() {
                if found[touchpoint].is_none() && verdict != as_it_is[touchpoint] {
                    found[touchpoint] = Some(log.exp());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::planted::{LATE, PLAIN, World};
    use super::super::problem::{Class, Problem};
    use super::*;

    /// Detractors who answer twice as readily, put right: keep half of the detractors of a world away, and the
    /// shift brings back the effect per exposed of the whole world.
    #[test]
    fn the_shift_undoes_response_by_class() {
        let world = World::new(60_000, 81, PLAIN);
        let whole = world.problem();
        let mut random = 1u64;
        let weights: Vec<f64> = world
            .classes
            .iter()
            .map(|class| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let is_kept = *class == Class::Detractor || random >> 63 == 1;
                f64::from(u8::from(is_kept))
            })
            .collect();
        let some = Problem { weights: Some(&weights), ..whole.clone() };
        let difference = |problem: &Problem, ratio: f64| {
            let analysis = Analysis::of(problem, 2).unwrap();
            let fits = Fits::of(&analysis);
            let effects = at_ratios(&analysis, &fits, 1.0, ratio);
            effects.of[LATE].as_ref().unwrap().measures.risk_difference
        };
        let (truth, wrong, right) = (difference(&whole, 1.0), difference(&some, 1.0), difference(&some, 2.0));
        let error = truth.process.unwrap().std_error + right.process.unwrap().std_error;
        assert!((right.value - truth.value).abs() < 1.5 * error, "{right:?} {truth:?}");
        assert!((wrong.value - truth.value).abs() > 2.0 * error, "{wrong:?} {truth:?}");
    }

    #[test]
    fn the_table_and_what_turns_a_verdict() {
        let world = World::new(1_500, 82, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        assert_eq!(table(&analysis, &fits).len(), 25);
        let turned = turning_ratios(&analysis, &fits, |_, _, effect| {
            let points = effect.measures.nps_points;
            if points.process.is_some_and(|interval| interval.low > 5.0) {
                Verdict::DrivesDetractors
            } else {
                Verdict::NotEnoughEvidence
            }
        });
        assert_eq!(turned.len(), 5);
        assert!(turned.iter().flatten().all(|ratio| (0.499..=2.001).contains(ratio)));
    }
}
