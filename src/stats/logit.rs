//! The multinomial logit, by Newton's method on rows that are stored once.
//!
//! P(class a | x) = exp(xᵀβ_a) / (1 + Σ_b exp(xᵀβ_b)); class 0 is the reference, `Q` classes are free. With
//! Q = 1 it is the ordinary logit. Sources: McFadden 1974; McCullagh and Nelder 1989, ch. 5. Firth's penalty
//! (½ log |I|, Jeffreys' prior; Firth 1993, Heinze and Schemper 2002, Kosmidis and Firth 2011 for several
//! classes) keeps estimates finite where some column tells the class for sure.
//!
//! Rows hold the positions of their ones, in ascending order, and values only where a column is no dummy.

use std::collections::VecDeque;
use std::ops::Range;

use nalgebra::DMatrix;

use super::chunks;
use super::linear::Factor;

/// Sparse rows of a matrix with `width` columns.
#[derive(Debug, Clone)]
pub struct Rows {
    starts: Vec<usize>,
    columns: Vec<u16>,
    /// As long as `columns`, or empty: every entry is one.
    values: Vec<f64>,
    width: usize,
}

impl Rows {
    pub fn new(width: usize) -> Rows {
        Rows { starts: vec![0], columns: Vec::new(), values: Vec::new(), width }
    }

    /// Adds a row of ones at these columns, ascending.
    pub fn push(&mut self, columns: &[u16]) {
        self.columns.extend_from_slice(columns);
        self.starts.push(self.columns.len());
    }

    /// Adds rows of ones behind these.
    pub fn append(&mut self, more: &Rows) {
        let before = self.columns.len();
        self.columns.extend_from_slice(&more.columns);
        self.starts.extend(more.starts[1..].iter().map(|start| before + start));
    }

