//! Arithmetic that needs proof: numbers in, numbers out.
pub mod analysis;
pub mod chunks;
pub mod clusters;
pub mod design;
pub mod effects;
pub mod linear;
pub mod logit;
pub mod measures;
pub mod moments;
pub mod nps;
pub mod order;
pub mod patterns;
pub mod problem;
pub mod quantiles;
pub mod standardise;
#[cfg(test)]
mod effects_tests;
#[cfg(test)]
mod planted;
