//! The worlds that the calibration runs on, and the wrong methods that are run beside ours where they must
//! fail.

use crate::generate::truth::Whose;
use crate::generate::{Response, Twists};

/// How a world's answers are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// What the pipeline does.
    Ours,
    /// Days to the answer are not held equal.
    NoTimeTerm,
    /// A part's model does not hold what it is part of.
    WithoutTheWhole,
    /// Touchpoints of the same stage are not held equal.
    NothingAlongside,
    /// Other states of the same factor leave the model: compared with them too.
    OtherStatesLeftOut,
    /// Answers of one store and week count as independent.
    CustomersOnly,
    /// Answers speak for those who did not give one.
    Unweighted,
    /// Answers weigh 1/π, by who is known to have answered.
    Weighted,
    /// Log-odds shifted by how readily classes answer.
    Offset,
    /// A store's effect is the whole's, over its answers.
    WholeApplied,
    /// No penalty, however few were exposed.
    NeverPenalised,
    /// NPS of all minus NPS of those who did not meet it.
    LeaveOneOut,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Ours => "ours",
            Method::NoTimeTerm => "no time term",
            Method::WithoutTheWhole => "part without its whole",
            Method::NothingAlongside => "nothing of the same stage",
            Method::OtherStatesLeftOut => "other delivery states left out",
            Method::CustomersOnly => "clustered by customer only",
            Method::Unweighted => "unweighted",
            Method::Weighted => "response weights",
            Method::Offset => "offset",
            Method::WholeApplied => "the whole's effect in each store",
            Method::NeverPenalised => "never penalised",
            Method::LeaveOneOut => "leave-one-out impact",
        }
    }
}

/// One kind of world.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub sentence: &'static str,
    pub twists: Twists,
    /// Answers of a world.
    pub answers: usize,
    /// Worlds of the full run.
    pub worlds: usize,
    pub methods: &'static [Method],
    /// On so many worlds; ours is run on all.
    pub mutant_worlds: usize,
    pub whose: Whose,
}

const PLAIN: Twists = Twists {
    is_null: false,
    has_survey_lag: false,
    has_grumpy_customers: false,
    response: Response::Alike,
    store_effect_sd: 0.0,
    store_week_sd: 0.0,
    has_no_order_ids: false,
};

const ORDINARY: Scenario = Scenario {
    name: "ordinary",
    sentence: "nothing unmeasured",
    twists: PLAIN,
    answers: 20_000,
    worlds: 1_000,
    methods: &[
        Method::Ours,
        Method::WithoutTheWhole,
        Method::NothingAlongside,
        Method::OtherStatesLeftOut,
        Method::LeaveOneOut,
    ],
    mutant_worlds: 200,
    whose: Whose::Answered,
};

/// All kinds of world, in the order of the report.
pub fn scenarios() -> Vec<Scenario> {
    let ours: &'static [Method] = &[Method::Ours];
    vec![
        ORDINARY,
        Scenario { name: "ordinary, small", answers: 2_000, worlds: 200, methods: ours, ..ORDINARY },
        Scenario { name: "ordinary, large", answers: 200_000, worlds: 200, methods: ours, ..ORDINARY },
        Scenario {
            name: "null",
            sentence: "nothing that is met moves an answer",
            twists: Twists { is_null: true, ..PLAIN },
            methods: ours,
            ..ORDINARY
        },
        Scenario {
            name: "survey lag",
            sentence: "asked 2 to 60 days after the parcel; who is asked later is less pleased",
            twists: Twists { has_survey_lag: true, ..PLAIN },
            worlds: 200,
            methods: &[Method::Ours, Method::NoTimeTerm],
            ..ORDINARY
        },
        Scenario {
            name: "store effects",
            sentence: "what lateness does differs from store to store",
            twists: Twists { store_effect_sd: 0.3, ..PLAIN },
            worlds: 200,
            methods: &[Method::Ours, Method::WholeApplied],
            ..ORDINARY
        },
        Scenario {
            name: "store-week shocks",
            sentence: "weeks of a store have shocks of their own to parcels and to answers",
            twists: Twists { store_week_sd: 0.5, ..PLAIN },
            worlds: 200,
            methods: &[Method::Ours, Method::CustomersOnly],
            ..ORDINARY
        },
        Scenario {
            name: "response by tickets",
            sentence: "who has written a ticket answers twice as readily; the truth is that of all who were asked",
            twists: Twists { response: Response::ByTickets, ..PLAIN },
            worlds: 200,
            methods: &[Method::Weighted, Method::Unweighted],
            whose: Whose::Asked,
            ..ORDINARY
        },
        Scenario {
            name: "response by class",
            sentence: "detractors answer twice as readily as promoters; the truth is that of all who were asked",
            twists: Twists { response: Response::ByClass, ..PLAIN },
            worlds: 200,
            methods: &[Method::Offset, Method::Weighted, Method::Unweighted],
            whose: Whose::Asked,
            ..ORDINARY
        },
        Scenario {
            name: "response by class and tickets",
            sentence: "detractors with a ticket answer most of all: nothing that is measured puts it right",
            twists: Twists { response: Response::ByClassAndTickets, ..PLAIN },
            worlds: 200,
            methods: &[Method::Offset, Method::Weighted, Method::Unweighted],
            whose: Whose::Asked,
            ..ORDINARY
        },
        Scenario {
            name: "grumpy customers",
            sentence: "some write tickets and answer badly whatever they meet; the placebo must say so",
            twists: Twists { has_grumpy_customers: true, ..PLAIN },
            worlds: 200,
            methods: ours,
            ..ORDINARY
        },
        Scenario {
            name: "few exposed",
            sentence: "1,000 answers: most touchpoints were met by 10 to 50 customers",
            answers: 1_000,
            worlds: 200,
            methods: &[Method::Ours, Method::NeverPenalised],
            ..ORDINARY
        },
        Scenario {
            name: "aliases",
            sentence: "every late parcel is also called delayed: the same answers under another name",
            answers: 5_000,
            worlds: 50,
            methods: ours,
            ..ORDINARY
        },
    ]
}