    /// Rows of numbers, `width` each; zeros are left out.
    pub fn dense(width: usize, numbers: &[f64]) -> Rows {
        let mut rows = Rows::new(width);
        for row in numbers.chunks_exact(width) {
            for (column, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                rows.columns.push(column as u16);
                rows.values.push(*value);
            }
            rows.starts.push(rows.columns.len());
        }
        rows
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn width(&self) -> usize {
        self.width
    }

    #[inline]
    pub fn columns(&self, row: usize) -> &[u16] {
        &self.columns[self.starts[row]..self.starts[row + 1]]
    }

    #[inline]
    fn value(&self, row: usize, at: usize) -> f64 {
        if self.values.is_empty() { 1.0 } else { self.values[self.starts[row] + at] }
    }
}

/// The answers of one row: summed weights, of all classes and of the free ones.
#[derive(Debug, Clone, Copy)]
pub struct Cell<const Q: usize> {
    pub total: f64,
    pub free: [f64; Q],
}

/// Cells of three classes, the first being the reference.
pub fn cells(weights: &[[f64; 3]]) -> Vec<Cell<2>> {
    weights.iter().map(|w| Cell { total: w[0] + w[1] + w[2], free: [w[1], w[2]] }).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Penalty {
    /// Only where some column separates the classes.
    WhenSeparated,
    Always,
    /// Separation is an error.
    Never,
}

/// A fitted model.
#[derive(Debug, Clone)]
pub struct Fit<const Q: usize> {
    /// Log-odds against the reference: class a (from 0) of column j stands at `j * Q + a`.
    pub coefficients: Vec<f64>,
    /// Without the penalty.
    pub log_likelihood: f64,
    /// Σ w xᵀ(diag p − p pᵀ)x, in the order of `coefficients`.
    pub information: DMatrix<f64>,
    /// Its inverse: the model's own covariance of the coefficients.
    pub inverse: DMatrix<f64>,
    /// Of the free classes, per row.
    pub probabilities: Vec<[f64; Q]>,
    pub iterations: usize,
    pub is_penalised: bool,
    /// Columns that made the penalty needed: whose answers lack a class, or whose slopes ran away without it.
    pub separating: Vec<usize>,
}

/// Why there is no fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFit {
    /// No answer weighs anything.
    NoAnswers,
    /// Nobody is a promoter, or nobody a detractor: there is nothing to be told apart.
    ClassMissing,
    /// Some column tells the class for sure, and no penalty was wanted.
    Separated,
    /// Newton's method did not come to rest.
    NotConverged,
}

/// A slope beyond this (odds of 1 to 160,000) is taken for separation.
const LARGEST_COEFFICIENT: f64 = 12.0;
const MOST_ITERATIONS: usize = 100;
/// Newton's decrement gᵀI⁻¹g at rest: squared distance to the optimum in standard errors.
const AT_REST: f64 = 1e-16;
const AT_REST_PENALISED: f64 = 1e-10;
/// Large problems start from a fit of so many of their rows.
const ROWS_OF_A_START: usize = 16_384;

/// Fits the model. Weights should have a mean of about one where the penalty may be used.
///
/// # Errors
/// [`NoFit`].
pub fn fit<const Q: usize>(
    rows: &Rows,
    cells: &[Cell<Q>],
    penalty: Penalty,
    start: Option<&[f64]>,
    threads: usize,
) -> Result<Fit<Q>, NoFit> {
    if cells.iter().map(|cell| cell.total).sum::<f64>() <= 0.0 {
        return Err(NoFit::NoAnswers);
    }
    let task = Task { rows, cells, threads };
    let mut separating = if penalty == Penalty::Never { Vec::new() } else { task.with_empty_cells() };
    if penalty != Penalty::Always && separating.is_empty() {
        let begun = match start {
            Some(start) => start.to_vec(),
            None => task.start(),
        };
        match task.newton(begun, false) {
            Ok(fit) if penalty == Penalty::Never || !fit.looks_separated() => return Ok(fit),
            Err(broken) if penalty == Penalty::Never => return Err(broken.reason),
            Ok(fit) => separating = far_away::<Q>(&fit.coefficients),
            Err(broken) => separating = far_away::<Q>(&broken.at),
        }
    }
    let begun = start.map_or_else(|| vec![0.0; rows.width() * Q], <[f64]>::to_vec);
    let found = task.newton(begun, true).or_else(|_| task.newton(vec![0.0; rows.width() * Q], true));
    found.map(|fit| Fit { separating, ..fit }).map_err(|broken| broken.reason)
}

/// Columns, but for the constant, whose slopes have run further than any real one does.
fn far_away<const Q: usize>(coefficients: &[f64]) -> Vec<usize> {
    let slopes = coefficients.chunks(Q).enumerate().skip(1);
    slopes
        .filter(|(_, of)| of.iter().any(|beta| beta.abs() > LARGEST_COEFFICIENT))
        .map(|(at, _)| at)
        .collect()
}

/// Newton's method gave up: why, and where.
struct Broken {
    reason: NoFit,
    at: Vec<f64>,
}

/// log-likelihood of the model with a constant only.
pub fn null_log_likelihood<const Q: usize>(cells: &[Cell<Q>]) -> f64 {
    let total: f64 = cells.iter().map(|cell| cell.total).sum();
    let mut free = [0.0; Q];
    for cell in cells {
        for (sum, weight) in free.iter_mut().zip(cell.free) {
            *sum += weight;
        }
    }
    let reference = total - free.iter().sum::<f64>();
    free.iter().chain([&reference]).filter(|n| **n > 0.0).map(|n| n * (n / total).ln()).sum()
}

impl<const Q: usize> Fit<Q> {
    /// xᵀβ of a row without some columns, as probabilities of the free classes; `shift` is added to the
    /// log-odds.
    #[inline]
    pub fn probabilities_at(&self, columns: impl Iterator<Item = u16>, shift: &[f64; Q]) -> [f64; Q] {
        let mut eta = *shift;
        for column in columns {
            let at = usize::from(column) * Q;
            for (eta, beta) in eta.iter_mut().zip(&self.coefficients[at..at + Q]) {
                *eta += beta;
            }
        }
        softmax(eta).0
    }

    /// Model standard errors, in the order of the coefficients.
    pub fn std_errors(&self) -> Vec<f64> {
        (0..self.coefficients.len()).map(|i| self.inverse[(i, i)].max(0.0).sqrt()).collect()
    }

