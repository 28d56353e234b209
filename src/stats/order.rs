//! The declared order, and what follows from it: which touchpoints a total effect is adjusted for.
//!
//! The adjustment set of T is the covariates, touchpoints of earlier stages, what T is part of, and those of
//! T's stage that are neither after T nor parts of T (Pearl 2009, 3.3; VanderWeele 2015, ch. 2). T's own
//! parts stay in the model and are undone with T. Other states of T's factor always stay: they are what T
//! is *not* compared with.

use super::problem::{Problem, State};

/// Relations among the touchpoints of a catalogue, by position.
#[derive(Debug, Clone)]
pub struct Order {
    stages: Vec<usize>,
    factors: Vec<Option<usize>>,
    wider: Vec<Vec<usize>>,
    parts: Vec<Vec<usize>>,
    waits_for: Vec<Vec<usize>>,
    later: Vec<Vec<bool>>,
    /// Positions, each after what it is part of or waits for; otherwise as in the catalogue.
    pub parents_first: Vec<usize>,
}

/// What a total effect is adjusted for, beside the covariates. Positions in catalogue order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Touchpoints of earlier stages.
    pub earlier: Vec<usize>,
    /// What the touchpoint is part of.
    pub wider: Vec<usize>,
    /// Other touchpoints of its stage.
    pub alongside: Vec<usize>,
    /// Its own parts: in the model, and undone with it.
    pub parts: Vec<usize>,
    /// Of its stage, left out because they come after it.
    pub later: Vec<usize>,
}

impl Order {
    /// Of a problem whose relations were checked.
    pub fn of(problem: &Problem) -> Order {
        let touchpoints = &problem.touchpoints;
        let n = touchpoints.len();
        let wider: Vec<Vec<usize>> = (0..n)
            .map(|at| std::iter::successors(touchpoints[at].within, |up| touchpoints[*up].within).collect())
            .collect();
        let parts: Vec<Vec<usize>> =
            (0..n).map(|at| (0..n).filter(|other| wider[*other].contains(&at)).collect()).collect();
        let waits_for = (0..n)
            .map(|at| {
                let own =
                    std::iter::once(&at).chain(&wider[at]).filter_map(|one| touchpoints[*one].waits_for);
                let mut all: Vec<usize> =
                    own.flat_map(|one| std::iter::once(one).chain(wider[one].iter().copied())).collect();
                all.retain(|other| *other != at);
                all
            })
            .collect();
        let later = (0..n).map(|at| later(problem, &wider, at)).collect();
        let mut parents_first = Vec::with_capacity(n);
        let mut is_placed = vec![false; n];
        for at in 0..n {
            place(problem, at, &mut is_placed, &mut parents_first);
        }
        Order {
            stages: touchpoints.iter().map(|t| t.stage).collect(),
            factors: touchpoints.iter().map(|t| t.factor).collect(),
            wider,
            parts,
            waits_for,
            later,
            parents_first,
        }
    }

    /// What is part of it, at any depth.
    pub fn parts(&self, touchpoint: usize) -> &[usize] {
        &self.parts[touchpoint]
    }

    /// What it is part of, the nearest first.
    pub fn wider(&self, touchpoint: usize) -> &[usize] {
        &self.wider[touchpoint]
    }

    /// What it waits for while it is too early to tell, by itself or as a part: the nearest first, then what
    /// that is part of. Where one of these is undone, nothing is left to wait for.
    pub fn waits_for(&self, touchpoint: usize) -> &[usize] {
        &self.waits_for[touchpoint]
    }

    /// What waits for it.
    pub fn waiting(&self, touchpoint: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.waits_for.len()).filter(move |other| self.waits_for[*other].contains(&touchpoint))
    }

    /// Whose a column is: a state's own touchpoint, or what it waits for.
    pub fn owner(&self, touchpoint: usize, state: State) -> usize {
        match self.waits_for[touchpoint].first() {
            Some(other) if state == State::TooEarly => *other,
            _ => touchpoint,
        }
    }

    /// Other states of its factor.
    pub fn exclusive(&self, touchpoint: usize) -> Vec<usize> {
        let factor = self.factors[touchpoint];
        let is_mate =
            |other: &usize| factor.is_some() && *other != touchpoint && self.factors[*other] == factor;
        (0..self.factors.len()).filter(is_mate).collect()
    }

    /// Which touchpoints stand in the model of a total effect: adjusted for, itself, its parts.
    pub fn in_total_model(&self, touchpoint: usize) -> Vec<bool> {
        let stage = self.stages[touchpoint];
        (0..self.stages.len())
            .map(|other| {
                self.stages[other] < stage || (self.stages[other] == stage && !self.later[touchpoint][other])
            })
            .collect()
    }

    /// The adjustment set, told apart by why.
    pub fn adjustment(&self, touchpoint: usize) -> Adjustment {
        let stage = self.stages[touchpoint];
        let is_same = |other: &usize| self.stages[*other] == stage && *other != touchpoint;
        let all = || 0..self.stages.len();
        let wider: Vec<usize> = all().filter(|other| self.wider[touchpoint].contains(other)).collect();
        let parts = self.parts[touchpoint].clone();
        let later: Vec<usize> =
            all().filter(is_same).filter(|other| self.later[touchpoint][*other]).collect();
        let is_else = |other: &usize| {
            is_same(other) && !wider.contains(other) && !parts.contains(other) && !later.contains(other)
        };
        Adjustment {
            earlier: all().filter(|other| self.stages[*other] < stage).collect(),
            alongside: all().filter(is_else).collect(),
            wider,
            parts,
            later,
        }
    }

    /// The adjustment set in words.
    pub fn in_words(&self, problem: &Problem, touchpoint: usize) -> String {
        let set = self.adjustment(touchpoint);
        let names = |ids: &[usize]| {
            ids.iter().map(|id| problem.touchpoints[*id].id.as_str()).collect::<Vec<_>>().join(", ")
        };
        let covariates = problem.covariates.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let parts = [
            ("held equal", covariates),
            ("earlier stages", names(&set.earlier)),
            ("part of", names(&set.wider)),
            ("same stage", names(&set.alongside)),
            ("undone with it", names(&set.parts)),
            ("waits for it", names(&self.waiting(touchpoint).collect::<Vec<_>>())),
            ("left out, as it comes after", names(&set.later)),
        ];
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what}: {names}"))
            .collect();
        if said.is_empty() { "nothing".into() } else { said.join("; ") }
    }
}

