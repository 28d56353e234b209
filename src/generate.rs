//! Planted worlds: a made-up shop whose exports look real and whose causes are known.
//!
//! The sample in the repository, the benchmark and the calibration read them: only where the truth is
//! planted can one see whether the numbers of a run are right. The causes, in the journey's order:
//!
//! ```text
//! region, product, season ─> overdue, damaged ─┬─> tickets, calls ─> slow, reopened … ─┐
//!                        │                     ├─> warranty claims ─> repairs ─────────┼─> score ─> what comes after
//!                        │                     └─> returns (no effect of their own)    │
//!                        └─────── billing errors, follow-ups (randomised), offers ─────┘
//! ```
//!
//! All coefficients stand in one table, [`model::TABLE`]. Every answer's class is drawn from its row in
//! [`Met::probabilities`], by a luck that orders of one customer partly share; so a multinomial logit
//! over what was met is the right model for answers that name their order, and errors are clustered.
//!
//! Planted besides: detractors write tickets and are called back *after* their answer (leakage); tickets
//! are reopened after the answer, which moves their latest state; nothing is known after the world's
//! end; answers, tickets and calls without an order, and answers without a customer.
//!
//! A customer's random numbers depend on the seed and the customer's number alone, a stage's on its
//! order and stage alone: a world can be written in pieces, and one stage can be changed while all
//! other luck stays. This module opens no file: the caller does.

mod exports;
mod journey;
mod lake;
mod model;
mod sample;
pub mod truth;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

pub use model::{Cause, Class, Met};
pub use sample::{Answer, Known, Links, of_customers};

use crate::error::{Error, Result};
use truth::{Plan, Tally, Truth, Whose};

/// What to plant.
#[derive(Debug, Clone, Copy, Default)]
pub struct World {
    pub purchases: u64,
    pub seed: u64,
    /// Plant bad rows in the CSV feeds; the good rows stay as they are in the clean world.
    pub dirty: bool,
    pub twists: Twists,
    /// Write `truth.json` too: of the answers given, and of a population of so many orders under another
    /// seed, if that is more than none.
    pub truth: Option<u64>,
}

/// How a world departs from the ordinary one, in which all of these are off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Twists {
    /// Nothing that is met moves an answer.
    pub is_null: bool,
    /// The invitation comes 2 to 60 days after the parcel, and who is asked later is less pleased.
    pub has_survey_lag: bool,
    /// Some customers write tickets and answer badly whatever they meet; no export tells who.
    pub has_grumpy_customers: bool,
    pub response: Response,
    /// Standard deviation, over stores, of what lateness does to an answer (log-odds).
    pub store_effect_sd: f64,
    /// Standard deviation, over the weeks of a store, of shocks to its parcels and to its answers (log-odds).
    pub store_week_sd: f64,
    /// No answer names its order, and customers buy again within weeks.
    pub has_no_order_ids: bool,
}

/// `Twists::store_effect_sd` of worlds whose stores differ.
pub const STORE_EFFECT_SD: f64 = 0.3;

/// Who answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Response {
    /// Everyone alike.
    #[default]
    Alike,
    /// Who has written a ticket, rather.
    ByTickets,
    /// Detractors, rather.
    ByClass,
    /// Detractors with a ticket, most of all.
    ByClassAndTickets,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub customers: u64,
    pub purchases: u64,
    pub tickets: u64,
    pub interactions: u64,
    /// Valid answers by class: promoters, passives, detractors.
    pub answers: [u64; 3],
    /// Bad rows by kind (of a conflicting pair, both).
    pub planted: BTreeMap<&'static str, u64>,
    /// Paths in the order they were opened.
    pub files: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { customers, purchases, tickets, interactions, answers, planted, files } = self;
        let [promoters, passives, detractors] = answers;
        writeln!(
            f,
            "{customers} customers, {purchases} purchases, {tickets} tickets, {interactions} interactions"
        )?;
        writeln!(f, "answers: {promoters} promoters, {passives} passives, {detractors} detractors")?;
        planted.iter().try_for_each(|(kind, rows)| writeln!(f, "planted: {rows} rows of {kind}"))?;
        write!(f, "{} files", files.len())
    }
}

