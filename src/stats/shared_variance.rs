//! How much of the variance of the NPS contribution touchpoints share: LMG.
//!
//! Lindeman, Merenda and Gold 1980; Grömping 2007. v(S) = R²(Z ∪ S) − R²(Z), averaged over the orders in
//! which drivers can enter; Z (covariates) is always in. It is unsigned, and positive even for a touchpoint
//! that does nothing but go along with one that does: never an input to rank or verdict.
//!
//! All subsets are walked by halves: at each driver the cross products of those still undecided are swept by
//! it, or not. Most of the work lies where hardly any are left, so 2²⁰ subsets take a fraction of a second.

use nalgebra::DMatrix;
use rand::Rng;
use rand::seq::SliceRandom;

use super::analysis::Analysis;
use super::chunks;
use super::design::Column;

/// Exactly so many drivers unless asked for more.
pub const EXACT: usize = 20;
/// 2²⁵ numbers are 268 MB.
pub const EXACT_ON_REQUEST: usize = 25;
const SAMPLED_ORDERS: usize = 2_000;

/// Shares of variance, in the order of the drivers.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// R² of all drivers and Z.
    pub r_squared: f64,
    /// R² of Z alone.
    pub r_squared_of_covariates: f64,
    /// Sum to the difference of the two.
    pub shares: Vec<f64>,
    /// Of sampling orders; none where all were taken.
    pub std_errors: Option<Vec<f64>>,
}

/// Cross products of centred columns: `products` has the outcome last.
#[derive(Debug, Clone)]
pub struct CrossProducts {
    pub products: DMatrix<f64>,
    /// Columns always in.
    pub always: Vec<usize>,
    /// Columns of each driver.
    pub drivers: Vec<Vec<usize>>,
}

/// What is left of a column's square, relative to it, below which the others already say all of it.
const LEAST_OF_ITS_OWN: f64 = 1e-10;

impl CrossProducts {
    /// Of rows of numbers with weights: `rows` has one row per observation, the outcome last.
    pub fn of(
        width: usize,
        rows: &[f64],
        weights: &[f64],
        always: Vec<usize>,
        drivers: Vec<Vec<usize>>,
    ) -> Self {
        let total: f64 = weights.iter().sum();
        let mut means = vec![0.0; width];
        for (row, weight) in rows.chunks_exact(width).zip(weights) {
            means.iter_mut().zip(row).for_each(|(mean, x)| *mean += weight * x / total);
        }
        let mut products = DMatrix::zeros(width, width);
        for (row, weight) in rows.chunks_exact(width).zip(weights) {
            for i in 0..width {
                for j in 0..=i {
                    products[(i, j)] += weight * (row[i] - means[i]) * (row[j] - means[j]);
                }
            }
        }
        products.fill_upper_triangle_with_lower_triangle();
        CrossProducts { products, always, drivers }
    }

    /// The shares: exact for up to `most_exact` drivers, sampled beyond.
    pub fn shares(&self, most_exact: usize, threads: usize, random: &mut impl Rng) -> Shares {
        let outcome = self.products.nrows() - 1;
        let total = self.products[(outcome, outcome)];
        let mut swept = Swept::new(&self.products, &self.drivers, outcome);
        let mut all = self.products.clone();
        let diagonal: Vec<f64> = (0..=outcome).map(|i| self.products[(i, i)]).collect();
        for column in &self.always {
            sweep(&mut all, *column, diagonal[*column]);
        }
        swept.fill(&all, &diagonal);
        let of_covariates = if total > 0.0 { 1.0 - all[(outcome, outcome)] / total } else { 0.0 };
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        let many = self.drivers.len();
        let (shares, std_errors) = if many <= most_exact.min(EXACT_ON_REQUEST) {
            (swept.exact(threads), None)
        } else {
            let (shares, std_errors) = swept.sampled(random);
            (shares, Some(std_errors))
        };
        let shares: Vec<f64> = shares.iter().map(|share| share * scale).collect();
        Shares {
            r_squared: of_covariates + shares.iter().sum::<f64>(),
            r_squared_of_covariates: of_covariates,
            shares,
            std_errors: std_errors.map(|errors| errors.iter().map(|e| e * scale).collect()),
        }
    }
}

