//! The one test binary: the program is run as its users run it, and its rooms are kept.
//!
//! | module | asks |
//! |---|---|
//! | `calibrate` | do intervals hold on planted worlds, and do wrong methods fail there? |
//! | `cases` | does each folder of `tests/cases/` come out as a person worked it out by hand? |
//! | `checks` | does each file of `queries/checks/` see the fault that it is there for? |
//! | `cli` | exit codes, messages, signals, the same bytes at any number of threads |
//! | `contract` | exports that change from night to night, and what a check says of them |
//! | `discover` | a configuration proposed for exports that nobody has described |
//! | `formats` | Parquet as others write it; what the next night reads again |
//! | `shuffle` | does the order of the rows, or of the files, change a result? |
//! | `nights` | can a past night be run again from all deliveries? |
//! | `known_at` | what goes wrong if the latest state is taken for the state at the answer? |
//! | `publish` | nothing to do, a lock that is held, restated figures, old runs, two runs told apart |
//! | `kill` | runs that are killed, fail or meet each other, with somebody reading all the while |
//! | `s3`, `azure` | a whole job on object storage |
//! | `bytes_read` | does a run read no more of an export than it needs? |
//! | `web` | exports that are read from a web server |
//! | `small_cells` | do pages for leaders tell of too few? |
//! | `pages` | do the figures on the pages equal the tables, and do hostile texts stay texts? |
//! | `presets` | does what `init` prints read exports in their true format? |
//! | `lake` | five nights of three systems' exports against the same world's plain feeds |
//! | `stats` | do the statistics come out as other people's software has them? |
//! | `drivers` | what is published of a planted world: verdicts with a ground, weights, clusters |
//! | `olist` | the figures of the real data, where it is there |
//! | `privacy` | is anything told of persons that should not be? |
//! | `pseudonyms` | do the headers of queries say which columns name persons? |
//! | `erasure` | are those who asked to be forgotten? |
//! | `schedule` | do the files that start a run every night parse? |
//! | `lineage` | what do listeners hear of a run? |
//! | `proxy` | each request of a run on S3 and on Azure failed in turn |
//! | `fuzz` | configurations, mappings and rows as nobody would write them |
//! | `memory` | does a run keep to the memory that it is given? |
//! | `mutated` | damaged exports: never a panic, a hang or a lost row |
//! | `dependencies` | is the program made of what `deny.toml` allows? |
//! | `tidy` | does each power stay in its room, and does each query read what it declares? |
//!
//! `world` makes exports for tests that ask whether two runs agree.
//! `promise` says what a reader may rely on, `servers` is object storage on this machine. Only `program` touches the program, only `table` reads what it publishes.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests look at the clock and the environment"
)]

mod azure;
mod bytes_read;
mod calibrate;
mod cases;
mod checks;
mod cli;
mod contract;
mod dependencies;
mod discover;
mod drivers;
mod erasure;
mod formats;
mod fuzz;
mod kill;
mod known_at;
mod lake;
mod lineage;
mod memory;
mod mutated;
mod nights;
mod olist;
mod pages;
mod presets;
mod privacy;
mod program;
mod promise;
mod proxy;
mod pseudonyms;
mod publish;
mod s3;
mod schedule;
mod servers;
mod shuffle;
mod small_cells;
mod stats;
mod table;
mod tidy;
mod web;
mod world;