/// The configuration that reads a world, to be kept beside its folders.
pub const CONFIGURATION: &str = r#"# A planted world, as `aftersale generate` writes it.
output   = "out"
timezone = "Europe/Madrid"
segments = ["store_id", "region", "product_category", "sales_channel"]

[sources.surveys]
url = "surveys/*.csv"

[sources.purchases]
url = "purchases/*.parquet"

[sources.tickets]
url = "tickets/*.parquet"

[sources.interactions]
url = "interactions/*.csv"
"#;

pub type File = Box<dyn Write + Send>;

/// Writes a world's `surveys/*.csv`, `purchases/*.parquet`, `tickets/*.parquet` and
/// `interactions/*.csv`, customer by customer; memory does not grow with the world.
/// `open` gives the file of a relative path; each is flushed before it is dropped.
pub fn generate(world: &World, open: &mut dyn FnMut(&str) -> Result<File>) -> Result<Summary> {
    let mut exports = exports::Exports::new(world, &mut *open);
    let mut customer = 0;
    let mut tally = world.truth.map(|_| Plan::read().map(Tally::new)).transpose()?;
    while exports.summary.purchases < world.purchases {
        customer += 1;
        let left = world.purchases - exports.summary.purchases;
        let journeys = journey::of_customer(world, customer, left);
        if let Some(tally) = &mut tally {
            tally.add(world, Whose::Answered, customer, left, &journeys);
        }
        exports.write(customer, journeys)?;
    }
    let mut summary = exports.finish()?;
    if let Some(tally) = tally {
        write_truth(world, &tally, open)?;
        summary.files.push(TRUTH.into());
    }
    Ok(summary)
}

/// The file that says what each touchpoint really did.
pub const TRUTH: &str = "truth.json";

/// Of the sample and of the population behind it: as [`truth::Truth`] has it, per touchpoint.
#[derive(serde::Serialize)]
struct Truths {
    sample: Truth,
    #[serde(skip_serializing_if = "Option::is_none")]
    population: Option<Truth>,
}

fn write_truth(world: &World, tally: &Tally, open: &mut dyn FnMut(&str) -> Result<File>) -> Result<()> {
    let plan = Plan::read()?;
    let population = world.truth.filter(|orders| *orders > 0).map(|orders| {
        let elsewhere = World { seed: world.seed ^ ANOTHER_SEED, ..*world };
        truth::of_world(&elsewhere, plan, Whose::Answered, orders)
    });
    let text = serde_json::to_string_pretty(&Truths { sample: tally.truth(), population })
        .map_err(|e| Error::internal("the truth cannot be written down").caused_by(e))?;
    let cannot = |e: std::io::Error| Error::io("the truth cannot be written").caused_by(e);
    let mut file = open(TRUTH)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(cannot)
}

const ANOTHER_SEED: u64 = 0x5eed;

/// Writes the same world as the exports of three systems, delivered night after night: tickets of Zendesk
/// under `exports/zendesk/`, answers of Qualtrics under `exports/qualtrics/`, orders of Shopify under
/// `exports/shopify/`, a folder a night in each. Beside them, under `plain/`, is what these exports hold on
/// each night, as feeds that need no mapping. See [`lake`] for what is planted.
pub fn generate_exports(world: &World, open: &mut dyn FnMut(&str) -> Result<File>) -> Result<Summary> {
    let mut lake = lake::Lake::new(open)?;
    let mut customer = 0;
    while lake.summary.purchases < world.purchases {
        customer += 1;
        let left = world.purchases - lake.summary.purchases;
        lake.write(customer, &journey::of_customer(world, customer, left))?;
    }
    lake.finish()
}

/// The days whose deliveries [`generate_exports`] writes; each is named by its local day.
pub fn nights() -> Vec<String> {
    lake::nights().iter().map(|night| night.day.to_string()).collect()
}

#[cfg(test)]
mod tests;