/// Cross products of the analysis's direct columns with the NPS contribution (−100, 0, 100). Touchpoints
/// that are part of none are the drivers, with their parts and all their states; the returned list says
/// which touchpoint each driver is.
pub fn cross_products(analysis: &Analysis) -> (CrossProducts, Vec<usize>) {
    let many = analysis.touchpoints();
    let model = analysis.columns.model(&analysis.patterns, vec![true; many], None);
    let width = model.columns.len();
    let mut sums = vec![0.0; width];
    let (mut with_outcome, mut outcome, mut square, mut total) = (vec![0.0; width], 0.0, 0.0, 0.0);
    let mut raw = DMatrix::<f64>::zeros(width, width);
    for (row, weights) in model.weights.iter().enumerate() {
        let weight: f64 = weights.iter().sum();
        let net = 100.0 * (weights[0] - weights[2]);
        total += weight;
        outcome += net;
        square += 1e4 * (weights[0] + weights[2]);
        let columns = model.rows.columns(row);
        for (at, i) in columns.iter().map(|c| usize::from(*c)).enumerate() {
            sums[i] += weight;
            with_outcome[i] += net;
            for j in columns[..=at].iter().map(|c| usize::from(*c)) {
                raw[(i, j)] += weight;
            }
        }
    }
    let mut products = DMatrix::zeros(width + 1, width + 1);
    for i in 0..width {
        for j in 0..=i {
            products[(i, j)] = raw[(i, j)] - sums[i] * sums[j] / total;
        }
        products[(width, i)] = with_outcome[i] - sums[i] * outcome / total;
    }
    products[(width, width)] = square - outcome * outcome / total;
    products.fill_upper_triangle_with_lower_triangle();
    let tops: Vec<usize> = (0..many).filter(|t| analysis.order.wider(*t).is_empty()).collect();
    let top_of = |t: usize| *analysis.order.wider(t).last().unwrap_or(&t);
    let mut drivers = vec![Vec::new(); tops.len()];
    let mut always = Vec::new();
    for (at, column) in model.columns.iter().enumerate() {
        match column {
            Column::Constant => {}
            Column::Level { .. } => always.push(at),
            Column::State { touchpoint, state } => {
                let top = top_of(analysis.order.owner(*touchpoint, *state));
                if let Some(driver) = tops.iter().position(|t| *t == top) {
                    drivers[driver].push(at);
                }
            }
        }
    }
    (CrossProducts { products, always, drivers }, tops)
}

/// Sweeps a symmetric matrix of cross products by a column (Goodnight 1979), unless nothing is left of it.
fn sweep(matrix: &mut DMatrix<f64>, column: usize, diagonal: f64) {
    let pivot = matrix[(column, column)];
    if pivot <= LEAST_OF_ITS_OWN * diagonal {
        return;
    }
    let by: Vec<f64> = matrix.column(column).iter().copied().collect();
    for j in 0..matrix.ncols() {
        let factor = by[j] / pivot;
        if factor != 0.0 {
            for (i, by) in by.iter().enumerate() {
                matrix[(i, j)] -= by * factor;
            }
        }
    }
    for i in 0..matrix.nrows() {
        matrix[(i, column)] = 0.0;
        matrix[(column, i)] = 0.0;
    }
}

/// Columns of drivers, driver by driver, then the outcome, after Z was swept out.
struct Swept {
    /// First column of each driver, counted from the last driver backwards; see `walk`.
    columns: Vec<usize>,
    sizes: Vec<usize>,
    matrix: Vec<f64>,
    diagonal: Vec<f64>,
    width: usize,
}

impl Swept {
    /// The outcome stands first and the last driver next to it, so that what is undecided is always the
    /// upper left corner.
    fn new(products: &DMatrix<f64>, drivers: &[Vec<usize>], outcome: usize) -> Swept {
        let mut columns = vec![outcome];
        for driver in drivers.iter().rev() {
            columns.extend(driver);
        }
        let width = columns.len();
        debug_assert!(columns.iter().all(|column| *column < products.nrows()));
        Swept {
            columns,
            sizes: drivers.iter().map(Vec::len).collect(),
            matrix: vec![0.0; width * width],
            diagonal: vec![0.0; width],
            width,
        }
    }

    fn fill(&mut self, all: &DMatrix<f64>, diagonal: &[f64]) {
        for (i, from) in self.columns.iter().enumerate() {
            self.diagonal[i] = diagonal[*from];
            for (j, other) in self.columns.iter().enumerate() {
                self.matrix[i * self.width + j] = all[(*from, *other)];
            }
        }
    }

