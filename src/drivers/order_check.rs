//! Does what the catalogue declares as earlier happen earlier? By the times of those who met both.

use super::inputs::Answers;
use crate::stats::order::Order;

/// Answers that met both touchpoints at a known time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pair {
    pub both: u64,
    /// Of them, those for whom the declared later one came first.
    pub contradicted: u64,
}

/// Per touchpoint (declared later) and earlier one: who met both. Lateness counts from the promise on.
pub fn contradictions(answers: &Answers, order: &Order) -> Vec<Vec<Pair>> {
    let many = answers.touchpoints.len();
    let is_earlier: Vec<Vec<bool>> = (0..many)
        .map(|later| {
            let earlier = order.adjustment(later).earlier;
            let declared = |one: usize| order.adjustment(one).later.contains(&later);
            (0..many).map(|one| earlier.contains(&one) || declared(one)).collect()
        })
        .collect();
    let mut pairs = vec![vec![Pair::default(); many]; many];
    for answer in 0..answers.len() {
        let dated = || answers.met.of(answer).iter().filter_map(|met| Some((met.touchpoint, met.since()?)));
        for (later, later_at) in dated() {
            for (earlier, earlier_at) in dated() {
                if is_earlier[usize::from(later)][usize::from(earlier)] {
                    let pair = &mut pairs[usize::from(later)][usize::from(earlier)];
                    pair.both += 1;
                    pair.contradicted += u64::from(later_at < earlier_at);
                }
            }
        }
    }
    pairs
}
