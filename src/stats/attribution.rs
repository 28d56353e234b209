//! Each answer's detractor probability, divided among the touchpoints that it had met.
//!
//! Shapley values of p_D(x) − p_D(none of the touchpoints), over the orders in which a whole comes before
//! its parts (Shapley 1953; Faigle and Kern 1992). They sum to prediction − baseline for every answer, and
//! so in any cut. A division of what was met, not a removal effect.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::analysis::{Analysis, Fitted};
use super::chunks;
use super::design::Column;
use super::logit::softmax;
use super::problem::State;

/// Beyond so many touchpoints met by one answer, orders are sampled; sums stay exact.
const MOST_EXACT: usize = 14;
const SAMPLED_ORDERS: usize = 500;

/// Attributions of the different rows of a model; an answer's row is `row_of[pattern]`.
#[derive(Debug, Clone, Default)]
pub struct Attributions {
    /// Per row: p_D as it is, and with none of the touchpoints.
    pub predictions: Vec<[f64; 2]>,
    starts: Vec<usize>,
    contributions: Vec<(u16, f64)>,
}

impl Attributions {
    /// (touchpoint, contribution to the detractor probability) of a row, in catalogue order.
    pub fn of_row(&self, row: usize) -> &[(u16, f64)] {
        &self.contributions[self.starts[row]..self.starts[row + 1]]
    }
}

/// Attributions by a model with all touchpoints. `seed` serves rows with more touchpoints than can be taken
/// exactly.
pub fn attributions(analysis: &Analysis, fitted: &Fitted, seed: u64) -> Attributions {
    let model = &fitted.model;
    let parts = chunks::map(model.rows.len(), analysis.threads, |range| {
        let mut part = Attributions::default();
        for row in range {
            let game = Game::of(analysis, fitted, row);
            let shares = if game.players.len() <= MOST_EXACT {
                game.exact()
            } else {
                game.sampled(&mut ChaCha8Rng::seed_from_u64(seed ^ row as u64))
            };
            part.predictions.push([game.value(game.base_with_all()), game.value(game.base)]);
            let mut listed: Vec<(u16, f64)> =
                game.players.iter().map(|player| player.touchpoint).zip(shares).collect();
            listed.sort_unstable_by_key(|(touchpoint, _)| *touchpoint);
            part.starts.push(listed.len());
            part.contributions.extend(listed);
        }
        part
    });
    let mut all = Attributions { starts: vec![0], ..Attributions::default() };
    for part in parts {
        all.predictions.extend(part.predictions);
        for count in part.starts {
            all.starts.push(all.starts[all.starts.len() - 1] + count);
        }
        all.contributions.extend(part.contributions);
    }
    all
}

/// One touchpoint that was met.
struct Player {
    touchpoint: u16,
    /// What it adds to the log-odds of passives and detractors.
    adds: [f64; 2],
    /// The nearest wider touchpoint that was met too, by position.
    whole: Option<usize>,
}

struct Game {
    base: [f64; 2],
    players: Vec<Player>,
}

impl Game {
    fn of(analysis: &Analysis, fitted: &Fitted, row: usize) -> Game {
        let (model, beta) = (&fitted.model, &fitted.fit.coefficients);
        let columns = model.rows.columns(row);
        let mut players: Vec<Player> = columns
            .iter()
            .filter_map(|column| match model.columns[usize::from(*column)] {
                Column::State { touchpoint, state: State::Yes } => {
                    Some(Player { touchpoint: touchpoint as u16, adds: [0.0; 2], whole: None })
                }
                _ => None,
            })
            .collect();
        let position = |players: &[Player], touchpoint: usize| {
            players.iter().position(|player| usize::from(player.touchpoint) == touchpoint)
        };
        for at in 0..players.len() {
            let wider = analysis.order.wider(usize::from(players[at].touchpoint));
            players[at].whole = wider.iter().find_map(|whole| position(&players, *whole));
        }
        let mut base = [0.0; 2];
        for column in columns {
            let at = 2 * usize::from(*column);
            let owner = match model.columns[usize::from(*column)] {
                Column::State { touchpoint, state: State::Yes } => position(&players, touchpoint),
                // What is open goes with what it waits for, or with the whole that it is part of.
                Column::State { touchpoint, state: state @ (State::TooEarly | State::Unknown) } => {
                    let order = &analysis.order;
                    let waits_for = if state == State::TooEarly { order.waits_for(touchpoint) } else { &[] };
                    let goes_with = waits_for.iter().chain(order.wider(touchpoint));
                    goes_with.copied().find_map(|other| position(&players, other))
                }
                _ => None,
            };
            let sum = match owner {
                Some(owner) => &mut players[owner].adds,
                None => &mut base,
            };
            (0..2).for_each(|a| sum[a] += beta[at + a]);
        }
        Game { base, players }
    }