/// Places a touchpoint after what it is part of and what it waits for: where two columns tell the same, the first
/// one stays.
fn place(problem: &Problem, at: usize, is_placed: &mut [bool], placed: &mut Vec<usize>) {
    if std::mem::replace(&mut is_placed[at], true) {
        return;
    }
    let touchpoint = &problem.touchpoints[at];
    for before in touchpoint.within.iter().chain(&touchpoint.waits_for) {
        place(problem, *before, is_placed, placed);
    }
    placed.push(at);
}

/// Touchpoints that come after `at` inside its stage: those declared after it or after a part of it, what
/// comes after those, and their parts. Never what it is part of, its parts, or states of its own factor.
fn later(problem: &Problem, wider: &[Vec<usize>], at: usize) -> Vec<bool> {
    let touchpoints = &problem.touchpoints;
    let n = touchpoints.len();
    let is_own = |other: usize| {
        other == at
            || wider[at].contains(&other)
            || wider[other].contains(&at)
            || (touchpoints[at].factor.is_some() && touchpoints[at].factor == touchpoints[other].factor)
    };
    let mut is_later = vec![false; n];
    loop {
        let mut has_grown = false;
        for other in 0..n {
            if is_later[other] || is_own(other) {
                continue;
            }
            let follows = touchpoints[other]
                .after
                .iter()
                .any(|before| *before == at || wider[*before].contains(&at) || is_later[*before]);
            if follows || wider[other].iter().any(|whole| is_later[*whole]) {
                is_later[other] = true;
                has_grown = true;
            }
        }
        if !has_grown {
            return is_later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Touchpoint;
    use super::*;

    fn touchpoint(id: &str, stage: usize) -> Touchpoint<'static> {
        Touchpoint {
            id: id.into(),
            stage,
            factor: None,
            within: None,
            after: vec![],
            waits_for: None,
            states: &[],
        }
    }

    /// late and gone exclude each other, gone has a part; a ticket has two parts, a callback comes after one.
    fn catalogue() -> Problem<'static> {
        let mut late = touchpoint("late", 0);
        late.factor = Some(0);
        let mut gone = touchpoint("gone", 0);
        gone.factor = Some(0);
        let mut overdue = touchpoint("overdue", 0);
        overdue.within = Some(1);
        let mut slow = touchpoint("slow", 1);
        slow.within = Some(4);
        let ticket = touchpoint("ticket", 1);
        let mut reopened = touchpoint("reopened", 1);
        reopened.within = Some(4);
        let mut callback = touchpoint("callback", 1);
        callback.after = vec![3];
        let call_lost = touchpoint("call_lost", 1);
        let returned = touchpoint("returned", 2);
        Problem {
            classes: &[],
            weights: None,
            clusters: vec![&[]],
            touchpoints: vec![late, gone, overdue, slow, ticket, reopened, callback, call_lost, returned],
            covariates: vec![],
        }
    }

    #[test]
    fn adjustment_sets_follow_the_declared_order() {
        let problem = catalogue();
        problem.check().unwrap();
        let order = Order::of(&problem);
        // The other delivery states stay, and nothing of a later stage.
        assert_eq!(
            order.adjustment(0),
            Adjustment {
                earlier: vec![],
                wider: vec![],
                alongside: vec![1, 2],
                parts: vec![],
                later: vec![]
            }
        );
        // A part keeps its whole; what comes after it is left out.
        assert_eq!(
            order.adjustment(3),
            Adjustment {
                earlier: vec![0, 1, 2],
                wider: vec![4],
                alongside: vec![5, 7],
                parts: vec![],
                later: vec![6]
            }
        );
        // What comes after a part comes after the whole.
        assert_eq!(order.adjustment(4).later, vec![6]);
        assert_eq!(order.adjustment(4).parts, vec![3, 5]);
        let model = order.in_total_model(4);
        assert_eq!(model, [true, true, true, true, true, true, false, true, false]);
        assert_eq!(order.parents_first, [0, 1, 2, 4, 3, 5, 6, 7, 8]);
        assert_eq!(order.exclusive(1), [0]);
        assert_eq!(
            order.in_words(&problem, 3),
            "earlier stages: late, gone, overdue; part of: ticket; same stage: reopened, call_lost; \
             left out, as it comes after: callback"
        );
    }

    #[test]
    fn circles_are_refused() {
        let mut problem = catalogue();
        problem.touchpoints[4].within = Some(3);
        assert!(problem.check().is_err());
        let mut problem = catalogue();
        problem.touchpoints[0].within = Some(4);
        assert!(problem.check().is_err(), "a part lies in the stage of its whole");
    }
}
