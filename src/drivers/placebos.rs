//! Effects that cannot be, and effects at another landmark: the same model put to changed answers.

use super::estimates::family;
use super::inputs::Answers;
use crate::stats::analysis::Analysis;
use crate::stats::effects::{Estimand, Fits};
use crate::stats::measures::Estimate;
use crate::stats::placebo::{self, Placebo};
use crate::stats::problem::{Class, Fault, Problem, State, Touchpoint};

/// Fewer answers than this find nothing.
const FEWEST_ANSWERS: usize = 200;

/// What a placebo found of each touchpoint of the fit, with its q-value among them.
pub type Found = Vec<Option<(Placebo, Option<f64>)>>;

/// The customer's previous answer as outcome: given before the window of this one began, so that nothing
/// that counts here can have moved it. None where too few have one.
///
/// # Errors
/// A [`Fault`] of the problem.
pub fn previous_answer(answers: &Answers, threads: usize) -> Result<Option<Found>, Fault> {
    let times = Times {
        customers: &answers.clusters,
        responded_at: &answers.met.responded_at,
        window_starts_at: &answers.met.window_starts_at,
    };
    of_previous_answers(&answers.problem(None), times, threads)
}

/// Whose the answers are and when they were given, in order of time.
#[derive(Debug, Clone, Copy)]
pub struct Times<'a> {
    pub customers: &'a [u32],
    pub responded_at: &'a [i64],
    pub window_starts_at: &'a [Option<i64>],
}

/// The same of any problem.
///
/// # Errors
/// A [`Fault`] of the problem.
pub fn of_previous_answers(problem: &Problem, times: Times, threads: usize) -> Result<Option<Found>, Fault> {
    let previous = previous_classes(problem.classes, times);
    if previous.iter().flatten().count() < FEWEST_ANSWERS {
        return Ok(None);
    }
    let (classes, weights) = placebo::previous_answers(problem, &previous);
    let problem = Problem { classes: &classes, weights: Some(&weights), ..problem.clone() };
    let analysis = Analysis::of(&problem, threads)?;
    let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
    let q_values = family(&effects);
    let found = effects.of.iter().zip(q_values).enumerate().map(|(touchpoint, (effect, q_value))| {
        let effect = effect.as_ref().ok().filter(|_| !analysis.support[touchpoint].is_thin())?;
        Some((placebo::placebo(analysis.patterns.answers(), &effect.measures), q_value))
    });
    Ok(Some(found.collect()))
}

/// What a placebo found speaks against an effect: it is not zero, at a q-value of .05.
pub fn speaks_against(q_value: f64) -> bool {
    q_value <= 0.05
}

/// Per answer the class of the customer's latest answer before the window of this one.
fn previous_classes(classes: &[Class], times: Times) -> Vec<Option<Class>> {
    let most = times.customers.iter().max().map_or(0, |most| *most as usize + 1);
    // Answers stand in order of time: those of a customer so far.
    let mut so_far: Vec<Vec<u32>> = vec![Vec::new(); most];
    let mut previous = Vec::with_capacity(classes.len());
    for answer in 0..classes.len() {
        let of_customer = &mut so_far[times.customers[answer] as usize];
        let is_before = |other: &&u32| {
            times.window_starts_at[answer].is_some_and(|start| times.responded_at[**other as usize] < start)
        };
        previous.push(of_customer.iter().rev().find(is_before).map(|other| classes[*other as usize]));
        of_customer.push(answer as u32);
    }
    previous
}