    fn value(&self, eta: [f64; 2]) -> f64 {
        softmax(eta).0[1]
    }

    fn base_with_all(&self) -> [f64; 2] {
        self.players.iter().fold(self.base, |eta, player| [eta[0] + player.adds[0], eta[1] + player.adds[1]])
    }

    /// Over all sets that hold the whole of each of their parts. The number of orders of a forest of s nodes
    /// in which wholes come first is s! / Π (sizes of the subtrees).
    fn exact(&self) -> Vec<f64> {
        let many = self.players.len();
        let mut below: Vec<usize> = (0..many).map(|at| 1 << at).collect();
        for at in 0..many {
            let mut up = self.players[at].whole;
            while let Some(whole) = up {
                below[whole] |= 1 << at;
                up = self.players[whole].whole;
            }
        }
        let factorials: Vec<f64> =
            std::iter::successors(Some((1usize, 1.0)), |(n, f)| Some((n + 1, f * *n as f64)))
                .take(many + 1)
                .map(|(_, f)| f)
                .collect();
        // Of a set that holds the wholes of its parts, and of one that holds the parts of its wholes.
        let orders = |set: usize, inside: usize| {
            let trees: f64 = (0..many)
                .filter(|at| set & (1 << at) != 0)
                .map(|at| f64::from((below[at] & inside).count_ones()))
                .product();
            factorials[set.count_ones() as usize] / trees
        };
        let full = (1usize << many) - 1;
        let all = orders(full, full);
        let holds_wholes = |set: usize| {
            (0..many).all(|at| {
                set & (1 << at) == 0 || self.players[at].whole.is_none_or(|whole| set & (1 << whole) != 0)
            })
        };
        let values: Vec<f64> = (0..=full)
            .map(|set| {
                if !holds_wholes(set) {
                    return f64::NAN;
                }
                let mut eta = self.base;
                for (_, player) in self.players.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0) {
                    (0..2).for_each(|a| eta[a] += player.adds[a]);
                }
                self.value(eta)
            })
            .collect();
        let mut shares = vec![0.0; many];
        for set in 0..=full {
            if values[set].is_nan() {
                continue;
            }
            let before = orders(set, set);
            for (at, share) in shares.iter_mut().enumerate() {
                let with = set | 1 << at;
                if with == set || values[with].is_nan() {
                    continue;
                }
                let rest = full & !with;
                *share += before * orders(rest, full) / all * (values[with] - values[set]);
            }
        }
        shares
    }

    /// Over random orders, all equally likely: the next is drawn in proportion to what hangs below it.
    fn sampled(&self, random: &mut impl Rng) -> Vec<f64> {
        let many = self.players.len();
        let mut sizes = vec![1.0; many];
        for at in 0..many {
            let mut up = self.players[at].whole;
            while let Some(whole) = up {
                sizes[whole] += 1.0;
                up = self.players[whole].whole;
            }
        }
        let mut shares = vec![0.0; many];
        for _ in 0..SAMPLED_ORDERS {
            let mut is_in = vec![false; many];
            let mut eta = self.base;
            let mut before = self.value(eta);
            for _ in 0..many {
                let is_free =
                    |at: &usize| !is_in[*at] && self.players[*at].whole.is_none_or(|whole| is_in[whole]);
                let free: Vec<usize> = (0..many).filter(is_free).collect();
                let total: f64 = free.iter().map(|at| sizes[*at]).sum();
                let mut draw = random.random::<f64>() * total;
                let mut next = free[free.len() - 1];
                for at in &free {
                    draw -= sizes[*at];
                    if draw < 0.0 {
                        next = *at;
                        break;
                    }
                }
                is_in[next] = true;
                (0..2).for_each(|a| eta[a] += self.players[next].adds[a]);
                let after = self.value(eta);
                shares[next] += (after - before) / SAMPLED_ORDERS as f64;
                before = after;
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{PLAIN, SLOW, Switches, TICKET, World};
    use super::*;

    fn player(touchpoint: u16, adds: [f64; 2], whole: Option<usize>) -> Player {
        Player { touchpoint, adds, whole }
    }

    /// By hand: a part that comes second in the only order takes what it adds there.
    #[test]
    fn a_part_never_comes_before_its_whole() {
        let base = [0.1, -1.0];
        let game = Game { base, players: vec![player(0, [0.2, 0.7], None), player(1, [0.1, 0.9], Some(0))] };
        let value = |n: f64, d: f64| d.exp() / (1.0 + n.exp() + d.exp());
        let shares = game.exact();
        assert!((shares[0] - (value(0.3, -0.3) - value(0.1, -1.0))).abs() < 1e-14);
        assert!((shares[1] - (value(0.4, 0.6) - value(0.3, -0.3))).abs() < 1e-14);
    }

    /// Every order of five, spelt out: wholes 0 and 3, parts 1 and 2 of 0, part 4 of 1.
    #[test]
    fn weights_are_those_of_all_orders() {
        let wholes = [None, Some(0), Some(0), None, Some(1)];
        let players: Vec<Player> = (0..5)
            .map(|at| {
                player(at as u16, [0.1 * f64::from(at), 0.3 + 0.2 * f64::from(at)], wholes[at as usize])
            })
            .collect();
        let game = Game { base: [0.0, -2.0], players };
        let mut sums = vec![0.0; 5];
        let mut orders = 0.0;
        let mut order: Vec<usize> = Vec::new();
        fn visit(game: &Game, order: &mut Vec<usize>, sums: &mut Vec<f64>, orders: &mut f64) {
            if order.len() == game.players.len() {
                *orders += 1.0;
                let mut eta = game.base;
                for at in order.iter() {
                    let before = game.value(eta);
                    (0..2).for_each(|a| eta[a] += game.players[*at].adds[a]);
                    sums[*at] += game.value(eta) - before;
                }
                return;
            }
            for at in 0..game.players.len() {
                let is_free = game.players[at].whole.is_none_or(|whole| order.contains(&whole));
                if !order.contains(&at) && is_free {
                    order.push(at);
                    visit(game, order, sums, orders);
                    order.pop();
                }
            }
        }
        visit(&game, &mut order, &mut sums, &mut orders);
        assert_eq!(orders, 15.0);
        let shares = game.exact();
        let sampled = game.sampled(&mut ChaCha8Rng::seed_from_u64(5));
        for at in 0..5 {
            assert!((shares[at] - sums[at] / orders).abs() < 1e-14, "{at}");
            assert!((shares[at] - sampled[at]).abs() < 0.02, "{at}");
        }
        let all = game.value(game.base_with_all()) - game.value(game.base);
        assert!((sampled.iter().sum::<f64>() - all).abs() < 1e-12);
    }

    #[test]
    fn they_sum_to_prediction_less_baseline() {
        let world = World::new(4_000, 3, Switches { too_early: 0.2, ..PLAIN });
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fitted = analysis.fit(vec![true; 5], None).unwrap();
        let found = attributions(&analysis, &fitted, 1);
        let mut with_part = 0;
        for row in 0..fitted.model.rows.len() {
            let [prediction, baseline] = found.predictions[row];
            let sum: f64 = found.of_row(row).iter().map(|(_, share)| share).sum();
            assert!((sum - (prediction - baseline)).abs() < 1e-9);
            assert!((prediction - fitted.fit.probabilities[row][1]).abs() < 1e-12);
            let has =
                |t: usize| found.of_row(row).iter().any(|(touchpoint, _)| usize::from(*touchpoint) == t);
            assert!(!has(SLOW) || has(TICKET));
            with_part += usize::from(has(SLOW));
        }
        assert!(with_part > 10);
    }
}
