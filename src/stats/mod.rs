//! Arithmetic that needs proof: numbers in, numbers out.
pub mod analysis;
pub mod attribution;
pub mod bootstrap;
pub mod change;
pub mod chunks;
pub mod clusters;
pub mod design;
pub mod dose;
pub mod effects;
pub mod evidence;
pub mod guardrails;
pub mod influence;
pub mod linear;
pub mod logit;
pub mod measures;
pub mod moments;
pub mod nps;
pub mod order;
pub mod own_slopes;
pub mod patterns;
pub mod placebo;
pub mod pooling;
pub mod problem;
pub mod propensity;
pub mod quantiles;
pub mod ranks;
pub mod raw;
pub mod response;
pub mod segments;
pub mod sensitivity;
pub mod shared_variance;
pub mod standardise;
pub mod verdict;
#[cfg(test)]
mod effects_tests;
#[cfg(test)]
mod planted;