    /// Σ of squares explained by every subset, then the weighted gains of each driver.
    fn exact(&self, threads: usize) -> Vec<f64> {
        let many = self.sizes.len();
        // The first drivers are decided here, one piece of work for each way; the rest by recursion.
        let first = many.min(6);
        let total = self.matrix[0];
        let pieces = chunks::map_heavy(1 << first, 4, threads, |range| {
            range.map(|mask| self.subsets(mask, first, total)).collect::<Vec<_>>()
        });
        let mut explained = vec![0.0; 1 << many];
        for (mask, values) in pieces.into_iter().flatten().enumerate() {
            for (rest, value) in values.into_iter().enumerate() {
                explained[mask | rest << first] = value;
            }
        }
        let weights = subset_weights(many);
        (0..many)
            .map(|driver| {
                let bit = 1usize << driver;
                let sums = chunks::map(explained.len() / 2, threads, |range| {
                    let mut sum = 0.0;
                    for half in range {
                        // The subsets without the driver, in order.
                        let low = half & (bit - 1);
                        let set = (half - low) << 1 | low;
                        sum += weights[set.count_ones() as usize] * (explained[set | bit] - explained[set]);
                    }
                    vec![sum]
                });
                chunks::sum(sums)[0]
            })
            .collect()
    }

    /// Explained by every subset of the later drivers together with `mask` of the first ones.
    fn subsets(&self, mask: usize, first: usize, total: f64) -> Vec<f64> {
        let many = self.sizes.len();
        let mut matrix = self.matrix.clone();
        let mut left = self.width;
        for driver in 0..first {
            if mask & (1 << driver) != 0 {
                self.sweep_driver(&mut matrix, left, self.sizes[driver]);
            }
            left -= self.sizes[driver];
        }
        let mut explained = vec![0.0; 1 << (many - first)];
        let mut levels: Vec<Vec<f64>> = vec![vec![0.0; self.width * self.width]; many - first + 1];
        levels[0].copy_from_slice(&matrix);
        self.walk(&mut levels, first, left, 0, 1, total, &mut explained);
        explained
    }

    /// `levels[0]` holds the cross products of what is undecided; `set` are the decided ones that are in.
    #[expect(clippy::too_many_arguments, reason = "one recursion, spelt out for speed")]
    fn walk(
        &self,
        levels: &mut [Vec<f64>],
        driver: usize,
        left: usize,
        set: usize,
        bit: usize,
        total: f64,
        explained: &mut [f64],
    ) {
        let Some((here, deeper)) = levels.split_first_mut() else { return };
        if driver == self.sizes.len() {
            explained[set] = total - here[0];
            return;
        }
        let size = self.sizes[driver];
        let next = left - size;
        let corner = |from: &[f64], to: &mut [f64]| {
            for i in 0..next {
                to[i * self.width..i * self.width + next]
                    .copy_from_slice(&from[i * self.width..i * self.width + next]);
            }
        };
        corner(here, &mut deeper[0]);
        self.walk(deeper, driver + 1, next, set, bit << 1, total, explained);
        if size == 1 {
            // One column: sweep while copying.
            let pivot = here[next * self.width + next];
            let is_left = pivot > LEAST_OF_ITS_OWN * self.diagonal[next];
            for i in 0..next {
                let factor = if is_left { here[next * self.width + i] / pivot } else { 0.0 };
                for j in 0..next {
                    deeper[0][i * self.width + j] =
                        here[i * self.width + j] - factor * here[next * self.width + j];
                }
            }
        } else {
            let mut swept = here.clone();
            self.sweep_driver(&mut swept, left, size);
            corner(&swept, &mut deeper[0]);
        }
        self.walk(deeper, driver + 1, next, set | bit, bit << 1, total, explained);
    }

    /// Sweeps by the last `size` of the first `left` columns.
    fn sweep_driver(&self, matrix: &mut [f64], left: usize, size: usize) {
        for column in (left - size..left).rev() {
            let pivot = matrix[column * self.width + column];
            if pivot <= LEAST_OF_ITS_OWN * self.diagonal[column] {
                continue;
            }
            for i in 0..column {
                let factor = matrix[column * self.width + i] / pivot;
                for j in 0..column {
                    matrix[i * self.width + j] -= factor * matrix[column * self.width + j];
                }
            }
        }
    }

    /// Mean gains over random orders, with their standard errors; every order and its reverse.
    fn sampled(&self, random: &mut impl Rng) -> (Vec<f64>, Vec<f64>) {
        let many = self.sizes.len();
        let mut firsts = vec![0usize; many];
        let mut at = self.width;
        for (first, size) in firsts.iter_mut().zip(&self.sizes) {
            at -= size;
            *first = at;
        }
        let start = DMatrix::from_row_slice(self.width, self.width, &self.matrix);
        let gains = |order: &[usize]| {
            let mut matrix = start.clone();
            let mut gains = vec![0.0; many];
            for driver in order {
                let before = matrix[(0, 0)];
                for column in firsts[*driver]..firsts[*driver] + self.sizes[*driver] {
                    sweep(&mut matrix, column, self.diagonal[column]);
                }
                gains[*driver] = before - matrix[(0, 0)];
            }
            gains
        };
        let mut order: Vec<usize> = (0..many).collect();
        let (mut sums, mut squares) = (vec![0.0; many], vec![0.0; many]);
        let pairs = SAMPLED_ORDERS / 2;
        for _ in 0..pairs {
            order.shuffle(random);
            let one = gains(&order);
            order.reverse();
            let other = gains(&order);
            for driver in 0..many {
                let mean = (one[driver] + other[driver]) / 2.0;
                sums[driver] += mean;
                squares[driver] += mean * mean;
            }
        }
        let n = pairs as f64;
        let means: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
        let errors = means
            .iter()
            .zip(&squares)
            .map(|(mean, square)| ((square / n - mean * mean).max(0.0) / (n - 1.0)).sqrt())
            .collect();
        (means, errors)
    }
}

