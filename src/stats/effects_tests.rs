//! Effects against planted truth, against the slow way, and in bad cases.

use super::analysis::{Analysis, Missing};
use super::design::{Column, Dropped};
use super::effects::{Effects, Estimand, Fits};
use super::influence;
use super::logit::NoFit;
use super::planted::{self, GONE, LATE, PLAIN, RETURNED, SLOW, Switches, TICKET, World};
use super::problem::{Class, Problem, State, Touchpoint};
use super::propensity::propensity;
use super::standardise::slopes;

fn effects(problem: &Problem, estimand: Estimand) -> Effects {
    let analysis = Analysis::of(problem, 2).unwrap();
    Fits::of(&analysis).effects(&analysis, estimand)
}

fn close(found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected.abs().max(1e-12),
        "found {found}, expected {expected}"
    );
}

/// 200 worlds of 3,000 answers: of 95% intervals about 95% hold the truth (five touchpoints, total and
/// direct: 2,000 intervals).
#[test]
fn intervals_hold_the_planted_truth() {
    let (total, direct) = planted::truth(PLAIN);
    let mut held = [[0u32; 5]; 2];
    let worlds = 200;
    for seed in 0..worlds {
        let world = World::new(3_000, seed, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        for (kind, (estimand, truth)) in
            [(Estimand::Total, total), (Estimand::Direct, direct)].iter().enumerate()
        {
            let effects = fits.effects(&analysis, *estimand);
            for touchpoint in 0..5 {
                let interval = effects.of[touchpoint].as_ref().unwrap().measures.nps_points.process.unwrap();
                let holds = interval.low <= truth[touchpoint] && truth[touchpoint] <= interval.high;
                held[kind][touchpoint] += u32::from(holds);
            }
        }
    }
    let all: u32 = held.iter().flatten().sum();
    let share = f64::from(all) / f64::from(10 * worlds as u32);
    assert!((0.93..=0.97).contains(&share), "{share}: {held:?}");
    for touchpoint in 0..5 {
        for kind in held {
            let share = f64::from(kind[touchpoint]) / worlds as f64;
            assert!((0.90..=0.99).contains(&share), "touchpoint {touchpoint}: {share}");
        }
    }
}

/// With two groupings that cross, weights, and open states: the fast way of `moments` gives what influence
/// values summed answer by answer give.
#[test]
fn the_fast_way_and_the_slow_way_agree() {
    let world = World::new(3_000, 7, Switches { too_early: 0.2, ..PLAIN });
    let weights: Vec<f64> = (0..3_000).map(|i| [0.5, 1.0, 2.0, 0.0][i % 4]).collect();
    let weeks: Vec<u32> = (0..3_000).map(|i| (i * i % 97) as u32).collect();
    let mut problem = world.problem();
    problem.weights = Some(&weights);
    problem.clusters.push(&weeks);
    let analysis = Analysis::of(&problem, 2).unwrap();
    let fits = Fits::of(&analysis);
    let effects = fits.effects(&analysis, Estimand::Total);
    let mut stacked: Vec<Vec<f64>> = Vec::new();
    for touchpoint in 0..5 {
        let fitted = fits.behind(Estimand::Total, touchpoint).unwrap();
        let (model, fit) = (&fitted.model, &fitted.fit);
        let undone = model.undone(&analysis.order, touchpoint);
        let yes = model.column(touchpoint, State::Yes).unwrap() as u16;
        let total: f64 = model.weights.iter().flatten().sum();
        let mut slope = vec![0.0; fit.coefficients.len()];
        let mut gains = vec![0.0; model.rows.len()];
        for (row, gain) in gains.iter_mut().enumerate() {
            let columns = model.rows.columns(row);
            if !columns.contains(&yes) {
                continue;
            }
            let weight: f64 = model.weights[row].iter().sum();
            let left: Vec<u16> = columns.iter().copied().filter(|c| !undone[usize::from(*c)]).collect();
            let p0 = fit.probabilities_at(left.iter().copied(), &[0.0; 2]);
            for (columns, p, sign) in [(columns, fit.probabilities[row], -1.0), (&left, p0, 1.0)] {
                *gain += sign * 100.0 * (1.0 - p[0] - 2.0 * p[1]);
                let (detractor, promoter) = slopes(p);
                for c in columns {
                    for a in 0..2 {
                        slope[2 * usize::from(*c) + a] +=
                            sign * 100.0 * weight * (promoter[a] - detractor[a]) / total;
                    }
                }
            }
        }
        let weight_of = |row: usize| model.weights[row].iter().sum::<f64>();
        let value: f64 = (0..gains.len()).map(|row| weight_of(row) * gains[row]).sum::<f64>() / total;
        let these = influence::model_part(&analysis, fitted, &slope);
        let mut process = these.clone();
        for (answer, phi) in process.iter_mut().enumerate() {
            if let Some((pattern, _, weight)) = analysis.patterns.answer(&problem, answer) {
                *phi += weight * (gains[model.row_of[pattern as usize] as usize] - value) / total;
            }
        }
        let found = effects.of[touchpoint].as_ref().unwrap().measures.nps_points;
        close(found.value, value, 1e-10);
        close(found.these.unwrap().std_error, influence::std_error(&analysis, &these).unwrap(), 1e-9);
        close(found.process.unwrap().std_error, influence::std_error(&analysis, &process).unwrap(), 1e-9);
        stacked.push(process);
    }
    let all: Vec<&[f64]> = stacked.iter().map(Vec::as_slice).collect();
    let slow = influence::covariance(&analysis.groupings, &analysis.patterns.of_answer, &all).unwrap();
    let fast = effects.covariance.unwrap();
    for i in 0..5 {
        for j in 0..5 {
            let scale = (slow[(i, i)] * slow[(j, j)]).sqrt();
            assert!((slow[(i, j)] - fast[(i, j)]).abs() < 1e-9 * scale, "{i} {j}");
        }
    }
}

#[test]
fn effects_are_the_same_on_any_number_of_threads() {
    let world = World::new(5_000, 9, PLAIN);
    let problem = world.problem();
    let of = |threads| {
        let analysis = Analysis::of(&problem, threads).unwrap();
        Fits::of(&analysis).effects(&analysis, Estimand::Total)
    };
    let (one, four) = (of(1), of(4));
    assert_eq!(format!("{:?}", one.of), format!("{:?}", four.of));
    assert_eq!(one.covariance, four.covariance);
}

/// The measures hang together: exposed × risk difference, shares of all detractors, risk ratio.
#[test]
fn measures_hang_together() {
    let world = World::new(6_000, 11, PLAIN);
    let problem = world.problem();
    let found = effects(&problem, Estimand::Total);
    for effect in found.of.iter().map(|effect| effect.as_ref().unwrap()) {
        let m = &effect.measures;
        close(m.avoidable_detractors.value, effect.sums.exposed * m.risk_difference.value, 1e-12);
        close(
            m.avoidable_detractor_share.value,
            m.avoidable_detractors.value / effect.sums.detractors,
            1e-12,
        );
        let moved = m.avoidable_detractors.value + m.promoters_gained.value;
        close(m.nps_points.value, 100.0 * moved / effect.sums.weight, 1e-12);
        assert_eq!(m.risk_ratio.value > 1.0, m.risk_difference.value > 0.0);
        let interval = m.risk_ratio.process.unwrap();
        assert!(interval.low < m.risk_ratio.value && m.risk_ratio.value < interval.high);
    }
}

/// In a world as the model has it, the doubly robust estimate agrees; and propensities leave common ground.
#[test]
fn doubly_robust_estimates_agree_where_the_model_holds() {
    let mut flagged = 0;
    for seed in 0..20 {
        let world = World::new(4_000, 100 + seed, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let effects = fits.effects(&analysis, Estimand::Total);
        for touchpoint in 0..5 {
            let fitted = fits.behind(Estimand::Total, touchpoint).unwrap();
            let propensity = propensity(&analysis, fitted, touchpoint).unwrap();
            let check = propensity.doubly_robust(&analysis, fitted, touchpoint).unwrap();
            let measures = &effects.of[touchpoint].as_ref().unwrap().measures;
            close(check.by_model, measures.risk_difference.value, 1e-9);
            flagged += u32::from(check.is_flagged);
            let overlap = propensity.overlap(fitted, touchpoint);
            assert!(overlap.exposed_without_equals < 0.01 && overlap.effective_unexposed > 100.0);
            let all = propensity.nps_points_if_all(&analysis, fitted, touchpoint, measures.degrees).unwrap();
            assert!(all.process.unwrap().std_error > 0.0);
            if touchpoint == LATE || touchpoint == TICKET {
                assert!(all.value < -5.0, "{touchpoint}: {}", all.value);
            }
        }
    }
    // 100 checks, 5% by chance.
    assert!(flagged <= 12, "{flagged}");
}

#[test]
fn predictions_for_anybody_are_those_of_the_fit() {
    let world = World::new(2_000, 12, Switches { too_early: 0.2, ..PLAIN });
    let problem = world.problem();
    let analysis = Analysis::of(&problem, 2).unwrap();
    let fitted = analysis.fit(vec![true; 5], None).unwrap();
    for answer in [0, 1, 17, 500, 1_999] {
        let found = fitted.predict(
            &analysis,
            |covariate| problem.covariates[covariate].codes[answer],
            |touchpoint| problem.touchpoints[touchpoint].states[answer],
        );
        let row = fitted.model.row_of[analysis.patterns.of_answer[answer] as usize] as usize;
        close(found[2], fitted.fit.probabilities[row][1], 1e-12);
        close(found.iter().sum(), 1.0, 1e-12);
    }
}

// ---- bad cases -------------------------------------------------------------------------------------------

#[test]
fn one_class_missing_says_nothing_for_sure() {
    let mut world = World::new(2_000, 21, PLAIN);
    world.classes.iter_mut().filter(|c| **c == Class::Passive).for_each(|c| *c = Class::Promoter);
    let problem = world.problem();
    let analysis = Analysis::of(&problem, 2).unwrap();
    assert!(analysis.support.iter().all(super::analysis::Support::is_thin));
    let found = effects(&problem, Estimand::Total);
    for effect in found.of.iter().map(|effect| effect.as_ref().unwrap()) {
        assert!(effect.is_penalised && effect.measures.nps_points.value.is_finite());
        // The penalty's word for the missing class would be taken for evidence.
        let measures = &effect.measures;
        assert_eq!(
            (measures.nps_points.process, measures.risk_ratio.these, measures.p_value),
            (None, None, None)
        );
    }
    // Without detractors, or promoters, there is nothing to be told apart.
    for missing in [Class::Detractor, Class::Promoter] {
        let mut world = World::new(2_000, 21, PLAIN);
        world.classes.iter_mut().filter(|c| **c == missing).for_each(|c| *c = Class::Passive);
        let found = effects(&world.problem(), Estimand::Total);
        assert!(
            found.of.iter().all(|effect| *effect == Err(Missing::NoFit(NoFit::ClassMissing))),
            "{missing:?}"
        );
    }
}

#[test]
fn nobody_everybody_and_nothing_measured() {
    let mut world = World::new(2_000, 22, PLAIN);
    world.states[RETURNED].fill(State::No);
    world.states[TICKET].fill(State::Yes);
    world.states[GONE].fill(State::NotMeasured);
    let found = effects(&world.problem(), Estimand::Total);
    assert_eq!(found.of[RETURNED], Err(Missing::NobodyMet));
    assert_eq!(found.of[TICKET], Err(Missing::EverybodyMet));
    assert_eq!(found.of[GONE], Err(Missing::NotMeasured));
    assert!(found.of[LATE].is_ok() && found.of[SLOW].is_ok());
    assert_eq!(found.estimated, [LATE, SLOW]);
    assert_eq!(found.covariance.unwrap().nrows(), 2);
}

/// No parcel came in time: what late ones would be compared with is nobody's state.
#[test]
fn a_reference_that_is_nobodys() {
    let mut world = World::new(2_000, 30, PLAIN);
    for answer in 0..2_000 {
        let is_late = answer % 3 == 0;
        world.states[LATE][answer] = if is_late { State::Yes } else { State::No };
        world.states[GONE][answer] = if is_late { State::No } else { State::Yes };
    }
    let found = effects(&world.problem(), Estimand::Total);
    assert_eq!(found.of[LATE], Err(Missing::NobodyToCompareWith));
    assert!(matches!(found.of[GONE], Err(Missing::Same(_))));
    assert!(found.of[TICKET].is_ok());
}

#[test]
fn aliases_are_named_and_wholes_stay() {
    let mut world = World::new(2_000, 23, PLAIN);
    world.states[SLOW] = world.states[TICKET].clone();
    let found = effects(&world.problem(), Estimand::Direct);
    let same = Column::State { touchpoint: TICKET, state: State::Yes };
    assert_eq!(found.of[SLOW], Err(Missing::Same(Dropped::SameAs(same))));
    assert!(found.of[TICKET].is_ok());
    // Collinear, not equal: met by exactly those who met one of two others.
    let met = |a: State, b: State| if a == State::Yes || b == State::Yes { State::Yes } else { State::No };
    world.states[RETURNED] =
        world.states[LATE].iter().zip(&world.states[GONE]).map(|(a, b)| met(*a, *b)).collect();
    let found = effects(&world.problem(), Estimand::Total);
    let both = [LATE, GONE].map(|touchpoint| Column::State { touchpoint, state: State::Yes });
    assert_eq!(found.of[RETURNED], Err(Missing::Same(Dropped::FollowsFrom(both.to_vec()))));
}

#[test]
fn a_perfectly_separating_touchpoint_stays_finite() {
    let mut world = World::new(2_000, 24, PLAIN);
    for (state, class) in world.states[RETURNED].iter_mut().zip(&world.classes) {
        *state = if *class == Class::Detractor { State::Yes } else { State::No };
    }
    let problem = world.problem();
    let analysis = Analysis::of(&problem, 2).unwrap();
    assert!(analysis.support[RETURNED].is_thin());
    let found = effects(&problem, Estimand::Direct);
    let effect = found.of[RETURNED].as_ref().unwrap();
    assert!(effect.is_penalised);
    assert!(effect.measures.risk_difference.value > 0.95 && effect.measures.risk_difference.value < 1.0);
    // No residual is left to say how far that can be trusted.
    assert_eq!((effect.measures.risk_ratio.process, effect.measures.p_value), (None, None));
    assert!(found.of[LATE].as_ref().unwrap().measures.p_value.is_some());
}

/// A handful of the spared, all promoters by chance, is no ground to stand on: neither for what nearly everybody
/// met, nor for a part that nearly everybody met who met its whole.
#[test]
fn all_but_four_exposed() {
    let mut world = World::new(10_000, 31, PLAIN);
    let is_promoter = |answer: usize| world.classes[answer] == Class::Promoter;
    let spared: Vec<usize> = (0..10_000).filter(|answer| is_promoter(*answer)).take(4).collect();
    world.states[RETURNED].fill(State::Yes);
    spared.iter().for_each(|answer| world.states[RETURNED][*answer] = State::No);
    let with_ticket = |answer: &usize| world.states[TICKET][*answer] == State::Yes && is_promoter(*answer);
    let quick: Vec<usize> = (0..10_000).filter(with_ticket).take(4).collect();
    world.states[SLOW] = world.states[TICKET].clone();
    quick.iter().for_each(|answer| world.states[SLOW][*answer] = State::No);
    let problem = world.problem();
    let analysis = Analysis::of(&problem, 2).unwrap();
    for (touchpoint, exposed) in [(RETURNED, 9_996), (SLOW, analysis.support[TICKET].exposed_answers() - 4)] {
        let support = &analysis.support[touchpoint];
        assert_eq!((support.exposed_answers(), support.comparable), (exposed, [4, 0, 0]));
        assert_eq!((support.comparable_clusters, support.is_thin()), (4, true));
        assert_eq!(support.degrees(), 0.0);
    }
    // The part has thousands who never met the whole; they are not who it is compared with.
    assert!(analysis.support[SLOW].unexposed.iter().sum::<u64>() > 5_000);
    // Late parcels are compared with those in time, not with those that never came.
    let late = &analysis.support[LATE];
    let gone = analysis.support[GONE].exposed_answers();
    assert_eq!(late.comparable.iter().sum::<u64>(), 10_000 - late.exposed_answers() - gone);
    assert!(!late.is_thin());
    assert_eq!(late.degrees(), late.exposed_clusters as f64 - 1.0);
    let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
    assert!(effects.of[RETURNED].as_ref().unwrap().is_penalised);
}

#[test]
fn three_answers_and_none() {
    let world = World::new(3, 25, PLAIN);
    let found = effects(&world.problem(), Estimand::Total);
    assert_eq!(found.of.len(), 5);
    for effect in found.of.iter().flatten() {
        assert!(effect.measures.nps_points.value.is_finite());
    }
    let world = World::default();
    let found = effects(&world.problem(), Estimand::Direct);
    assert!(found.of.iter().all(|effect| *effect == Err(Missing::NotMeasured)));
}

#[test]
fn answers_without_weight_count_for_nothing() {
    let world = World::new(2_000, 26, PLAIN);
    let weights: Vec<f64> = (0..2_000).map(|i| if i < 1_500 { 3.0 } else { 0.0 }).collect();
    let mut weighed = world.problem();
    weighed.weights = Some(&weights);
    let mut shorter = world.clone();
    shorter.classes.truncate(1_500);
    shorter.customers.truncate(1_500);
    shorter.region.truncate(1_500);
    shorter.month.truncate(1_500);
    shorter.states.iter_mut().for_each(|states| states.truncate(1_500));
    let (one, other) = (effects(&weighed, Estimand::Total), effects(&shorter.problem(), Estimand::Total));
    assert_eq!(format!("{:?}", one.of), format!("{:?}", other.of));
    let none = vec![0.0; 2_000];
    weighed.weights = Some(&none);
    let found = effects(&weighed, Estimand::Total);
    assert!(found.of.iter().all(Result::is_err));
}

#[test]
fn one_customer_with_all_answers_gives_no_interval() {
    let mut world = World::new(2_000, 27, PLAIN);
    world.customers.fill(7);
    let found = effects(&world.problem(), Estimand::Total);
    let effect = found.of[LATE].as_ref().unwrap();
    assert_eq!((effect.measures.nps_points.process, effect.measures.p_value), (None, None));
    assert_eq!(found.covariance, None);
}

/// Undoing a touchpoint leaves those alone whose own state is open; undoing a ticket takes what is open of
/// its parts with it.
#[test]
fn open_states_are_neither_exposed_nor_the_reference() {
    let world = World::new(4_000, 28, Switches { too_early: 0.3, ..PLAIN });
    let problem = world.problem();
    let analysis = Analysis::of(&problem, 2).unwrap();
    let fitted = analysis.fit(vec![true; 5], None).unwrap();
    let model = &fitted.model;
    let open = model.column(SLOW, State::TooEarly).unwrap();
    assert!(!model.undone(&analysis.order, SLOW)[open]);
    assert!(model.undone(&analysis.order, TICKET)[open]);
    let early = world.states[SLOW].iter().filter(|s| **s == State::TooEarly).count() as u64;
    assert!(early > 50);
    assert_eq!(analysis.support[SLOW].too_early, early);
    let support = &analysis.support[SLOW];
    assert_eq!(support.exposed_answers() + support.unexposed.iter().sum::<u64>() + early, 4_000);
}

/// Whether goods are damaged cannot be told before the parcel comes: *gone* and *too early to tell* are one
/// column, but for one answer about two parcels. That answer must not decide what *gone* did, nor whether there
/// is a ground to compare it on.
#[test]
fn what_waits_is_undone_with_what_it_waits_for() {
    let mut world = World::new(4_000, 33, PLAIN);
    let is_gone = |world: &World, answer: usize| world.states[GONE][answer] == State::Yes;
    for answer in 0..4_000 {
        let damaged = if answer % 9 == 0 { State::Yes } else { State::No };
        world.states[RETURNED][answer] = if is_gone(&world, answer) { State::TooEarly } else { damaged };
    }
    let odd = (0..4_000).find(|answer| {
        world.classes[*answer] == Class::Detractor
            && [LATE, GONE, TICKET].iter().all(|t| world.states[*t][*answer] == State::No)
    });
    let found = |world: &World, waits_for: Option<usize>, estimand: Estimand| {
        let mut problem = world.problem();
        problem.touchpoints[RETURNED].stage = 0;
        problem.touchpoints[RETURNED].waits_for = waits_for;
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let fitted = fits.behind(estimand, GONE).unwrap();
        let overlap = propensity(&analysis, fitted, GONE).unwrap().overlap(fitted, GONE);
        let shares = super::attribution::attributions(&analysis, fits.direct.as_ref().unwrap(), 1);
        let row = |answer: usize| {
            let pattern = analysis.patterns.of_answer[answer] as usize;
            fits.direct.as_ref().unwrap().model.row_of[pattern] as usize
        };
        let gone = (0..4_000).filter(|answer| is_gone(world, *answer)).map(row);
        let mine = |row: usize| {
            let own = shares.of_row(row).iter().find(|(touchpoint, _)| usize::from(*touchpoint) == GONE);
            own.map_or(0.0, |(_, share)| *share)
        };
        let attributed: f64 = gone.map(mine).sum();
        let near = super::guardrails::near_aliases(&analysis, fits.direct.as_ref().unwrap(), 30);
        let effect = fits.effects(&analysis, estimand).of[GONE].clone().unwrap().measures;
        let ratio = effect.risk_ratio;
        (ratio.value, ratio.process.unwrap().std_error, overlap.effective_unexposed, attributed, near)
    };
    let mut with_odd = world.clone();
    with_odd.states[RETURNED][odd.unwrap()] = State::TooEarly;
    for estimand in [Estimand::Total, Estimand::Direct] {
        let plain = found(&world, Some(GONE), estimand);
        let held = found(&with_odd, Some(GONE), estimand);
        close(held.0, plain.0, 0.02);
        close(held.1, plain.1, 0.05);
        close(held.2, plain.2, 0.05);
        close(held.3, plain.3, 0.02);
        assert!(plain.4.is_empty());
        let [near] = held.4[..] else { panic!("{:?}", held.4) };
        let column = Column::State { touchpoint: RETURNED, state: State::TooEarly };
        assert_eq!((near.touchpoint, near.column, near.clusters), (GONE, column, 1));
        assert!(near.is_undone_too);
        // So it is where nothing is said to wait: the one answer decides.
        let loose = found(&with_odd, None, estimand);
        assert!((loose.0 / plain.0).ln().abs() > 0.3 && loose.1 > 2.0 * plain.1, "{loose:?} {plain:?}");
        assert!(!loose.4[0].is_undone_too);
    }
}

/// What waits may stand before what it waits for in the catalogue: the latter's column stays.
#[test]
fn of_one_that_waits_and_its_reason_the_reason_stays() {
    let mut world = World::new(2_000, 34, PLAIN);
    for answer in 0..2_000 {
        let is_late = world.states[LATE][answer] == State::Yes;
        world.states[GONE][answer] = if is_late { State::TooEarly } else { world.states[GONE][answer] };
    }
    let mut problem = world.problem();
    problem.touchpoints.swap(LATE, GONE);
    problem.touchpoints.iter_mut().for_each(|touchpoint| touchpoint.factor = None);
    problem.touchpoints[0].waits_for = Some(1);
    let analysis = Analysis::of(&problem, 2).unwrap();
    assert_eq!(analysis.order.parents_first, [1, 0, 2, 3, 4]);
    assert!(Fits::of(&analysis).effects(&analysis, Estimand::Total).of[1].is_ok());
}

/// More touchpoints than one word of a key holds.
#[test]
fn many_touchpoints() {
    let world = World::new(2_000, 29, PLAIN);
    let states: Vec<Vec<State>> = (0..70)
        .map(|t| (0..2_000).map(|i| if (i * (t + 3)) % 11 == 0 { State::Yes } else { State::No }).collect())
        .collect();
    let mut problem = world.problem();
    for (at, states) in states.iter().enumerate() {
        problem.touchpoints.push(Touchpoint {
            id: format!("t{at}"),
            stage: 3,
            factor: None,
            within: None,
            after: vec![],
            waits_for: None,
            states,
        });
    }
    let found = effects(&problem, Estimand::Direct);
    assert!(found.of[LATE].is_ok());
    assert!(found.of.iter().any(|effect| matches!(effect, Err(Missing::Same(_)))));
}
