//! The worlds that the calibration runs on, and the wrong methods that are run beside ours where they must
//! fail.

use super::method::Method;
use crate::generate::truth::Whose;
use crate::generate::{Links, Response, STORE_EFFECT_SD, Twists};

/// A wrong method, and the touchpoint whose truth its intervals must miss.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    pub method: Method,
    pub misses: &'static str,
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
    /// Worlds of the smallest run: as many as the wrong methods take to be seen.
    pub fewest: usize,
    /// What is held to be right here; none where nothing is, and that has to be said.
    pub right: Option<Method>,
    pub mutants: &'static [Mutant],
    /// Wrong methods run on so many worlds; the right one on all.
    pub mutant_worlds: usize,
    pub whose: Whose,
    pub links: Links,
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
    fewest: 12,
    right: Some(Method::Ours),
    mutants: &[
        Mutant { method: Method::WithoutTheWhole, misses: "very_late" },
        Mutant { method: Method::NothingAlongside, misses: "unresolved" },
        Mutant { method: Method::OtherStatesLeftOut, misses: "early" },
        Mutant { method: Method::LaterHeldEqual, misses: "slow_first_reply" },
        Mutant { method: Method::LeaveOneOut, misses: "returned" },
    ],
    mutant_worlds: 200,
    whose: Whose::Answered,
    links: Links::Named,
};

/// Every kind of world, in the order in which they are run.
pub fn scenarios() -> Vec<Scenario> {
    vec![
        ORDINARY,
        Scenario {
            name: "ordinary, small",
            sentence: "nothing unmeasured, 2,000 answers",
            answers: 2_000,
            worlds: 200,
            mutants: &[],
            ..ORDINARY
        },
        Scenario {
            name: "ordinary, large",
            sentence: "nothing unmeasured, 200,000 answers",
            answers: 200_000,
            worlds: 200,
            fewest: 1,
            mutants: &[],
            ..ORDINARY
        },
        Scenario {
            name: "null",
            sentence: "nothing that is met moves an answer",
            twists: Twists { is_null: true, ..PLAIN },
            fewest: 4,
            mutants: &[],
            ..ORDINARY
        },
        Scenario {
            name: "survey lag",
            sentence: "asked 2 to 60 days after the parcel; who is asked later is less pleased",
            twists: Twists { has_survey_lag: true, ..PLAIN },
            worlds: 200,
            fewest: 16,
            mutants: &[Mutant { method: Method::NoTimeTerm, misses: "returned" }],
            ..ORDINARY
        },
        Scenario {
            name: "no order ids",
            sentence: "customers buy again within weeks, and no answer names its order",
            twists: Twists { has_no_order_ids: true, ..PLAIN },
            worlds: 200,
            mutants: &[Mutant { method: Method::LatestOrder, misses: "late" }],
            ..ORDINARY
        },
        Scenario {
            name: "mixed links",
            sentence: "as exported: three answers in five name their order, the others are about what the customer met \
                       on all of them",
            worlds: 200,
            fewest: 8,
            mutants: &[],
            links: Links::AsExported,
            ..ORDINARY
        },
        Scenario {
            name: "store effects",
            sentence: "what lateness does differs from store to store",
            twists: Twists { store_effect_sd: STORE_EFFECT_SD, ..PLAIN },
            worlds: 200,
            fewest: 6,
            mutants: &[Mutant { method: Method::WholeApplied, misses: "late" }],
            ..ORDINARY
        },
        Scenario {
            name: "store-week shocks",
            sentence: "weeks of a store have shocks of their own to parcels and to answers; clustered by both",
            twists: Twists { store_week_sd: 1.0, ..PLAIN },
            worlds: 200,
            fewest: 20,
            mutants: &[Mutant { method: Method::CustomersOnly, misses: "late" }],
            ..ORDINARY
        },
        Scenario {
            name: "response alike",
            sentence: "all answer as readily; the truth is that of all who were asked",
            answers: 10_000,
            worlds: 200,
            fewest: 8,
            right: Some(Method::Weighted),
            mutants: &[],
            whose: Whose::Asked,
            ..ORDINARY
        },
        Scenario {
            name: "response by tickets",
            sentence: "who has written a ticket answers twice as readily; the truth is that of all who were asked",
            twists: Twists { response: Response::ByTickets, ..PLAIN },
            answers: 10_000,
            worlds: 200,
            right: Some(Method::Weighted),
            mutants: &[Mutant { method: Method::Unweighted, misses: "ticket_opened" }],
            whose: Whose::Asked,
            ..ORDINARY
        },
        Scenario {
            name: "response by class",
            sentence: "detractors answer twice as readily as promoters; the truth is that of all who were asked",
            twists: Twists { response: Response::ByClass, ..PLAIN },
            answers: 20_000,
            worlds: 200,
            fewest: 20,
            right: Some(Method::Offset),
            mutants: &[
                Mutant { method: Method::Weighted, misses: "follow_up_received" },
                Mutant { method: Method::Unweighted, misses: "late" },
            ],
            whose: Whose::Asked,
            ..ORDINARY
        },
        Scenario {
            name: "response by class and tickets",
            sentence: "detractors with a ticket answer most of all: nothing measured puts it right, and it is said",
            twists: Twists { response: Response::ByClassAndTickets, ..PLAIN },
            answers: 10_000,
            worlds: 200,
            right: None,
            mutants: &[
                Mutant { method: Method::Weighted, misses: "ticket_opened" },
                Mutant { method: Method::Offset, misses: "ticket_opened" },
            ],
            whose: Whose::Asked,
            ..ORDINARY
        },
        Scenario {
            name: "grumpy customers",
            sentence: "some write tickets and answer badly whatever they meet: nothing measured puts it right, and \
                       the placebo says so",
            twists: Twists { has_grumpy_customers: true, ..PLAIN },
            answers: 50_000,
            worlds: 200,
            fewest: 5,
            right: None,
            mutants: &[Mutant { method: Method::Ours, misses: "ticket_opened" }],
            ..ORDINARY
        },
        Scenario {
            name: "few exposed",
            sentence: "1,000 answers: most touchpoints were met by 10 to 50 customers",
            answers: 1_000,
            worlds: 200,
            mutants: &[Mutant { method: Method::NeverPenalised, misses: "" }],
            ..ORDINARY
        },
        Scenario {
            name: "aliases",
            sentence: "every late parcel is also called delayed: the same answers under another name",
            answers: 5_000,
            worlds: 50,
            mutants: &[Mutant { method: Method::AliasKept, misses: "" }],
            ..ORDINARY
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::sample::Touchpoints;
    use super::*;

    #[test]
    fn mutants_name_touchpoints_of_the_fit() {
        let touchpoints = Touchpoints::read().unwrap();
        for scenario in scenarios() {
            for mutant in scenario.mutants {
                assert!(
                    mutant.misses.is_empty() || touchpoints.position(mutant.misses).is_some(),
                    "{}: {}",
                    scenario.name,
                    mutant.misses
                );
            }
        }
    }
}
