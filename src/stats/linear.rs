//! Small dense matrices: what the models need of linear algebra, on top of nalgebra.

use nalgebra::{Cholesky, DMatrix, DVector};

/// The inverse and the logarithm of the determinant of a symmetric matrix; none unless it is positive
/// definite in floating point.
pub fn inverse(matrix: &DMatrix<f64>) -> Option<(DMatrix<f64>, f64)> {
    if matrix.nrows() == 0 {
        return Some((DMatrix::zeros(0, 0), 0.0));
    }
    let cholesky = Cholesky::new(matrix.clone())?;
    let log_determinant: f64 =
        2.0 * (0..matrix.nrows()).map(|i| cholesky.l_dirty()[(i, i)].ln()).sum::<f64>();
    let inverse = cholesky.inverse();
    (log_determinant.is_finite() && inverse.iter().all(|x| x.is_finite()))
        .then_some((inverse, log_determinant))
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
    (0..matrix.ncols()).map(|j| v[j] * matrix.column(j).iter().zip(u).map(|(m, u)| m * u).sum::<f64>()).sum()
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
