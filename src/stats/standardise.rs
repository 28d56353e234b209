//! Standardisation: what the model says of the same answers with a touchpoint undone.
//!
//! g-computation (Hernán and Robins, *What If*, ch. 13). Three gains per exposed answer carry everything:
//! the fall of its detractor probability, p_D(x) − p_D(x⁰); the rise of its promoter probability,
//! p_P(x⁰) − p_P(x); and p_D(x) itself. NPS points are 100 times the sum of the first two.

use nalgebra::DMatrix;

use super::chunks;
use super::design::Model;
use super::logit::Fit;
use super::order::Order;
use super::problem::State;

/// Fall of the detractor probability, rise of the promoter probability, detractor probability as it is.
pub const GAINS: usize = 3;

/// One exposed row's gains of one touchpoint.
#[derive(Debug, Clone, Copy)]
pub struct Gain {
    /// Position in [`Standardised::touchpoints`].
    pub at: u16,
    pub gains: [f64; GAINS],
}

/// The touchpoints of one fit, standardised over the answers of a target.
#[derive(Debug)]
pub struct Standardised<'a> {
    pub model: &'a Model,
    pub fit: &'a Fit<2>,
    pub touchpoints: Vec<usize>,
    /// Per touchpoint: Σ w over the exposed.
    pub exposed: Vec<f64>,
    /// Per touchpoint: Σ w gain over the exposed.
    pub sums: Vec<[f64; GAINS]>,
    /// Per column, free class, gain, touchpoint: I⁻¹ Σ w ∂gain/∂β, what a unit of score moves the sum by.
    pub pull: Vec<f64>,
    gain_starts: Vec<usize>,
    gains: Vec<Gain>,
}

struct Piece {
    exposed: Vec<f64>,
    sums: Vec<[f64; GAINS]>,
    slopes: Vec<f64>,
    counts: Vec<usize>,
    gains: Vec<Gain>,
}

/// What an answer with these probabilities (passive, detractor) adds to the NPS, in points.
#[inline]
pub fn nps_points(p: [f64; 2]) -> f64 {
    100.0 * (1.0 - p[0] - 2.0 * p[1])
}

/// ∂p_c/∂η_a of detractors and of promoters, for the free classes a.
#[inline]
pub fn slopes(p: [f64; 2]) -> ([f64; 2], [f64; 2]) {
    let [passive, detractor] = p;
    let promoter = 1.0 - passive - detractor;
    ([-detractor * passive, detractor * (1.0 - detractor)], [-promoter * passive, -promoter * detractor])
}

/// Standardises `touchpoints`, each with a column of its own in the model, over answers whose summed weights
/// per row are `target`. `shift` is added to the log-odds of passives and detractors.
pub fn standardise<'a>(
    model: &'a Model,
    fit: &'a Fit<2>,
    order: &Order,
    touchpoints: &[usize],
    target: &[f64],
    shift: &[f64; 2],
    threads: usize,
) -> Standardised<'a> {
    let (width, many) = (model.columns.len(), touchpoints.len());
    let undone: Vec<Vec<bool>> = touchpoints.iter().map(|t| model.undone(order, *t)).collect();
    let mut met_by_column = vec![u16::MAX; width];
    for (at, touchpoint) in touchpoints.iter().enumerate() {
        if let Some(column) = model.column(*touchpoint, State::Yes) {
            met_by_column[column] = at as u16;
        }
    }
    let pieces = chunks::map(model.rows.len(), threads, |range| {
        let mut piece = Piece {
            exposed: vec![0.0; many],
            sums: vec![[0.0; GAINS]; many],
            slopes: vec![0.0; many * GAINS * width * 2],
            counts: Vec::with_capacity(range.len()),
            gains: Vec::new(),
        };
        for row in range {
            let columns = model.rows.columns(row);
            let before = piece.gains.len();
            let weight = target[row];
            if weight == 0.0 {
                piece.counts.push(0);
                continue;
            }
            let mut observed = None;
            for at in columns.iter().map(|c| met_by_column[usize::from(*c)]).filter(|at| *at != u16::MAX) {
                let p = *observed.get_or_insert_with(|| fit.probabilities_at(columns.iter().copied(), shift));
                let undone = &undone[usize::from(at)];
                let left = || columns.iter().copied().filter(|c| !undone[usize::from(*c)]);
                let p0 = fit.probabilities_at(left(), shift);
                let promoter = |p: [f64; 2]| 1.0 - p[0] - p[1];
                let gains = [p[1] - p0[1], promoter(p0) - promoter(p), p[1]];
                piece.gains.push(Gain { at, gains });
                let at = usize::from(at);
                piece.exposed[at] += weight;
                for (sum, gain) in piece.sums[at].iter_mut().zip(gains) {
                    *sum += weight * gain;
                }
                let (detractor, promoter) = slopes(p);
                let (detractor0, promoter0) = slopes(p0);
                let from = at * GAINS * width * 2;
                for c in columns {
                    let c = 2 * usize::from(*c);
                    for a in 0..2 {
                        piece.slopes[from + c + a] += weight * detractor[a];
                        piece.slopes[from + 2 * width + c + a] -= weight * promoter[a];
                        piece.slopes[from + 4 * width + c + a] += weight * detractor[a];
                    }
                }
                for c in left() {
                    let c = 2 * usize::from(c);
                    for a in 0..2 {
                        piece.slopes[from + c + a] -= weight * detractor0[a];
                        piece.slopes[from + 2 * width + c + a] += weight * promoter0[a];
                    }
                }
            }
            piece.counts.push(piece.gains.len() - before);
        }
        piece
    });
    let mut all = Standardised {
        model,
        fit,
        touchpoints: touchpoints.to_vec(),
        exposed: vec![0.0; many],
        sums: vec![[0.0; GAINS]; many],
        pull: Vec::new(),
        gain_starts: vec![0],
        gains: Vec::new(),
    };
    let mut slopes = vec![0.0; many * GAINS * width * 2];
    for piece in pieces {
        for at in 0..many {
            all.exposed[at] += piece.exposed[at];
            (0..GAINS).for_each(|gain| all.sums[at][gain] += piece.sums[at][gain]);
        }
        slopes.iter_mut().zip(&piece.slopes).for_each(|(sum, x)| *sum += x);
        for count in piece.counts {
            all.gain_starts.push(all.gain_starts[all.gain_starts.len() - 1] + count);
        }
        all.gains.extend(piece.gains);
    }
    let slopes = DMatrix::from_column_slice(width * 2, many * GAINS, &slopes);
    let pull = &fit.inverse * slopes;
    all.pull = vec![0.0; width * 2 * GAINS * many];
    for at in 0..many {
        for gain in 0..GAINS {
            for (row, value) in pull.column(at * GAINS + gain).iter().enumerate() {
                all.pull[(row * GAINS + gain) * many + at] = *value;
            }
        }
    }
    all
}

impl Standardised<'_> {
    /// The gains of a row of the model, one for each of the touchpoints that it met; none outside the target.
    #[inline]
    pub fn gains(&self, row: usize) -> &[Gain] {
        &self.gains[self.gain_starts[row]..self.gain_starts[row + 1]]
    }

    /// I⁻¹ Σ w ∂gain/∂β of one touchpoint's gain, in the order of the coefficients.
    pub fn pull_of(&self, at: usize, gain: usize) -> Vec<f64> {
        let many = self.touchpoints.len();
        let rows = self.model.columns.len() * 2;
        (0..rows).map(|row| self.pull[(row * GAINS + gain) * many + at]).collect()
    }
}
