//! Influence values answer by answer: the plain way, for estimates that `moments` does not know.
//!
//! φᵢ = (score of answer i) · I⁻¹ ∂ψ/∂β + own part; cov(ψ_j, ψ_k) = C/(C−1) Σ_c φ_cj φ_ck with φ_c the sum over
//! a cluster (Stefanski and Boos 2002). Slower than `moments`, and its check.

use nalgebra::DMatrix;

use super::analysis::{Analysis, Fitted};
use super::clusters::{Grouping, variance};
use super::linear;
use super::logit::{Fit, Rows};
use super::patterns::NONE;

/// Per row and free class: what a unit of residual moves an estimate by whose slopes are ∂ψ/∂β.
pub fn pulls<const Q: usize>(rows: &Rows, fit: &Fit<Q>, slopes: &[f64]) -> Vec<[f64; Q]> {
    let by_column = linear::times(&fit.inverse, slopes);
    (0..rows.len())
        .map(|row| {
            let mut pull = [0.0; Q];
            for column in rows.columns(row) {
                for (a, pull) in pull.iter_mut().enumerate() {
                    *pull += by_column[usize::from(*column) * Q + a];
                }
            }
            pull
        })
        .collect()
}

/// The part of every answer's influence that goes through the coefficients; zero for answers of no weight.
pub fn model_part(analysis: &Analysis, fitted: &Fitted, slopes: &[f64]) -> Vec<f64> {
    let pulls = pulls(&fitted.model.rows, &fitted.fit, slopes);
    (0..analysis.problem.answers())
        .map(|answer| {
            let Some((pattern, class, weight)) = analysis.patterns.answer(analysis.problem, answer) else {
                return 0.0;
            };
            let row = fitted.model.row_of[pattern as usize] as usize;
            let p = fitted.fit.probabilities[row];
            let residual = |a: usize| f64::from(u8::from(class as usize == a + 1)) - p[a];
            weight * (pulls[row][0] * residual(0) + pulls[row][1] * residual(1))
        })
        .collect()
}

/// Covariance of estimates from their influence values; none with a single cluster. `of_answer` is
/// [`NONE`] for answers that do not take part.
pub fn covariance(groupings: &[Grouping], of_answer: &[u32], influence: &[&[f64]]) -> Option<DMatrix<f64>> {
    let many = influence.len();
    let per_grouping: Vec<Vec<f64>> = groupings
        .iter()
        .map(|grouping| {
            let mut squares = vec![0.0; many * many];
            let mut add = |sums: &[f64]| {
                for i in 0..many {
                    for j in 0..many {
                        squares[i * many + j] += sums[i] * sums[j];
                    }
                }
            };
            let mut sums = vec![0.0; many];
            let alone = (0..of_answer.len()).filter(|a| of_answer[*a] != NONE && !grouping.is_shared[*a]);
            for answer in alone {
                sums.iter_mut().zip(influence).for_each(|(sum, phi)| *sum = phi[answer]);
                add(&sums);
            }
            for cluster in 0..grouping.several() {
                sums.fill(0.0);
                for answer in grouping.cluster(cluster) {
                    sums.iter_mut().zip(influence).for_each(|(sum, phi)| *sum += phi[*answer as usize]);
                }
                add(&sums);
            }
            squares
        })
        .collect();
    let mut covariance = DMatrix::zeros(many, many);
    for i in 0..many {
        for j in 0..many {
            let squares: Vec<f64> = per_grouping.iter().map(|squares| squares[i * many + j]).collect();
            covariance[(i, j)] = if i == j {
                variance(groupings, &squares)?
            } else {
                let terms: Option<Vec<f64>> =
                    groupings.iter().zip(&squares).map(|(g, square)| Some(g.factor()? * square)).collect();
                terms?.iter().sum()
            };
        }
    }
    Some(covariance)
}

/// Standard error of one estimate from its influence values.
pub fn std_error(analysis: &Analysis, influence: &[f64]) -> Option<f64> {
    let covariance = covariance(&analysis.groupings, &analysis.patterns.of_answer, &[influence])?;
    Some(covariance[(0, 0)].sqrt())
}

