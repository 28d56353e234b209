//! Arithmetic that needs proof: numbers in, numbers out.
//!
//! Nothing here knows Arrow, SQL, files or the clock. Each function names its source; the figures in
//! `tests` come from the literature or from someone else's software.

pub mod nps;
