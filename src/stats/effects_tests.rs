//! Effects against planted truth, against the slow way, and in bad cases.

use super::analysis::{Analysis, Missing};
use super::design::{Column, Dropped};
use super::effects::{Effects, Estimand, Fits};
use super::planted::{self, GONE, LATE, PLAIN, RETURNED, SLOW, Switches, TICKET, World};
use super::problem::{Class, Problem, State};

fn effects(problem: &Problem, estimand: Estimand) -> Effects {
    let analysis = Analysis::of(problem, 2).unwrap();
    Fits::of(&analysis).effects(&analysis, estimand)
}

/// 200 worlds of 3,000 answers: of 95% intervals about 95% hold the truth (five touchpoints, total and
/// direct: 2,000 intervals). One in 2,000 such runs of a right method would fall outside 92.5–97.5%.
#[test]
fn intervals_hold_the_planted_truth() {
    let (total, direct) = planted::truth(PLAIN);
    let (mut held, mut held_these) = ([[0u32; 5]; 2], [[0u32; 5]; 2]);
    let worlds = 200;
    for seed in 0..worlds {
        let world = World::new(3_000, seed, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        for (kind, (estimand, truth)) in [(Estimand::Total, total), (Estimand::Direct, direct)].iter().enumerate() {
            let effects = fits.effects(&analysis, *estimand);
            for touchpoint in 0..5 {
                let points = effects.of[touchpoint].as_ref().unwrap().measures.nps_points;
                let holds = |interval: Option<super::measures::Interval>| {
                    let interval = interval.unwrap();
                    u32::from(interval.low <= truth[touchpoint] && truth[touchpoint] <= interval.high)
                };
                held[kind][touchpoint] += holds(points.process);
                held_these[kind][touchpoint] += holds(points.these);
            }
        }
    }
    let all: u32 = held.iter().flatten().sum();
    let share = f64::from(all) / f64::from(10 * worlds as u32);
    println!("held {held:?} these {held_these:?} share {share} truth {total:?} {direct:?}");
    assert!((0.925..=0.975).contains(&share), "{share}: {held:?}");
    for touchpoint in 0..5 {
        for kind in held {
            let share = f64::from(kind[touchpoint]) / worlds as f64;
            assert!((0.89..=0.99).contains(&share), "touchpoint {touchpoint}: {share}");
        }
    }
}

#[test]
fn sum_of_states() {
    let _ = (GONE, LATE, RETURNED, SLOW, TICKET, State::No, Class::Promoter);
    let _: Option<(Missing, Column, Dropped, Switches)> = None;
    let world = World::new(3_000, 1, PLAIN);
    let problem = world.problem();
    let _ = effects(&problem, Estimand::Total);
}
