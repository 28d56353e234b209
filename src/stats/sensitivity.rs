//! What if detractors answer more readily, or less? A table that no feed can decide.
//!
//! If class c answers ρ_c / ρ_P times as readily as promoters, the log-odds among the answers are those of all
//! customers plus ln (ρ_c / ρ_P) (Prentice and Pyke 1979; Scott and Wild 1986). So the shift belongs in the fit
//! and not in the standardisation: with a constant in the model, fitting with it is fitting without it and
//! taking it off the constant.

use super::analysis::Analysis;
use super::effects::{Effect, Effects, Estimand, Fits};
use super::verdict::Verdict;

/// Total effects if detractors answer so much more readily than promoters, and passives as the geometric
/// middle of the two.
#[derive(Debug, Clone)]
pub struct Sensitive {
    pub ratio: f64,
    pub effects: Effects,
}

/// Total effects if passives and detractors answer so much more readily than promoters.
pub fn at_ratios(analysis: &Analysis, fits: &Fits, passives: f64, detractors: f64) -> Effects {
    fits.shifted(analysis, Estimand::Total, &[-passives.ln(), -detractors.ln()])
}

/// Ratios from ½ to 2 in even steps, as it is (1) in the middle.
pub fn table(analysis: &Analysis, fits: &Fits) -> Vec<Sensitive> {
    const STEPS: i32 = 4;
    (-STEPS..=STEPS)
        .map(|step| {
            let ratio = (f64::from(step) / f64::from(STEPS)).exp2();
            Sensitive { ratio, effects: at_ratios(analysis, fits, ratio.sqrt(), ratio) }
        })
        .collect()
}

/// Per touchpoint the ratio nearest to 1 that would turn its verdict; none where none in the table would.
/// `say` is the verdict of a touchpoint's effect among the others.
pub fn turning_ratios(
    table: &[Sensitive],
    say: impl Fn(usize, &Effects, &Effect) -> Verdict,
) -> Vec<Option<f64>> {
    let many = table.first().map_or(0, |row| row.effects.of.len());
    let verdict = |row: &Sensitive, touchpoint: usize| {
        row.effects.of[touchpoint].as_ref().ok().map(|effect| say(touchpoint, &row.effects, effect))
    };
    let mut nearest_first: Vec<&Sensitive> = table.iter().collect();
    nearest_first.sort_by(|a, b| a.ratio.ln().abs().total_cmp(&b.ratio.ln().abs()));
    let turning = |touchpoint: usize| {
        let (as_it_is, others) = nearest_first.split_first()?;
        let said = verdict(as_it_is, touchpoint);
        others.iter().find(|row| verdict(row, touchpoint) != said).map(|row| row.ratio)
    };
    (0..many).map(turning).collect()
}

#[cfg(test)]
mod tests {
    use super::super::measures::Estimate;
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
        // What is left out is all that sets the two apart, so their variances differ by that of their difference.
        let square = |estimate: &Estimate| estimate.process.unwrap().std_error.powi(2);
        let error = (square(&right) - square(&truth)).sqrt();
        let apart = |estimate: &Estimate| (estimate.value - truth.value).abs() / error;
        assert!(apart(&right) < 3.3, "{right:?} {truth:?} {error}");
        assert!(apart(&wrong) > 5.0, "{wrong:?} {truth:?} {error}");
    }

    #[test]
    fn the_table_and_what_turns_a_verdict() {
        let world = World::new(1_500, 82, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let table = table(&analysis, &fits);
        let ratios: Vec<f64> = table.iter().map(|row| row.ratio).collect();
        assert_eq!((ratios.len(), ratios[0], ratios[4], ratios[8]), (9, 0.5, 1.0, 2.0));
        let as_it_is = fits.effects(&analysis, Estimand::Total);
        assert_eq!(table[4].effects.of, as_it_is.of);
        // A limit that the second touchpoint crosses between two rows of the table.
        let points =
            |row: &Sensitive, t: usize| row.effects.of[t].as_ref().unwrap().measures.nps_points.value;
        let limit = 0.5 * (points(&table[5], 1) + points(&table[6], 1));
        let says = |value: f64| value > limit;
        let turned = turning_ratios(&table, |_, _, effect| {
            if says(effect.measures.nps_points.value) {
                Verdict::DrivesDetractors
            } else {
                Verdict::NotEnoughEvidence
            }
        });
        assert_eq!(turned.len(), 5);
        // The nearest row that says something else, on whichever side.
        for (t, turned) in turned.iter().enumerate() {
            let differs = table.iter().filter(|row| says(points(row, t)) != says(points(&table[4], t)));
            let nearest = differs.map(|row| row.ratio).min_by(|a, b| a.ln().abs().total_cmp(&b.ln().abs()));
            assert_eq!(*turned, nearest, "{t}");
        }
        assert_eq!(turned[1], Some(table[6].ratio));
    }
}