    /// Whether some estimate has run so far away that some column seems to tell the class for sure.
    pub fn looks_separated(&self) -> bool {
        // The constant may be far from zero for a rare class; slopes may not.
        self.coefficients.iter().skip(Q).any(|beta| beta.abs() > LARGEST_COEFFICIENT)
            || self.coefficients.iter().take(Q).any(|beta| beta.abs() > 2.0 * LARGEST_COEFFICIENT)
    }
}

/// Probabilities of the free classes and log of the sum of exponentials.
#[inline]
pub fn softmax<const Q: usize>(eta: [f64; Q]) -> ([f64; Q], f64) {
    // Far from where exponentials overflow there is nothing to take off first.
    const FAR: f64 = 300.0;
    let top =
        if eta.iter().all(|eta| eta.abs() < FAR) { 0.0 } else { eta.iter().copied().fold(0.0, f64::max) };
    let mut sum = if top == 0.0 { 1.0 } else { (-top).exp() };
    let mut p = eta;
    for p in &mut p {
        *p = (*p - top).exp();
        sum += *p;
    }
    let share = 1.0 / sum;
    for p in &mut p {
        *p *= share;
    }
    (p, top + sum.ln())
}

struct Task<'a, const Q: usize> {
    rows: &'a Rows,
    cells: &'a [Cell<Q>],
    threads: usize,
}

/// What one pass over the rows yields at some coefficients.
struct Pass<const Q: usize> {
    log_likelihood: f64,
    gradient: Vec<f64>,
    information: DMatrix<f64>,
    probabilities: Vec<[f64; Q]>,
}

/// Sums of one piece of the rows.
struct Piece<const Q: usize> {
    log_likelihood: f64,
    gradient: Vec<f64>,
    /// Lower triangle of column pairs, a Q × Q block each.
    blocks: Vec<f64>,
    probabilities: Vec<[f64; Q]>,
}

