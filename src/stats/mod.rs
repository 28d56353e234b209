//! Arithmetic that needs proof: numbers in, numbers out.
//!
//! Nothing here knows Arrow, SQL, files or the clock. Each function names its source; the figures in the tests
//! come from the literature or from someone else's software (`tests/reference/`).
//!
//! # From answers to a verdict, in running order
//!
//! ```text
//!  Problem ──> Analysis ────────────────> Fits ───────────────> Effects ──────────> what is said
//!  problem     order      who precedes     logit   Newton,       standardise undo    evidence q, E-value
//!              patterns   rows once        effects Firth         moments     spread  ranks    rank_low, _high
//!              design     columns, aliases                       measures    figures verdict  in one phrase
//!              clusters   customers
//! ```
//!
//! 1. **What is asked.** A [`problem::Problem`] holds columns side by side: class, weight, customer (or two
//!    crossed groupings), a [`problem::State`] per touchpoint, a level per covariate, and how touchpoints are
//!    related: stage, factor, `within`, `after`. [`order`] derives from that what a total effect is adjusted
//!    for, and says it in words.
//! 2. **Made ready once.** [`analysis::Analysis`] compresses equal rows into [`patterns`] (rare levels
//!    pooled), lays out the columns and their cross products ([`design`]), groups answers by customer
//!    ([`clusters`]) and counts who stands behind each touchpoint ([`analysis::Support`]). Nothing of size
//!    answers × columns is ever made.
//! 3. **Fitted.** [`effects::Fits`] fits one model with all touchpoints (direct) and one per different
//!    adjustment set (total): a multinomial [`logit`] on sparse rows, penalised where it separates or where
//!    hardly anybody was exposed. What a column repeats of earlier ones is dropped and named
//!    ([`design::Dropped`], [`analysis::Missing`]).
//! 4. **Undone.** [`standardise`] says what the model makes of the same answers without the touchpoint and its
//!    parts; [`moments`] sums influence values by customer; [`measures`] turns both into NPS points, risk
//!    differences and ratios, avoidable detractors, each with an interval for the process and one for these
//!    answers. [`effects::Effects`] has them per touchpoint, with the joint covariance.
//! 5. **Judged.** [`evidence`] (q-values per family, E-values), [`ranks`], [`verdict`].
//!
//! # Beside that
//!
//! | question | answered by |
//! |---|---|
//! | the effect over a segment's answers; its own effect; do segments differ? | [`segments`], [`own_slopes`] with [`pooling`] |
//! | what did each answer's touchpoints add? (sums exactly) | [`attribution`] |
//! | how much of the variance do they share? (unsigned, an extra) | [`shared_variance`] |
//! | more of it, worse? | [`dose`] |
//! | why did NPS move? | [`change`] |
//! | who did not answer? | [`response`] (what feeds tell), [`sensitivity`] (what they cannot) |
//! | can exposed and spared be compared; does another estimator agree? what if everybody met it? | [`propensity`] |
//! | does the model fit; what does it hang on? | [`guardrails`] |
//! | does it find what cannot be? | [`placebo`] |
//! | do intervals hold without the algebra? | [`bootstrap`], [`influence`] |
//! | NPS itself, and the raw comparison | [`nps`], [`raw`] |
//!
//! # Conventions
//!
//! Promoters are the reference; coefficient `2 j + a` is column j's log-odds of passives (a = 0) or detractors
//! (a = 1). Shares and risks run from 0 to 1, NPS in points. Weights are scaled to a mean of one, so weighted
//! counts read as answers. What cannot be known is `None` or a named reason, never zero. Sums are taken in an
//! order that does not depend on the number of threads ([`chunks`]); whatever draws at random is handed a seeded
//! generator.

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