/// Cluster-robust covariance of a fit's coefficients: C/(C−1) I⁻¹ (Σ_c s_c s_cᵀ) I⁻¹.
pub fn clustered_covariance(analysis: &Analysis, fitted: &Fitted) -> Option<DMatrix<f64>> {
    let width = fitted.fit.coefficients.len();
    let mut total = DMatrix::zeros(width, width);
    for (grouping, meat) in analysis.groupings.iter().zip(meats(analysis, fitted)) {
        total += meat * grouping.factor()?;
    }
    Some(&fitted.fit.inverse * total * &fitted.fit.inverse)
}

/// Per grouping Σ_c s_c s_cᵀ of a fit's scores.
pub fn meats(analysis: &Analysis, fitted: &Fitted) -> Vec<DMatrix<f64>> {
    let model = &fitted.model;
    analysis
        .groupings
        .iter()
        .map(|one| meat(analysis, &model.rows, &fitted.fit, &model.row_of, one))
        .collect()
}

/// Σ_c s_c s_cᵀ of a grouping, for a fit on any rows; `row_of` is per pattern.
pub fn meat(
    analysis: &Analysis,
    rows: &Rows,
    fit: &Fit<2>,
    row_of: &[u32],
    grouping: &Grouping,
) -> DMatrix<f64> {
    let width = rows.width();
    let residual = |row: usize, class: usize| {
        let p = fit.probabilities[row];
        [f64::from(u8::from(class == 1)) - p[0], f64::from(u8::from(class == 2)) - p[1]]
    };
    // Answers alone in their cluster, by row of the model.
    let mut squares = vec![[0.0; 3]; rows.len()];
    for (pattern, weights) in grouping.singles.iter().enumerate() {
        let sum = &mut squares[row_of[pattern] as usize];
        (0..3).for_each(|class| sum[class] += weights[class]);
    }
    let parts = super::chunks::map(rows.len(), analysis.threads, |range| {
        let mut blocks = vec![0.0; width * (width + 1) / 2 * 4];
        for row in range {
            let mut block = [0.0; 4];
            for (class, weight) in squares[row].iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
                let r = residual(row, class);
                (0..4).for_each(|at| block[at] += weight * r[at / 2] * r[at % 2]);
            }
            let columns = rows.columns(row);
            for (at, i) in columns.iter().map(|c| usize::from(*c)).enumerate() {
                for j in columns[..=at].iter().map(|c| usize::from(*c)) {
                    let from = (i * (i + 1) / 2 + j) * 4;
                    blocks[from..from + 4].iter_mut().zip(block).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        blocks
    });
    let mut meat = super::logit::from_blocks::<2>(width, &super::chunks::sum(parts));
    // Clusters of several: the score of the whole cluster, on the columns that it touches.
    let parts = super::chunks::map(grouping.several(), analysis.threads, |range| {
        let mut squares = vec![0.0; 4 * width * width];
        let mut score = vec![0.0; 2 * width];
        let mut touched: Vec<usize> = Vec::new();
        for cluster in range {
            touched.clear();
            for answer in grouping.cluster(cluster) {
                let Some((pattern, class, weight)) =
                    analysis.patterns.answer(analysis.problem, *answer as usize)
                else {
                    continue;
                };
                let row = row_of[pattern as usize] as usize;
                let r = residual(row, class as usize);
                for column in rows.columns(row) {
                    for (a, r) in r.iter().enumerate() {
                        let at = 2 * usize::from(*column) + a;
                        score[at] += weight * r;
                        touched.push(at);
                    }
                }
            }
            touched.sort_unstable();
            touched.dedup();
            for i in &touched {
                for j in &touched {
                    squares[i * 2 * width + j] += score[*i] * score[*j];
                }
            }
            touched.iter().for_each(|at| score[*at] = 0.0);
        }
        squares
    });
    let several = super::chunks::sum(parts);
    for i in 0..2 * width {
        for j in 0..2 * width {
            meat[(i, j)] += several[i * 2 * width + j];
        }
    }
    meat
}