impl<const Q: usize> Task<'_, Q> {
    /// Log-odds of the classes as a whole; for large problems a fit of every n-th row.
    fn start(&self) -> Vec<f64> {
        let width = self.rows.width();
        let mut start = vec![0.0; width * Q];
        let total: f64 = self.cells.iter().map(|cell| cell.total).sum();
        let free: Vec<f64> = (0..Q).map(|a| self.cells.iter().map(|cell| cell.free[a]).sum()).collect();
        let reference = (total - free.iter().sum::<f64>()).max(0.5);
        for (a, free) in free.iter().enumerate() {
            start[a] = (free.max(0.5) / reference).ln();
        }
        let step = self.rows.len() / ROWS_OF_A_START;
        if step < 3 || !self.rows.values.is_empty() {
            return start;
        }
        let mut rows = Rows::new(width);
        let mut cells = Vec::new();
        for row in (0..self.rows.len()).step_by(step) {
            rows.push(self.rows.columns(row));
            cells.push(self.cells[row]);
        }
        let sample = Task { rows: &rows, cells: &cells, threads: self.threads };
        sample.rough(start)
    }

    /// A few steps of Newton's method with a small ridge: good enough to start from.
    fn rough(&self, start: Vec<f64>) -> Vec<f64> {
        const RIDGE: f64 = 0.5;
        let mut beta = start.clone();
        for _ in 0..6 {
            let mut pass = self.pass(&beta);
            for (i, beta) in beta.iter().enumerate() {
                pass.information[(i, i)] += RIDGE;
                pass.gradient[i] -= RIDGE * beta;
            }
            let Some(factor) = Factor::of(&pass.information) else { return start };
            let step = factor.solve(&pass.gradient);
            let decrement: f64 = step.iter().zip(&pass.gradient).map(|(s, g)| s * g).sum();
            for (beta, step) in beta.iter_mut().zip(step.iter()) {
                *beta += step.clamp(-3.0, 3.0);
            }
            if decrement < 1e-2 {
                break;
            }
        }
        if beta.iter().all(|b| b.is_finite() && b.abs() < LARGEST_COEFFICIENT) { beta } else { start }
    }

    fn newton(&self, start: Vec<f64>, is_penalised: bool) -> Result<Fit<Q>, Broken> {
        let reason = if is_penalised { NoFit::NotConverged } else { NoFit::Separated };
        let failed = |at: &[f64]| Broken { reason, at: at.to_vec() };
        let at_rest = if is_penalised { AT_REST_PENALISED } else { AT_REST };
        let mut beta = start;
        let mut pass = self.pass(&beta);
        let mut factor = Factor::of(&pass.information).ok_or_else(|| failed(&beta))?;
        let mut seen = Curvature::default();
        for iterations in 1..=MOST_ITERATIONS {
            let mut inverse = None;
            let mut step = if is_penalised {
                let metric = self.add_penalty(inverse.insert(factor.inverse()), &mut pass);
                seen.ends_at(&pass.gradient);
                seen.step(&pass.gradient, &Factor::of(&metric).ok_or_else(|| failed(&beta))?)
            } else {
                factor.solve(&pass.gradient)
            };
            let decrement: f64 = step.iter().zip(&pass.gradient).map(|(s, g)| s * g).sum();
            if decrement < at_rest {
                return Ok(Fit {
                    coefficients: beta,
                    log_likelihood: pass.log_likelihood,
                    information: pass.information,
                    inverse: inverse.unwrap_or_else(|| factor.inverse()),
                    probabilities: pass.probabilities,
                    iterations,
                    is_penalised,
                    separating: Vec::new(),
                });
            }
            if !is_penalised && beta.iter().skip(Q).any(|beta| beta.abs() > 2.0 * LARGEST_COEFFICIENT) {
                return Err(failed(&beta));
            }
            let longest = step.iter().fold(0.0f64, |most, s| most.max(s.abs()));
            if longest > 5.0 {
                step.iter_mut().for_each(|s| *s *= 5.0 / longest);
            }
            let objective = |pass: &Pass<Q>, factor: &Factor| {
                pass.log_likelihood + if is_penalised { 0.5 * factor.log_determinant() } else { 0.0 }
            };
            let before = objective(&pass, &factor);
            let mut halvings = 0;
            loop {
                let trial: Vec<f64> = beta.iter().zip(&step).map(|(b, s)| b + s).collect();
                let next = self.pass(&trial);
                if let Some(next_factor) = Factor::of(&next.information) {
                    // Rounding of a sum over all answers must not look like a step uphill.
                    if objective(&next, &next_factor) >= before - 1e-10 * (1.0 + before.abs()) {
                        seen.begins_at(&step, &pass.gradient);
                        (beta, pass, factor) = (trial, next, next_factor);
                        break;
                    }
                }
                halvings += 1;
                if halvings > 30 {
                    return Err(failed(&beta));
                }
                step.iter_mut().for_each(|s| *s *= 0.5);
            }
        }
        Err(failed(&beta))
    }

    fn pass(&self, beta: &[f64]) -> Pass<Q> {
        let pieces = chunks::map(self.rows.len(), self.threads, |range| self.piece(beta, range));
        let width = self.rows.width();
        let mut total = Pass {
            log_likelihood: 0.0,
            gradient: vec![0.0; width * Q],
            information: DMatrix::zeros(width * Q, width * Q),
            probabilities: Vec::with_capacity(self.rows.len()),
        };
        let mut blocks = vec![0.0; width * (width + 1) / 2 * Q * Q];
        for piece in pieces {
            total.log_likelihood += piece.log_likelihood;
            total.gradient.iter_mut().zip(&piece.gradient).for_each(|(sum, x)| *sum += x);
            blocks.iter_mut().zip(&piece.blocks).for_each(|(sum, x)| *sum += x);
            total.probabilities.extend(piece.probabilities);
        }
        total.information = from_blocks::<Q>(width, &blocks);
        total
    }

    fn piece(&self, beta: &[f64], range: Range<usize>) -> Piece<Q> {
        let width = self.rows.width();
        let mut piece = Piece {
            log_likelihood: 0.0,
            gradient: vec![0.0; width * Q],
            blocks: vec![0.0; width * (width + 1) / 2 * Q * Q],
            probabilities: Vec::with_capacity(range.len()),
        };
        let is_dummy = self.rows.values.is_empty();
        for row in range {
            let columns = self.rows.columns(row);
            let cell = &self.cells[row];
            let mut eta = [0.0; Q];
            for (at, column) in columns.iter().enumerate() {
                let x = if is_dummy { 1.0 } else { self.rows.value(row, at) };
                let from = usize::from(*column) * Q;
                for (eta, beta) in eta.iter_mut().zip(&beta[from..from + Q]) {
                    *eta += x * beta;
                }
            }
            let (p, log_sum) = softmax(eta);
            piece.probabilities.push(p);
            if cell.total == 0.0 {
                continue;
            }
            piece.log_likelihood -= cell.total * log_sum;
            let mut residual = [0.0; Q];
            for a in 0..Q {
                piece.log_likelihood += cell.free[a] * eta[a];
                residual[a] = cell.free[a] - cell.total * p[a];
            }
            self.add_row(row, &residual, cell.total, &p, &mut piece.gradient, &mut piece.blocks);
        }
        piece
    }

    /// Adds a row's residuals to the gradient, and weight × (diag p − p pᵀ) to the blocks of its columns.
    #[inline]
    fn add_row(
        &self,
        row: usize,
        residual: &[f64; Q],
        weight: f64,
        p: &[f64; Q],
        gradient: &mut [f64],
        blocks: &mut [f64],
    ) {
        let columns = self.rows.columns(row);
        let mut block = [[0.0; Q]; Q];
        for a in 0..Q {
            for b in 0..Q {
                block[a][b] = weight * p[a] * (if a == b { 1.0 - p[b] } else { -p[b] });
            }
        }
        for (at, column) in columns.iter().enumerate() {
            let i = usize::from(*column);
            let x = self.rows.value(row, at);
            for (sum, residual) in gradient[i * Q..(i + 1) * Q].iter_mut().zip(residual) {
                *sum += x * residual;
            }
            let of_row = &mut blocks[i * (i + 1) / 2 * Q * Q..];
            for (at, other) in columns[..=at].iter().enumerate() {
                let from = usize::from(*other) * Q * Q;
                let sums = of_row[from..from + Q * Q].iter_mut();
                let added = block.as_flattened().iter();
                if self.rows.values.is_empty() {
                    sums.zip(added).for_each(|(sum, x)| *sum += x);
                } else {
                    let x = x * self.rows.value(row, at);
                    sums.zip(added).for_each(|(sum, of_block)| *sum += x * of_block);
                }
            }
        }
    }

    /// Adds the gradient of ½ log |I|, and gives the matrix that the step is solved with.
    ///
    /// With M = xᵢ I⁻¹ xᵢᵀ the gradient in class a of row i is c_a − p_a Σ c, where c_a = ½ wᵢ p_a (e_a − p)ᵀ M
    /// (e_a − p): as if every class, the reference too, had been answered so much more often (Kosmidis and
    /// Firth 2011). The plain information I takes no notice of what is added, and steps twice too far where
    /// the penalty is all there is. So rows count with their answers and half their leverage h = tr(w M W)
    /// and its share per class, h/2 (1 + 1/Q): exact for a row with coefficients of its own.
    fn add_penalty(&self, inverse: &DMatrix<f64>, pass: &mut Pass<Q>) -> DMatrix<f64> {
        let width = self.rows.width();
        let probabilities = &pass.probabilities;
        let parts = chunks::map(self.rows.len(), self.threads, |range| {
            let mut sums = vec![0.0; width * Q + width * (width + 1) / 2 * Q * Q];
            let (gradient, blocks) = sums.split_at_mut(width * Q);
            for row in range {
                let m = self.leverage(inverse, row);
                let (p, weight) = (&probabilities[row], self.cells[row].total);
                let mp: [f64; Q] = std::array::from_fn(|a| (0..Q).map(|b| m[a][b] * p[b]).sum());
                let pmp: f64 = (0..Q).map(|a| p[a] * mp[a]).sum();
                let added: [f64; Q] =
                    std::array::from_fn(|a| 0.5 * weight * p[a] * (m[a][a] - 2.0 * mp[a] + pmp));
                let reference = 0.5 * weight * (1.0 - p.iter().sum::<f64>()) * pmp;
                let all = added.iter().sum::<f64>() + reference;
                let pull: [f64; Q] = std::array::from_fn(|a| added[a] - p[a] * all);
                self.add_row(row, &pull, all * (1.0 + 1.0 / Q as f64), p, gradient, blocks);
            }
            sums
        });
        let sums = chunks::sum(parts);
        let (gradient, blocks) = sums.split_at(width * Q);
        pass.gradient.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x);
        from_blocks::<Q>(width, blocks) + &pass.information
    }

    /// x I⁻¹ xᵀ of a row, class by class.
    fn leverage(&self, inverse: &DMatrix<f64>, row: usize) -> [[f64; Q]; Q] {
        let columns = self.rows.columns(row);
        let mut sums = [[0.0; Q]; Q];
        for (i, one) in columns.iter().enumerate() {
            let one = usize::from(*one) * Q;
            for (j, other) in columns[..=i].iter().enumerate() {
                let other = usize::from(*other) * Q;
                // Off the diagonal each pair stands twice.
                let twice = if i == j { 0.5 } else { 1.0 };
                let x = twice * self.rows.value(row, i) * self.rows.value(row, j);
                for b in 0..Q {
                    for c in 0..Q {
                        let entry = x * inverse[(other + c, one + b)];
                        sums[b][c] += entry;
                        sums[c][b] += entry;
                    }
                }
            }
        }
        sums
    }

    /// Whether some column of ones never meets some class: its slope would run away.
    fn with_empty_cells(&self) -> Vec<usize> {
        if !self.rows.values.is_empty() {
            return Vec::new();
        }
        let mut totals = vec![0.0; self.rows.width()];
        let mut free = vec![[0.0; Q]; self.rows.width()];
        for (row, cell) in self.cells.iter().enumerate() {
            for column in self.rows.columns(row) {
                totals[usize::from(*column)] += cell.total;
                for (sum, weight) in free[usize::from(*column)].iter_mut().zip(cell.free) {
                    *sum += weight;
                }
            }
        }
        let lacks_a_class = |(_, (total, free)): &(usize, (&f64, &[f64; Q]))| {
            let reference = *total - free.iter().sum::<f64>();
            reference <= 1e-9 * *total || free.iter().any(|weight| *weight <= 0.0)
        };
        totals.iter().zip(&free).enumerate().filter(lacks_a_class).map(|(column, _)| column).collect()
    }
}

