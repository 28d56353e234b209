//! Can those who met a touchpoint be compared with those who did not?

use super::estimates::Estimates;
use crate::stats::analysis::Analysis;
use crate::stats::effects::Estimand;
use crate::stats::measures::Estimate;
use crate::stats::propensity::{DoublyRobust, Overlap};

/// What the propensities of one touchpoint tell.
pub struct Comparison {
    pub overlap: Overlap,
    pub doubly_robust: Option<DoublyRobust>,
    /// For what helps: NPS points if everybody met it.
    pub nps_points_if_all: Option<Estimate>,
}

/// Per touchpoint; none where it has no estimate, or too few have met it.
pub fn comparisons(analysis: &Analysis, estimates: &Estimates) -> Vec<Option<Comparison>> {
    (0..analysis.touchpoints()).map(|touchpoint| comparison(analysis, estimates, touchpoint)).collect()
}

fn comparison(analysis: &Analysis, estimates: &Estimates, touchpoint: usize) -> Option<Comparison> {
    let effect = estimates.total.of[touchpoint].as_ref().ok()?;
    let fitted = estimates.fits.behind(Estimand::Total, touchpoint).ok()?;
    let (propensity, overlap) = estimates.propensities[touchpoint].as_ref()?;
    let helps = effect.measures.nps_points.value < 0.0;
    Some(Comparison {
        overlap: *overlap,
        doubly_robust: propensity.doubly_robust(analysis, fitted, touchpoint),
        nps_points_if_all: helps
            .then(|| propensity.nps_points_if_all(analysis, fitted, touchpoint, effect.measures.degrees))
            .flatten(),
    })
}
