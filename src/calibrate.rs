//! Are the numbers right? The pipeline's statistics on worlds whose truth was planted.
//!
//! ```text
//! scenarios ──> worlds: generate ──> sample ──> drivers::estimates ──> seen beside the truth ──> figures, targets
//!                                         └──> wrong methods (mutants), which must fail
//! ```
//!
//! A [`scenarios::Scenario`] is a kind of world. Each of its worlds is made in memory, analysed by the code
//! that the pipeline runs ([`crate::drivers::estimates`]), and every estimate is put beside what was planted:
//! κ = 0 beside the truth of exactly these answers, κ = 1 beside that of the process behind them, a large
//! world of the same kind. Worlds do not depend on each other, nor on the number of threads.

mod figures;
mod sample;
mod scenarios;
mod tables;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use figures::Figures;
pub use figures::Target;
use sample::Touchpoints;
use scenarios::Scenario;
use world::{Setting, Shown};

use crate::engine::write;
use crate::error::{Error, Result};
use crate::generate::World;
use crate::generate::truth::{self, Truth};
use crate::progress::Progress;
use crate::store::Store;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Request {
    /// The folder that the tables go to.
    pub output: String,
    /// Of the full run's worlds; at least one of each kind is run.
    pub share: f64,
    /// Kinds of world by name; none: all.
    pub only: Vec<String>,
    pub threads: usize,
    pub seed: u64,
}

/// What came out.
pub struct Outcome {
    pub targets: Vec<Target>,
    /// Wrong methods, and how they failed.
    pub mutants: Vec<Target>,
}

/// Orders of the world that tells what holds in the process.
const POPULATION: f64 = 4_000_000.0;
const LEAST_POPULATION: f64 = 50_000.0;

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
    let populations = populations(&chosen, population, request);
    progress.ends("populations", population * populations.len() as u64);
    let mut all = Vec::new();
    for (scenario, population) in chosen.iter().zip(&populations) {
        progress.begins(scenario.name);
        let setting = Setting { scenario, touchpoints: &touchpoints, population, seed: request.seed };
        let worlds = worlds(scenario, request);
        let shown: Vec<Shown> = in_parallel(worlds, request.threads, |number| setting.show(number));
        all.push(Figures::of(scenario, &shown));
        progress.ends(scenario.name, worlds as u64);
    }
    let targets: Vec<Target> = all.iter().flat_map(|figures| figures::targets(figures, &ids)).collect();
    let mutants: Vec<Target> = all.iter().flat_map(|figures| figures::mutants(figures, &ids)).collect();
    let both: Vec<Target> = targets.iter().chain(&mutants).cloned().collect();
    for (name, rows) in [
        ("calibration_coverage", tables::coverage(&all, &ids)?),
        ("calibration_rates", tables::rates(&all)?),
        ("calibration_targets", tables::targets(&both)?),
    ] {
        let writer = output.writer(&format!("{name}/part-00000.parquet")).await?;
        let metadata = [("aftersale.table".to_string(), name.to_string())];
        write::write_rows(&rows, &metadata, writer).await?.finish().await?;
    }
    Ok(Outcome { targets, mutants })
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
    ((scenario.worlds as f64 * request.share).round() as usize).max(1)
}

/// The truth of the process behind each scenario; the same worlds have the same.
fn populations(chosen: &[Scenario], orders: u64, request: &Request) -> Vec<Truth> {
    let mut kinds: Vec<(crate::generate::Twists, truth::Whose)> = Vec::new();
    for scenario in chosen {
        if !kinds.contains(&(scenario.twists, scenario.whose)) {
            kinds.push((scenario.twists, scenario.whose));
        }
    }
    let truths = in_parallel(kinds.len(), request.threads, |kind| {
        let (twists, whose) = kinds[kind];
        truth::of_world(&World { seed: !request.seed, twists, ..World::default() }, whose, orders)
    });
    let of = |scenario: &Scenario| {
        let kind = kinds.iter().position(|kind| *kind == (scenario.twists, scenario.whose));
        kind.map(|kind| truths[kind].clone()).unwrap_or_default()
    };
    chosen.iter().map(of).collect()
}

/// `work` of every number below `many`, in their order, whatever thread did it.
fn in_parallel<T: Send>(many: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= many {
                return done;
            }
            done.push((number, work(number)));
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.clamp(1, many.max(1))).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, shown)| shown).collect()
}