/// How the gradient fell along the latest steps: what the matrix that steps are solved with does not know of
/// the penalty (L-BFGS; Nocedal 1980).
#[derive(Default)]
struct Curvature {
    /// Steps, how far the gradient fell along each, and the product of the two.
    steps: VecDeque<(Vec<f64>, Vec<f64>, f64)>,
    open: Option<(Vec<f64>, Vec<f64>)>,
}

impl Curvature {
    const MOST_STEPS: usize = 12;

    fn begins_at(&mut self, step: &[f64], gradient: &[f64]) {
        self.open = Some((step.to_vec(), gradient.to_vec()));
    }

    fn ends_at(&mut self, gradient: &[f64]) {
        let Some((step, before)) = self.open.take() else { return };
        let fall: Vec<f64> = before.iter().zip(gradient).map(|(before, now)| before - now).collect();
        let product = inner(&step, &fall);
        if product > 1e-14 * inner(&fall, &fall).sqrt() * inner(&step, &step).sqrt() {
            self.steps.push_back((step, fall, product));
        }
        if self.steps.len() > Self::MOST_STEPS {
            self.steps.pop_front();
        }
    }

    fn step(&self, gradient: &[f64], metric: &Factor) -> Vec<f64> {
        let mut direction = gradient.to_vec();
        let mut shares = Vec::with_capacity(self.steps.len());
        for (step, fall, product) in self.steps.iter().rev() {
            let share = inner(step, &direction) / product;
            direction.iter_mut().zip(fall).for_each(|(d, fall)| *d -= share * fall);
            shares.push(share);
        }
        let mut direction = metric.solve(&direction);
        for ((step, fall, product), share) in self.steps.iter().zip(shares.into_iter().rev()) {
            let more = share - inner(fall, &direction) / product;
            direction.iter_mut().zip(step).for_each(|(d, step)| *d += more * step);
        }
        direction
    }
}

