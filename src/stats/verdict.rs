//! What is said of a touchpoint in one phrase, by rules in a fixed order.

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    NotMeasured,
    NotEnoughEvidence,
    NotWorthActingOn,
    DrivesDetractors,
    Protects,
    /// NPS points and detractors surely move in opposite ways: fewer promoters but fewer detractors, or more of
    /// both.
    CutsBothWays,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::NotMeasured => "not measured",
            Verdict::NotEnoughEvidence => "not enough evidence",
            Verdict::NotWorthActingOn => "not worth acting on",
            Verdict::DrivesDetractors => "drives detractors",
            Verdict::Protects => "protects",
            Verdict::CutsBothWays => "cuts both ways",
        }
    }
}

/// Effects smaller than both are not worth acting on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margins {
    pub nps_points: f64,
    /// Per exposed person, 0 to 1: a rare disaster is not called harmless.
    pub risk_difference: f64,
}

/// What a verdict rests on: the total effect, for the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ground {
    /// A feed tells of it.
    pub is_measured: bool,
    /// Exposed customers.
    pub exposed_clusters: u64,
    pub min_responses: u64,
    /// Separated, or too few in a class; see `Support::is_thin`.
    pub is_thin: bool,
    /// The exposed have equals among the spared; see `Overlap::has_ground`.
    pub has_ground: bool,
    /// Estimate and 90% interval in NPS points.
    pub nps_points: Option<(f64, f64, f64)>,
    /// 90% interval of the risk difference.
    pub risk_difference: Option<(f64, f64)>,
    pub q_value: Option<f64>,
}

/// The verdict. Never "zero" for "not significant".
pub fn verdict(ground: &Ground, margins: Margins) -> Verdict {
    if !ground.is_measured {
        return Verdict::NotMeasured;
    }
    if ground.exposed_clusters < ground.min_responses || ground.is_thin || !ground.has_ground {
        return Verdict::NotEnoughEvidence;
    }
    let (Some((points, low, high)), Some((least, most))) = (ground.nps_points, ground.risk_difference) else {
        return Verdict::NotEnoughEvidence;
    };
    let is_inside = |low: f64, high: f64, margin: f64| -margin < low && high < margin;
    if is_inside(low, high, margins.nps_points) && is_inside(least, most, margins.risk_difference) {
        return Verdict::NotWorthActingOn;
    }
    match ground.q_value {
        Some(q) if q <= 0.05 && (points > 0.0 && most < 0.0 || points < 0.0 && least > 0.0) => {
            Verdict::CutsBothWays
        }
        Some(q) if q <= 0.05 && points > 0.0 => Verdict::DrivesDetractors,
        Some(q) if q <= 0.05 => Verdict::Protects,
        _ => Verdict::NotEnoughEvidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_holds_decides() {
        let margins = Margins { nps_points: 0.1, risk_difference: 0.01 };
        let sure = Ground {
            is_measured: true,
            exposed_clusters: 500,
            min_responses: 30,
            is_thin: false,
            has_ground: true,
            nps_points: Some((0.5, 0.3, 0.7)),
            risk_difference: Some((0.05, 0.09)),
            q_value: Some(0.001),
        };
        let say = |ground: Ground| verdict(&ground, margins);
        assert_eq!(say(sure), Verdict::DrivesDetractors);
        let helps =
            Ground { risk_difference: Some((-0.09, -0.05)), nps_points: Some((-0.5, -0.7, -0.3)), ..sure };
        assert_eq!(say(helps), Verdict::Protects);
        assert_eq!(say(Ground { q_value: Some(0.051), ..sure }), Verdict::NotEnoughEvidence);
        // It turns promoters and detractors into passives: points are lost, and detractors spared.
        let spares = Ground { risk_difference: Some((-0.26, -0.22)), ..sure };
        assert_eq!(say(spares), Verdict::CutsBothWays);
        assert_eq!(say(Ground { q_value: Some(0.2), ..spares }), Verdict::NotEnoughEvidence);
        assert_eq!(say(Ground { risk_difference: Some((0.05, 0.09)), ..helps }), Verdict::CutsBothWays);
        assert_eq!(say(Ground { risk_difference: Some((-0.26, 0.01)), ..sure }), Verdict::DrivesDetractors);
        // Inside both margins it is not worth acting on, however sure.
        let small =
            Ground { nps_points: Some((0.05, 0.02, 0.08)), risk_difference: Some((0.001, 0.009)), ..sure };
        assert_eq!(say(small), Verdict::NotWorthActingOn);
        // A rare disaster moves NPS little and its customers much.
        assert_eq!(say(Ground { risk_difference: Some((0.2, 0.4)), ..small }), Verdict::DrivesDetractors);
        assert_eq!(say(Ground { exposed_clusters: 29, ..small }), Verdict::NotEnoughEvidence);
        assert_eq!(say(Ground { is_thin: true, ..sure }), Verdict::NotEnoughEvidence);
        assert_eq!(say(Ground { has_ground: false, ..sure }), Verdict::NotEnoughEvidence);
        assert_eq!(say(Ground { has_ground: false, ..small }), Verdict::NotEnoughEvidence);
        assert_eq!(say(Ground { is_measured: false, ..small }), Verdict::NotMeasured);
        assert_eq!(say(Ground { nps_points: None, ..sure }), Verdict::NotEnoughEvidence);
    }
}
