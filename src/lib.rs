//! aftersale: which touchpoints after the sale turn customers into detractors.
//!
//! ```text
//!  exports            stage            journeys             exposures         reports          readers
//!  surveys      ─┐
//!  purchases    ─┼─>  typed_*  ──────> int_links   ───────> met_*      ─────> rpt_*    ─────> Parquet
//!  tickets      ─┤    stg_*            int_moments          fct_exposures     latest.json
//!  interactions ─┘    rejected_rows    fct_journeys
//! ```
//!
//! [`pipeline`] tells the whole story in the order in which it runs. Each power has one room:
//!
//! - [`store`]: where do the objects lie, and how are they read and published? It knows no tables.
//! - [`engine`]: how is a query run, with how much memory? It knows no credentials and no meaning.
//! - [`sources`]: how do a stranger's columns become ours?
//! - [`queries`]: what is computed? SQL, one statement a file, in `queries/`.
//! - [`catalogue`], [`exposures`]: which touchpoints are there, and who met them?
//! - [`privacy`]: what is published of persons? Text in, text out.
//! - [`stats`]: which arithmetic needs proof? It knows numbers only.
//! - [`pages`]: what do the published tables say to a leader, a store, an analyst? Figures, suppressed where few.
//! - [`report`]: how does a page say it? Typed rows in, text out.
//! - [`contract`]: are the exports what they were in the last published run?
//! - [`discover`]: what lies there, and which feed may it be?
//! - [`config`]: what did the user ask for? It alone reads the environment.
//! - [`cli`]: what does the terminal show? It alone knows the clock.

pub mod calibrate;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod contract;
pub mod diff;
pub mod discover;
pub mod drivers;
pub mod engine;
pub mod error;
pub mod exposures;
pub mod generate;
pub mod pages;
pub mod pipeline;
pub mod privacy;
pub mod progress;
pub mod published;
pub mod queries;
pub mod report;
pub mod sample;
pub mod sources;
pub mod stats;
pub mod store;
pub mod trace;