fn inner(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// The symmetric matrix of a lower triangle of blocks.
pub(super) fn from_blocks<const Q: usize>(width: usize, blocks: &[f64]) -> DMatrix<f64> {
    DMatrix::from_fn(width * Q, width * Q, |row, column| {
        let (i, a, j, b) = (row / Q, row % Q, column / Q, column % Q);
        let (i, a, j, b) = if i >= j { (i, a, j, b) } else { (j, b, i, a) };
        blocks[(i * (i + 1) / 2 + j) * Q * Q + a * Q + b]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a saturated model Jeffreys' prior adds half an answer to every cell: the estimates are known in
    /// closed form, with empty cells too.
    #[test]
    fn the_penalty_adds_half_an_answer_to_each_cell() {
        let counts = [[10.0, 5.0, 0.0], [7.0, 3.0, 4.0], [0.0, 0.0, 9.0]];
        let mut rows = Rows::new(3);
        rows.push(&[0]);
        rows.push(&[0, 1]);
        rows.push(&[0, 2]);
        let found = fit::<2>(&rows, &cells(&counts), Penalty::WhenSeparated, None, 1).unwrap();
        assert!(found.is_penalised);
        assert_eq!(found.separating, [2]);
        for (counts, p) in counts.iter().zip(&found.probabilities) {
            let total: f64 = counts.iter().sum();
            for class in 0..2 {
                let expected = (counts[class + 1] + 0.5) / (total + 1.5);
                assert!((p[class] - expected).abs() < 1e-5, "{p:?} {expected}");
            }
        }
        let refused = fit::<2>(&rows, &cells(&counts), Penalty::Never, None, 1);
        assert!(refused.is_err() || refused.is_ok_and(|fit| fit.looks_separated()));
    }

    /// Two columns that each have all classes, and together tell one: the second and third run away together.
    #[test]
    fn columns_that_separate_together_are_named() {
        let counts = [[40.0, 30.0, 30.0], [0.0, 0.0, 12.0], [5.0, 5.0, 0.0], [20.0, 30.0, 40.0]];
        let mut rows = Rows::new(4);
        [&[0][..], &[0, 1], &[0, 1, 2], &[0, 3]].into_iter().for_each(|row| rows.push(row));
        let found = fit::<2>(&rows, &cells(&counts), Penalty::WhenSeparated, None, 1).unwrap();
        assert!(found.is_penalised && found.separating.contains(&2), "{:?}", found.separating);
        assert!(!found.separating.contains(&3));
    }

    /// Without empty cells: observed shares; from far away as well, by step control.
    #[test]
    fn a_saturated_model_gives_observed_shares() {
        let counts = [[10.0, 5.0, 1.0], [7.0, 3.0, 4.0]];
        let mut rows = Rows::new(2);
        rows.push(&[0]);
        rows.push(&[0, 1]);
        for start in [None, Some([8.0, -8.0, 6.0, 9.0].as_slice())] {
            let found = fit::<2>(&rows, &cells(&counts), Penalty::WhenSeparated, start, 1).unwrap();
            assert!(!found.is_penalised);
            for (counts, p) in counts.iter().zip(&found.probabilities) {
                let total: f64 = counts.iter().sum();
                assert!((p[0] - counts[1] / total).abs() < 1e-9 && (p[1] - counts[2] / total).abs() < 1e-9);
            }
        }
        let nothing = fit::<2>(&rows, &cells(&[[0.0; 3]; 2]), Penalty::Always, None, 1);
        assert_eq!(nothing.unwrap_err(), NoFit::NoAnswers);
    }
}
