//! Small dense matrices: what the models need of linear algebra, beside what nalgebra has.

use nalgebra::{DMatrix, DVector};

/// Cholesky's factor of a symmetric positive definite matrix, A = L Lᵀ. Rows lie one after the other and are
/// worked through whole: that is what processors are fast at, and models are fitted many times.
#[derive(Debug, Clone)]
pub struct Factor {
    size: usize,
    rows: Vec<f64>,
}

impl Factor {
    /// None unless the matrix is positive definite in floating point.
    pub fn of(matrix: &DMatrix<f64>) -> Option<Factor> {
        let size = matrix.nrows();
        let mut rows = vec![0.0; size * size];
        for i in 0..size {
            let (above, row) = rows.split_at_mut(i * size);
            let row = &mut row[..=i];
            // A column of a symmetric matrix is its row.
            for (j, entry) in matrix.column(i).iter().take(i).enumerate() {
                let other = &above[j * size..j * size + j + 1];
                row[j] = (entry - dot(&row[..j], &other[..j])) / other[j];
            }
            let left = matrix[(i, i)] - dot(&row[..i], &row[..i]);
            if !(left > 0.0 && left.is_finite()) {
                return None;
            }
            row[i] = left.sqrt();
        }
        Some(Factor { size, rows })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.size..i * self.size + i + 1]
    }

    /// log |A|.
    pub fn log_determinant(&self) -> f64 {
        2.0 * (0..self.size).map(|i| self.row(i)[i].ln()).sum::<f64>()
    }

    /// A⁻¹ b.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        for i in 0..self.size {
            let row = self.row(i);
            x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
        }
        for i in (0..self.size).rev() {
            let row = self.row(i);
            let (before, after) = x.split_at_mut(i);
            after[0] /= row[i];
            add_times(before, -after[0], &row[..i]);
        }
        x
    }

    /// A⁻¹ = L⁻ᵀ L⁻¹.
    pub fn inverse(&self) -> DMatrix<f64> {
        let size = self.size;
        // L⁻¹, row by row from those above.
        let mut lower = vec![0.0; size * size];
        for i in 0..size {
            let (above, row) = lower.split_at_mut(i * size);
            let row = &mut row[..=i];
            let own = self.row(i);
            for (j, factor) in own[..i].iter().enumerate() {
                add_times(&mut row[..=j], -factor / own[i], &above[j * size..j * size + j + 1]);
            }
            row[i] = 1.0 / own[i];
        }
        let mut inverse = vec![0.0; size * size];
        for row in lower.chunks_exact(size.max(1)).enumerate().map(|(i, row)| &row[..=i]) {
            for (j, factor) in row.iter().enumerate() {
                add_times(&mut inverse[j * size..j * size + j + 1], *factor, &row[..=j]);
            }
        }
        DMatrix::from_fn(size, size, |i, j| inverse[i.max(j) * size + i.min(j)])
    }
}

/// The sum of products, in four sums side by side, so that it does not wait for itself.
pub fn dot(one: &[f64], other: &[f64]) -> f64 {
    let (ones, others) = (one.chunks_exact(4), other.chunks_exact(4));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 4];
    for (one, other) in ones.zip(others) {
        for lane in 0..4 {
            sums[lane] += one[lane] * other[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

fn add_times(sums: &mut [f64], factor: f64, values: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// A root R of a covariance, R Rᵀ = `matrix`, by eigenvalues; those below zero (rounding, crossed
/// groupings) count as zero.
pub fn root(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    if matrix.nrows() == 0 {
        return matrix.clone();
    }
    let eigen = matrix.clone().symmetric_eigen();
    let scale =
        DVector::from_iterator(eigen.eigenvalues.len(), eigen.eigenvalues.iter().map(|v| v.max(0.0).sqrt()));
    &eigen.eigenvectors * DMatrix::from_diagonal(&scale)
}

/// uᵀ M v.
pub fn form(u: &[f64], matrix: &DMatrix<f64>, v: &[f64]) -> f64 {
    dot(v, &left_times(u, matrix))
}

/// uᵀ M, one product per column.
pub fn left_times(u: &[f64], matrix: &DMatrix<f64>) -> Vec<f64> {
    matrix.as_slice().chunks_exact(matrix.nrows().max(1)).map(|column| dot(column, u)).collect()
}

/// M v.
pub fn times(matrix: &DMatrix<f64>, v: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; matrix.nrows()];
    for (j, v) in v.iter().enumerate().filter(|(_, v)| **v != 0.0) {
        for (sum, m) in product.iter_mut().zip(matrix.column(j).iter()) {
            *sum += m * v;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against nalgebra's, for sizes that do and do not fill the lanes.
    #[test]
    fn the_factor_solves_and_inverts() {
        for size in [0, 1, 2, 3, 4, 5, 8, 13, 31] {
            let noise = |i: usize, j: usize| ((i * 37 + j * 91) as f64).sin();
            let root = DMatrix::from_fn(size, size, noise);
            let matrix = &root * root.transpose() + DMatrix::identity(size, size);
            let factor = Factor::of(&matrix).unwrap();
            let inverse = matrix.clone().try_inverse().unwrap();
            assert!((factor.inverse() - &inverse).abs().max() < 1e-12, "size {size}");
            let b: Vec<f64> = (0..size).map(|i| noise(i, 3)).collect();
            let expected = inverse * DVector::from_vec(b.clone());
            assert!(factor.solve(&b).iter().zip(expected.iter()).all(|(x, y)| (x - y).abs() < 1e-12));
            assert!((factor.log_determinant() - matrix.determinant().ln()).abs() < 1e-10);
        }
        assert!(Factor::of(&DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 1.0])).is_none());
        assert!(Factor::of(&DMatrix::from_row_slice(1, 1, &[f64::NAN])).is_none());
    }
}
