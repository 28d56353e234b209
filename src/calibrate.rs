//! Are the numbers right? The pipeline's statistics on worlds whose truth was planted.
//!
//! ```text
//! scenarios ──> worlds: generate ──> sample ──> drivers::estimates ──> seen beside the truth ──> figures, targets
//!                                         └──> wrong methods (mutants), which must be seen to fail
//! ```
//!
//! A [`scenarios::Scenario`] is a kind of world. Each of its worlds is made in memory, analysed by the code
//! that the pipeline runs ([`crate::drivers::estimates`]), and every estimate is put beside what was planted:
//! κ = 0 beside the truth of exactly these answers, κ = 1 beside that of the process behind them, a large
//! world of the same kind. Worlds do not depend on each other, nor on the number of threads.

mod chance;
mod figures;
mod method;
pub mod sample;
mod scenarios;
mod tables;
mod targets;
mod world;
mod wrong;

use std::collections::BTreeMap;
use std::path::Path;

use figures::Figures;
use sample::Touchpoints;
use scenarios::Scenario;
pub use targets::Target;
use world::{Setting, Shown};

use crate::engine::write;
use crate::error::{Error, Result};
use crate::generate::World;
use crate::generate::truth::{self, Plan, Truth};
use crate::progress::Progress;
use crate::stats::chunks;
use crate::store::Store;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Request {
    /// The folder that the tables go to.
    pub output: String,
    /// Of the full run's worlds; of each kind as many are run as its wrong methods take to be seen.
    pub share: f64,
    /// Kinds of world by name; none: all.
    pub only: Vec<String>,
    pub threads: usize,
    pub seed: u64,
    /// The most that a right method may miss one target with, by chance, where fewer worlds are run than the
    /// target was meant for.
    pub false_alarm: f64,
}

/// What came out.
pub struct Outcome {
    pub targets: Vec<Target>,
    /// Per kind of world, touchpoints too thin in most of its worlds for a target of their own.
    pub not_held: Vec<(&'static str, Vec<String>)>,
}

impl Outcome {
    pub fn missed(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| !target.is_reached())
    }

    /// The probability that a right method misses any of the targets, at most.
    pub fn false_alarm(&self) -> f64 {
        let right = self.targets.iter().filter(|target| !target.is_of_a_mutant);
        right.filter_map(|target| target.false_alarm).sum()
    }
}

/// Orders of the world that tells what holds in the process.
const POPULATION: f64 = 4_000_000.0;
const LEAST_POPULATION: f64 = 300_000.0;

/// Runs the calibration and writes its tables.
///
/// # Errors
/// `Kind::Usage` for a kind of world that is not there; those of the store.
pub async fn run(request: &Request, progress: &dyn Progress) -> Result<Outcome> {
    let output = Store::open(&request.output, Path::new("."), &BTreeMap::new())?;
    let chosen = chosen(request)?;
    let touchpoints = Touchpoints::read()?;
    let ids: Vec<String> = touchpoints.ids().map(str::to_string).collect();
    let population = (POPULATION * request.share).max(LEAST_POPULATION) as u64;
    progress.begins("populations");
    let populations = populations(&chosen, population, touchpoints.plan, request);
    progress.ends("populations", population * populations.len() as u64);
    let mut all = Vec::new();
    for (scenario, population) in chosen.iter().zip(&populations) {
        progress.begins(scenario.name);
        let setting = Setting { scenario, touchpoints: &touchpoints, population, seed: request.seed };
        let worlds = worlds(scenario, request);
        let shown: Vec<Shown> = chunks::each(worlds, request.threads, |number| setting.show(number));
        all.push(Figures::of(scenario, &shown));
        progress.ends(scenario.name, worlds as u64);
    }
    let of_figures = |figures| targets::targets(figures, &ids, request.false_alarm);
    let found: Vec<Target> = all.iter().flat_map(of_figures).collect();
    for (name, rows) in [
        ("calibration_coverage", tables::coverage(&all, &ids)?),
        ("calibration_rates", tables::rates(&all)?),
        ("calibration_targets", tables::targets(&found)?),
    ] {
        let writer = output.writer(&format!("{name}/part-00000.parquet")).await?;
        let metadata = [("aftersale.table".to_string(), name.to_string())];
        write::write_rows(&rows, &metadata, writer).await?.finish().await?;
    }
    let not_held = all.iter().map(|figures| (figures.scenario.name, targets::not_held(figures, &ids)));
    let not_held = not_held.filter(|(_, ids)| !ids.is_empty()).collect();
    Ok(Outcome { targets: found, not_held })
}

fn chosen(request: &Request) -> Result<Vec<Scenario>> {
    let all = scenarios::scenarios();
    if let Some(unknown) = request.only.iter().find(|name| all.iter().all(|one| one.name != *name)) {
        let names: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
        return Err(Error::usage(format!("there is no kind of world `{unknown}`"))
            .hint(format!("name one of: {}", names.join("; "))));
    }
    let is_wanted =
        |scenario: &Scenario| request.only.is_empty() || request.only.iter().any(|n| n == scenario.name);
    Ok(all.into_iter().filter(is_wanted).collect())
}

