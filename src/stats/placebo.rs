//! Effects that cannot be: what the method finds where there is nothing to find.
//!
//! Two placebos are put to the same model: the customer's *previous* answer as the outcome, which today's
//! touchpoints cannot have moved, and lateness or damage of the customer's *next* order as a touchpoint.
//! (A contact after the answer is none: detractors are called back.) What they find is bias, or chance; what
//! they could have found is said beside it.

use super::measures::{Estimate, Measures};
use super::problem::{Class, Problem};
use super::quantiles::t_quantile;

/// What a placebo found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placebo {
    /// Answers that took part.
    pub answers: u64,
    /// NPS points; zero is what it should be.
    pub nps_points: Estimate,
    pub p_value: Option<f64>,
    /// The bias, in NPS points, that would have been seen in four of five such samples.
    pub detectable: Option<f64>,
}

/// Sums up the effect of a placebo.
pub fn placebo(answers: u64, measures: &Measures) -> Placebo {
    Placebo {
        answers,
        nps_points: measures.nps_points,
        p_value: measures.p_value,
        detectable: detectable(&measures.nps_points, measures.degrees),
    }
}

/// (t_.975 + t_.8) × standard error: the smallest effect seen with 80% power at the 5% level.
pub fn detectable(estimate: &Estimate, degrees: f64) -> Option<f64> {
    Some((t_quantile(0.975, degrees)? + t_quantile(0.8, degrees)?) * estimate.process?.std_error)
}

/// The columns of a problem whose outcome is the customer's previous answer: classes, and weights that leave
/// out who has none.
pub fn previous_answers(problem: &Problem, previous: &[Option<Class>]) -> (Vec<Class>, Vec<f64>) {
    let class = |previous: &Option<Class>| previous.unwrap_or(Class::Promoter);
    let weight = |(answer, previous): (usize, &Option<Class>)| {
        if previous.is_some() { problem.weight(answer) } else { 0.0 }
    };
    (previous.iter().map(class).collect(), previous.iter().enumerate().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::super::analysis::Analysis;
    use super::super::effects::{Estimand, Fits};
    use super::super::planted::{LATE, PLAIN, TICKET, World};
    use super::super::problem::State;
    use super::*;

    /// The placebo of `touchpoint`, where `previous` says what the customers had answered before.
    fn of(world: &World, previous: &[Option<Class>], touchpoint: usize) -> Placebo {
        let problem = world.problem();
        let (classes, weights) = previous_answers(&problem, previous);
        let placebo_problem = Problem { classes: &classes, weights: Some(&weights), ..problem };
        let analysis = Analysis::of(&placebo_problem, 2).unwrap();
        let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
        placebo(analysis.patterns.answers(), &effects.of[touchpoint].as_ref().unwrap().measures)
    }

    #[test]
    fn a_previous_answer_is_not_moved() {
        let earlier = World::new(6_000, 96, PLAIN);
        let previous: Vec<Option<Class>> =
            earlier.classes.iter().enumerate().map(|(i, class)| (i % 3 > 0).then_some(*class)).collect();
        let found = of(&World::new(6_000, 95, PLAIN), &previous, LATE);
        assert_eq!(found.answers, 4_000);
        let interval = found.nps_points.process.unwrap();
        assert!((found.detectable.unwrap() / interval.std_error - 2.80).abs() < 0.02);
    }

    /// In 30 worlds where an earlier answer hangs on nothing p-values lie evenly: fewer than 7 up to .05 and 5 to 25
    /// up to .5 (one right method in 2,000 fails the one, one in 10,000 the other).
    #[test]
    fn p_values_of_nothing_lie_evenly() {
        let p_values: Vec<f64> = (0..30)
            .map(|seed| {
                let earlier = World::new(1_500, 4_000 + seed, PLAIN);
                let previous: Vec<Option<Class>> = earlier.classes.iter().copied().map(Some).collect();
                of(&World::new(1_500, 5_000 + seed, PLAIN), &previous, TICKET).p_value.unwrap()
            })
            .collect();
        let up_to = |most: f64| p_values.iter().filter(|p_value| **p_value <= most).count();
        assert!(up_to(0.05) < 7 && (5..=25).contains(&up_to(0.5)), "{p_values:?}");
    }

    /// Who writes tickets had answered badly before: grumpy customers, of whom no export tells.
    #[test]
    fn grumpy_customers_are_seen() {
        let (world, earlier) = (World::new(6_000, 97, PLAIN), World::new(6_000, 98, PLAIN));
        let answered = earlier.classes.iter().zip(&world.states[TICKET]).enumerate();
        let grumpy = |(at, (class, ticket)): (usize, (&Class, &State))| {
            Some(if *ticket == State::Yes && at % 3 == 0 { Class::Detractor } else { *class })
        };
        let previous: Vec<Option<Class>> = answered.map(grumpy).collect();
        let found = of(&world, &previous, TICKET);
        assert!(found.p_value.unwrap() < 1e-6 && found.nps_points.value > 2.0, "{found:?}");
    }
}