/// k! (p − 1 − k)! / p! for subsets of size k.
fn subset_weights(many: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(many);
    let mut binomial = 1.0;
    for size in 0..many {
        weights.push(1.0 / (many as f64 * binomial));
        binomial *= (many - 1 - size) as f64 / (size + 1) as f64;
    }
    weights
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::planted::{PLAIN, World};
    use super::*;

    /// Cross products of columns with the same correlation with each other.
    fn alike(drivers: usize, with_outcome: &[f64], between: f64) -> CrossProducts {
        let products = DMatrix::from_fn(drivers + 1, drivers + 1, |i, j| match (i.min(j), i.max(j)) {
            (i, j) if i == j => 1.0,
            (i, j) if j == drivers => with_outcome[i],
            _ => between,
        });
        CrossProducts { products, always: vec![], drivers: (0..drivers).map(|d| vec![d]).collect() }
    }

    /// By hand: r₁₂ = .5, r_y = (.6, .4): R² = (.36 + .16 − 2 · .6 · .4 · .5) / .75.
    #[test]
    fn two_drivers_by_hand() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let found = alike(2, &[0.6, 0.4], 0.5).shares(EXACT, 2, &mut random);
        assert!((found.r_squared - 0.373333).abs() < 5e-7);
        assert!((found.shares[0] - 0.286667).abs() < 5e-7);
        assert!((found.shares[1] - 0.086667).abs() < 5e-7);
    }

    #[test]
    fn sampled_orders_come_near_all_orders() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let with_outcome: Vec<f64> = (0..8).map(|d| 0.2 + 0.03 * f64::from(d)).collect();
        let products = alike(8, &with_outcome, 0.3);
        let exact = products.shares(EXACT, 2, &mut random);
        let sampled = products.shares(4, 2, &mut random);
        let errors = sampled.std_errors.unwrap();
        for ((exact, sampled), error) in exact.shares.iter().zip(&sampled.shares).zip(errors) {
            assert!((exact - sampled).abs() < 4.0 * error + 1e-9);
        }
        assert!((exact.shares.iter().sum::<f64>() - exact.r_squared).abs() < 1e-12);
        assert!((sampled.r_squared - exact.r_squared).abs() < 1e-9);
        assert_eq!(exact.std_errors, None);
    }

    /// A million subsets of 20 drivers; equal drivers have equal shares.
    #[test]
    fn twenty_drivers_exactly() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let found = alike(20, &[0.3; 20], 0.2).shares(EXACT, 2, &mut random);
        for share in &found.shares {
            assert!((share - found.r_squared / 20.0).abs() < 1e-12);
        }
    }

    /// Drivers of several columns, covariates always in, an empty driver: R² of all of them is that of least
    /// squares, and parts count with their whole.
    #[test]
    fn parts_count_with_their_whole() {
        let world = World::new(3_000, 4, PLAIN);
        let problem = world.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let (products, tops) = cross_products(&analysis);
        assert_eq!(tops, [0, 1, 2, 4]);
        assert_eq!(products.drivers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2, 1]);
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let found = products.shares(EXACT, 2, &mut random);
        let width = products.products.nrows() - 1;
        let x = products.products.view((0, 0), (width, width)).into_owned();
        let y = products.products.view((0, width), (width, 1)).into_owned();
        // The constant's row is zero once columns are centred.
        let (x, y) = (x.remove_row(0).remove_column(0), y.remove_row(0));
        let explained = y.dot(&x.cholesky().unwrap().solve(&y)) / products.products[(width, width)];
        assert!((found.r_squared - explained).abs() < 1e-10);
        assert!(found.r_squared_of_covariates > 0.0 && found.shares.iter().all(|share| *share > 0.0));
        let sum: f64 = found.shares.iter().sum();
        assert!((found.r_squared_of_covariates + sum - explained).abs() < 1e-10);
    }
}