/// Lateness or damage of the customer's next order as a touchpoint: no answer before it can have felt that. None where
/// too few have one.
///
/// # Errors
/// A [`Fault`] of the problem.
pub fn next_order_bad(answers: &Answers, threads: usize) -> Result<Option<Placebo>, Fault> {
    let next_bad = &answers.met.next_bad;
    if next_bad.iter().flatten().count() < FEWEST_ANSWERS {
        return Ok(None);
    }
    let of = |late: &Option<bool>| if *late == Some(true) { State::Yes } else { State::No };
    let states: Vec<State> = next_bad.iter().map(of).collect();
    let weights: Vec<f64> = next_bad.iter().map(|late| f64::from(u8::from(late.is_some()))).collect();
    let mut problem = answers.problem(Some(&weights));
    let at = problem.touchpoints.len();
    problem.touchpoints.push(Touchpoint {
        id: "next_order_bad".into(),
        stage: usize::MAX,
        factor: None,
        within: None,
        after: Vec::new(),
        waits_for: None,
        states: &states,
    });
    let analysis = Analysis::of(&problem, threads)?;
    if analysis.support[at].is_thin() {
        return Ok(None);
    }
    // Only its own model is needed: everything before it, which is everything.
    let fits = Fits::with(&analysis, |_| vec![true; at + 1]);
    let effects = fits.effects(&analysis, Estimand::Total);
    let effect = effects.of[at].as_ref().ok();
    Ok(effect.map(|effect| placebo::placebo(analysis.patterns.answers(), &effect.measures)))
}

/// Effects with the sending of the survey as landmark, over the answers whose sending is known.
pub struct AtSending {
    /// Answers whose sending is known, and with it how everything stood.
    pub answers: usize,
    /// Of what they had met, so much came between sending and answering.
    pub met_after_sending: usize,
    /// Per touchpoint of the fit, NPS points of the total effect.
    pub nps_points: Vec<Option<Estimate>>,
}

/// What came after the sending is taken away, with its parts. Where that is one of several states that exclude
/// each other (a parcel that came late) another one held before, and which is not looked up: such answers are
/// left out. An absence that has no time of its own (no
/// reply yet) stays as it was at the answer. None where fewer than half of the answers, or too few, tell when
/// they were asked for.
///
/// # Errors
/// A [`Fault`] of the problem.
pub fn at_sending(answers: &Answers, threads: usize) -> Result<Option<AtSending>, Fault> {
    let met = &answers.met;
    let known = met.sent_at.iter().flatten().count();
    if known < FEWEST_ANSWERS || 2 * known < answers.len() {
        return Ok(None);
    }
    let mut states = answers.states.clone();
    let mut met_after_sending = 0;
    let mut weights: Vec<f64> = met.sent_at.iter().map(|sent| f64::from(u8::from(sent.is_some()))).collect();
    for answer in 0..answers.len() {
        let Some(sent_at) = met.sent_at[answer] else { continue };
        for meeting in met.of(answer) {
            if meeting.first_at().is_some_and(|first_at| first_at >= sent_at) {
                states[usize::from(meeting.touchpoint)][answer] = State::No;
                met_after_sending += 1;
                if answers.touchpoints[usize::from(meeting.touchpoint)].is_state() {
                    weights[answer] = 0.0;
                }
            }
        }
    }
    let problem = answers.problem(None);
    let order = crate::stats::order::Order::of(&problem);
    for touchpoint in order.parents_first.iter().copied() {
        let Some(whole) = order.wider(touchpoint).first() else { continue };
        let taken_away: Vec<usize> = (0..answers.len())
            .filter(|answer| {
                states[*whole][*answer] == State::No && answers.states[*whole][*answer] == State::Yes
            })
            .collect();
        taken_away.into_iter().for_each(|answer| states[touchpoint][answer] = State::No);
    }
    let problem = answers.problem_with(&answers.classes, &states, Some(&weights));
    let analysis = Analysis::of(&problem, threads)?;
    let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
    let points = effects.of.iter().map(|effect| effect.as_ref().ok().map(|e| e.measures.nps_points));
    let answers = weights.iter().filter(|weight| **weight > 0.0).count();
    Ok(Some(AtSending { answers, met_after_sending, nps_points: points.collect() }))
}
