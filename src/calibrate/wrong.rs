//! Methods that are known to be wrong, as far as they are not ours with something left out.

use super::method::Method;
use super::sample::Sample;
use super::world::fact;
use crate::stats::analysis::Analysis;
use crate::stats::logit::{self, Penalty, Rows};
use crate::stats::problem::{Class, State};

/// Which touchpoints stand in the model of a wrong total effect.
pub fn set(analysis: &Analysis, method: Method, touchpoint: usize) -> Vec<bool> {
    let order = &analysis.order;
    let set = order.adjustment(touchpoint);
    let mut has = order.in_total_model(touchpoint);
    let exclusive = order.exclusive(touchpoint);
    let left_out: Vec<usize> = match method {
        Method::WithoutTheWhole => set.wider,
        Method::NothingAlongside => {
            set.alongside.into_iter().filter(|other| !exclusive.contains(other)).collect()
        }
        Method::OtherStatesLeftOut => {
            let parts = exclusive.iter().flat_map(|other| order.parts(*other).to_vec());
            exclusive.iter().copied().chain(parts).collect()
        }
        Method::LaterHeldEqual => {
            set.later.into_iter().for_each(|other| has[other] = true);
            Vec::new()
        }
        _ => Vec::new(),
    };
    left_out.into_iter().for_each(|other| has[other] = false);
    has
}

/// NPS of those who did not meet a touchpoint minus NPS of all, as the usual tools have it.
pub fn leave_one_out(sample: &Sample) -> Vec<f64> {
    let value = |class: &Class| match class {
        Class::Promoter => 100.0,
        Class::Passive => 0.0,
        Class::Detractor => -100.0,
    };
    let mean = |counts: &dyn Fn(usize) -> bool| {
        let counted = (0..sample.classes.len()).filter(|answer| counts(*answer));
        let (sum, n) =
            counted.fold((0.0, 0.0), |(sum, n), answer| (sum + value(&sample.classes[answer]), n + 1.0));
        if n > 0.0 { sum / n } else { 0.0 }
    };
    let all = mean(&|_| true);
    sample.states.iter().map(|states| mean(&|answer| states[answer] != State::Yes) - all).collect()
}

/// Does a model that is never penalised come to rest at all where few were exposed?
pub fn fails_unpenalised(analysis: &Analysis) -> f64 {
    let model = analysis.columns.model(&analysis.patterns, vec![true; analysis.touchpoints()], None);
    let cells = logit::cells(&model.weights);
    let fit = logit::fit::<2>(&model.rows, &cells, Penalty::Never, None, 1);
    fact(fit.map_or(true, |fit| fit.looks_separated()))
}

/// Log-odds whose standard error is larger than this are known from nothing.
const KNOWN_FROM_NOTHING: f64 = 20.0;

/// Does a model with two columns that say the same come to rest, and know either of them?
pub fn fails_with_an_alias(analysis: &Analysis, touchpoint: usize) -> f64 {
    let model = analysis.columns.model(&analysis.patterns, vec![true; analysis.touchpoints()], None);
    let Some(column) = model.column(touchpoint, State::Yes) else { return 0.0 };
    let width = model.rows.width();
    let mut rows = Rows::new(width + 1);
    for row in 0..model.rows.len() {
        let mut columns = model.rows.columns(row).to_vec();
        if columns.contains(&(column as u16)) {
            columns.push(width as u16);
        }
        rows.push(&columns);
    }
    let fit = logit::fit::<2>(&rows, &logit::cells(&model.weights), Penalty::Never, None, 1);
    let is_known = |fit: logit::Fit<2>| {
        let errors = fit.std_errors();
        [2 * column, 2 * column + 1]
            .iter()
            .all(|at| errors[*at].is_finite() && errors[*at] < KNOWN_FROM_NOTHING)
    };
    fact(!fit.is_ok_and(is_known))
}