fn worlds(scenario: &Scenario, request: &Request) -> usize {
    ((scenario.worlds as f64 * request.share).round() as usize).max(scenario.fewest)
}

/// The truth of the process behind each scenario; the same worlds have the same.
fn populations(chosen: &[Scenario], orders: u64, plan: Plan, request: &Request) -> Vec<Truth> {
    let mut kinds: Vec<(crate::generate::Twists, truth::Whose)> = Vec::new();
    for scenario in chosen {
        if !kinds.contains(&(scenario.twists, scenario.whose)) {
            kinds.push((scenario.twists, scenario.whose));
        }
    }
    let truths = chunks::each(kinds.len(), request.threads, |kind| {
        let (twists, whose) = kinds[kind];
        truth::of_world(&World { seed: !request.seed, twists, ..World::default() }, plan, whose, orders)
    });
    let of = |scenario: &Scenario| {
        let kind = kinds.iter().position(|kind| *kind == (scenario.twists, scenario.whose));
        kind.map(|kind| truths[kind].clone()).unwrap_or_default()
    };
    chosen.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::method::Method;
    use super::scenarios::Mutant;
    use super::*;

    fn small() -> Scenario {
        let is_small = |scenario: &Scenario| scenario.name == "ordinary, small";
        scenarios::scenarios().into_iter().find(is_small).unwrap()
    }

    fn shown(scenario: &Scenario, worlds: usize) -> (Vec<Shown>, Vec<String>) {
        let touchpoints = Touchpoints::read().unwrap();
        let world = World { seed: !7, twists: scenario.twists, ..World::default() };
        let population = truth::of_world(&world, touchpoints.plan, scenario.whose, 400_000);
        let setting = Setting { scenario, touchpoints: &touchpoints, population: &population, seed: 7 };
        let ids = touchpoints.ids().map(str::to_string).collect();
        (chunks::each(worlds, 2, |number| setting.show(number)), ids)
    }

    /// A right method that is handed in as a wrong one is not seen to be wrong; and one whose standard errors
    /// are 15% too small misses targets that the right one reaches.
    #[test]
    fn what_is_right_is_not_red_and_what_is_broken_is() {
        let ours_again: &[Mutant] = &[Mutant { method: Method::CustomersOnly, misses: "late" }];
        let scenario = Scenario { mutants: ours_again, mutant_worlds: 40, ..small() };
        let (shown, ids) = shown(&scenario, 100);
        let found = targets::targets(&Figures::of(&scenario, &shown), &ids, 3e-4);
        let (wrong, right): (Vec<&Target>, Vec<&Target>) = found.iter().partition(|t| t.is_of_a_mutant);
        assert_eq!((wrong.len(), wrong[0].worlds), (1, 40));
        assert!(!wrong[0].is_reached(), "ours shows red: {:?}", wrong[0]);
        assert!(right.len() > 40);
        let missed: Vec<_> = right.iter().filter(|target| !target.is_reached()).collect();
        assert!(missed.is_empty(), "{missed:?}");

        let narrowed = shown.into_iter().map(|mut world| {
            for seen in &mut world.seen {
                let about = seen.estimate;
                let closer = |end: f64| about + 0.85 * (end - about);
                seen.interval = seen.interval.map(|(low, high)| (closer(low), closer(high)));
            }
            world
        });
        let narrowed: Vec<Shown> = narrowed.collect();
        let found = targets::targets(&Figures::of(&scenario, &narrowed), &ids, 3e-4);
        let missed = found.iter().filter(|target| !target.is_of_a_mutant && !target.is_reached());
        assert!(
            missed.clone().any(|target| target.touchpoint.is_none()),
            "nobody sees that intervals are narrow"
        );
        assert!(missed.count() >= 3);
    }

    /// Whatever the number of threads, the same worlds show the same, and the same targets come of them.
    #[test]
    fn threads_change_nothing() {
        let scenario = Scenario { answers: 700, ..small() };
        let touchpoints = Touchpoints::read().unwrap();
        let world = World { seed: !7, twists: scenario.twists, ..World::default() };
        let population = truth::of_world(&world, touchpoints.plan, scenario.whose, 20_000);
        let setting =
            Setting { scenario: &scenario, touchpoints: &touchpoints, population: &population, seed: 7 };
        let ids: Vec<String> = touchpoints.ids().map(str::to_string).collect();
        let of = |threads| {
            let shown: Vec<Shown> = chunks::each(9, threads, |number| setting.show(number));
            let targets = targets::targets(&Figures::of(&scenario, &shown), &ids, 3e-4);
            (targets.len(), format!("{shown:?} {targets:?}"))
        };
        let ((targets, one), (_, two)) = (of(1), of(2));
        assert!(targets > 10 && one.contains("estimate"), "{targets}");
        assert_eq!(one, two);
    }
}
