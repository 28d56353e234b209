//! The columns of a model, which of them say something of their own, and its rows.
//!
//! Column 0 is the constant; then come covariates and touchpoints, the latter in catalogue order with wholes
//! before their parts. Each level other than the reference, and each state other than *no*, is a column of
//! zeros and ones. A column that the earlier ones already determine is dropped and named.

use nalgebra::DMatrix;

use super::chunks;
use super::logit::Rows;
use super::order::Order;
use super::patterns::{NONE, Patterns, slot};
use super::problem::{Fault, Problem, State};

/// What a column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Constant,
    /// A covariate's level, as numbered in the model.
    Level {
        covariate: usize,
        level: u16,
    },
    /// A touchpoint's state.
    State {
        touchpoint: usize,
        state: State,
    },
}

/// Why a column is not in a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dropped {
    /// No answer has it.
    NoAnswer,
    /// Every answer has it.
    EveryAnswer,
    /// The same answers have this other column.
    SameAs(Column),
    /// It follows from these columns together.
    FollowsFrom(Vec<Column>),
}

/// All columns of a problem with their cross products: which answers have both.
#[derive(Debug)]
pub struct Columns {
    pub columns: Vec<Column>,
    /// Per pattern its columns, ascending.
    pub rows: Rows,
    /// Columns from here on are touchpoints'.
    pub first_of_touchpoints: u16,
    /// Per term and code: the column.
    at: Vec<Vec<u16>>,
    covariates: usize,
    products: DMatrix<f64>,
}

/// No column: the reference, or dropped.
const REFERENCE: u16 = u16::MAX;
/// So many columns make a matrix of (2 × 2000)² numbers, 128 MB.
const MOST_COLUMNS: usize = 2000;
/// A column is dropped if what the earlier ones leave of its square is below this share of it. Columns are
/// counts of answers: what is not exactly zero is at least about one answer's worth.
const LEAST_OF_ITS_OWN: f64 = 1e-7;

/// The columns and rows of one model.
#[derive(Debug)]
pub struct Model {
    /// Whether a touchpoint takes part.
    pub has: Vec<bool>,
    pub columns: Vec<Column>,
    pub dropped: Vec<(Column, Dropped)>,
    pub rows: Rows,
    /// Per pattern: its row.
    pub row_of: Vec<u32>,
    /// Per row and class: summed weights.
    pub weights: Vec<[f64; 3]>,
    at: Vec<Vec<u16>>,
    covariates: usize,
}

impl Columns {
    /// # Errors
    /// [`Fault::TooManyColumns`].
    pub fn of(
        problem: &Problem,
        order: &Order,
        patterns: &Patterns,
        threads: usize,
    ) -> Result<Columns, Fault> {
        let covariates = problem.covariates.len();
        let mut columns = vec![Column::Constant];
        let mut at: Vec<Vec<u16>> = vec![Vec::new(); covariates + problem.touchpoints.len()];
        for (covariate, levels) in patterns.levels.iter().enumerate() {
            at[covariate] = vec![REFERENCE; levels.names.len()];
            for level in 1..levels.names.len() as u16 {
                at[covariate][usize::from(level)] = columns.len().min(MOST_COLUMNS) as u16;
                columns.push(Column::Level { covariate, level });
            }
        }
        let first_of_touchpoints = columns.len().min(MOST_COLUMNS) as u16;
        for touchpoint in order.parents_first.iter().copied() {
            let mut has = [false; 5];
            for code in &patterns.codes[covariates + touchpoint] {
                has[usize::from(*code)] = true;
            }
            at[covariates + touchpoint] = vec![REFERENCE; 5];
            for state in State::ALL.into_iter().skip(1) {
                if has[state as usize] || state == State::Yes {
                    at[covariates + touchpoint][state as usize] = columns.len().min(MOST_COLUMNS) as u16;
                    columns.push(Column::State { touchpoint, state });
                }
            }
        }
        if columns.len() > MOST_COLUMNS {
            return Err(Fault::TooManyColumns { found: columns.len(), most: MOST_COLUMNS });
        }
        let terms: Vec<usize> =
            (0..covariates).chain(order.parents_first.iter().map(|t| covariates + t)).collect();
        let rows = all_rows(&at, &terms, patterns, columns.len(), threads);
        let products = DMatrix::zeros(0, 0);
        let mut all = Columns { columns, rows, first_of_touchpoints, at, covariates, products };
        let answers: Vec<f64> =
            patterns.counts.iter().map(|counts| counts.iter().map(|n| f64::from(*n)).sum()).collect();
        all.products = all.cross_products(patterns, &answers, threads);
        Ok(all)
    }

    fn cross_products(&self, patterns: &Patterns, answers: &[f64], threads: usize) -> DMatrix<f64> {
        let width = self.columns.len();
        let parts = chunks::map(patterns.len(), threads, |range| {
            let mut sums = vec![0.0; width * width];
            for pattern in range {
                let row = self.rows.columns(pattern);
                let answers = answers[pattern];
                for (at, i) in row.iter().enumerate() {
                    for j in &row[..=at] {
                        sums[usize::from(*i) * width + usize::from(*j)] += answers;
                    }
                }
            }
            sums
        });
        let sums = chunks::sum(parts);
        DMatrix::from_fn(width, width, |i, j| sums[i.max(j) * width + i.min(j)])
    }

    /// How many answers have both columns.
    pub fn answers_with(&self, one: usize, other: usize) -> f64 {
        self.products[(one, other)]
    }

    /// The model with these touchpoints and all covariates but `without`.
    pub fn model(&self, patterns: &Patterns, has: Vec<bool>, without: Option<usize>) -> Model {
        let takes_part = |column: &Column| match column {
            Column::Constant => true,
            Column::Level { covariate, .. } => Some(*covariate) != without,
            Column::State { touchpoint, .. } => has[*touchpoint],
        };
        let wanted: Vec<usize> =
            (0..self.columns.len()).filter(|column| takes_part(&self.columns[*column])).collect();
        let (kept, dropped) = self.independent(&wanted, &self.products);
        self.model_of(patterns, has, &kept, dropped)
    }

    /// The model of all covariates and touchpoints whose columns say something of their own in each of
    /// several sets of answers, given as answers per pattern.
    pub fn common_model(&self, patterns: &Patterns, sets: &[Vec<f64>], threads: usize) -> Model {
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        let mut dropped = Vec::new();
        for answers in sets {
            let (left, more) = self.independent(&kept, &self.cross_products(patterns, answers, threads));
            kept = left;
            dropped.extend(more);
        }
        let touchpoints = self.at.len() - self.covariates;
        self.model_of(patterns, vec![true; touchpoints], &kept, dropped)
    }

    fn model_of(
        &self,
        patterns: &Patterns,
        has: Vec<bool>,
        kept: &[usize],
        dropped: Vec<(Column, Dropped)>,
    ) -> Model {
        let columns: Vec<Column> = kept.iter().map(|column| self.columns[*column]).collect();
        let mut new_at = vec![REFERENCE; self.columns.len()];
        for (at, column) in kept.iter().enumerate() {
            new_at[*column] = at as u16;
        }
        let renumber =
            |column: &u16| if *column == REFERENCE { REFERENCE } else { new_at[usize::from(*column)] };
        let at: Vec<Vec<u16>> = self.at.iter().map(|codes| codes.iter().map(renumber).collect()).collect();
        let (rows, row_of) = self.distinct_rows(&new_at, columns.len());
        let mut weights = vec![[0.0; 3]; rows.len()];
        for (pattern, row) in row_of.iter().enumerate() {
            for (sum, weight) in weights[*row as usize].iter_mut().zip(patterns.weights[pattern]) {
                *sum += weight;
            }
        }
        Model { has, columns, dropped, rows, row_of, weights, at, covariates: self.covariates }
    }

    /// The different rows of a model, and per pattern its row; `new_at` renumbers columns.
    fn distinct_rows(&self, new_at: &[u16], width: usize) -> (Rows, Vec<u32>) {
        let patterns = self.rows.len();
        if width == self.columns.len() {
            return (self.rows.clone(), (0..patterns as u32).collect());
        }
        let mut rows = Rows::new(width);
        let mut row_of_pattern = Vec::with_capacity(patterns);
        let mut slots = vec![NONE; (patterns * 2).next_power_of_two().max(16)];
        let (mut row, mut key) = (Vec::new(), Vec::new());
        for pattern in 0..patterns {
            row.clear();
            let columns = self.rows.columns(pattern).iter().map(|column| new_at[usize::from(*column)]);
            row.extend(columns.filter(|column| *column != REFERENCE));
            key.clear();
            key.extend(
                row.chunks(4).map(|four| four.iter().fold(0u64, |key, c| (key << 16) | u64::from(*c))),
            );
            let mut slot = slot(&key, slots.len());
            let found = loop {
                match slots[slot] {
                    NONE => {
                        slots[slot] = rows.len() as u32;
                        rows.push(&row);
                        break slots[slot];
                    }
                    at if rows.columns(at as usize) == row => break at,
                    _ => slot = (slot + 1) % slots.len(),
                }
            };
            row_of_pattern.push(found);
        }
        (rows, row_of_pattern)
    }

    /// Per column of a model its position there and among all.
    pub fn positions<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut from = 0;
        // Both lists are in the same order.
        model.columns.iter().enumerate().filter_map(move |(own, column)| {
            let step = self.columns[from..].iter().position(|other| other == column)?;
            from += step + 1;
            Some((own, from - 1))
        })
    }

    /// The columns that are independent of those before them, and why the others are not: Cholesky's
    /// factorisation of the cross products in order, leaving out what has no length left.
    fn independent(&self, wanted: &[usize], products: &DMatrix<f64>) -> (Vec<usize>, Vec<(Column, Dropped)>) {
        let mut kept: Vec<usize> = Vec::new();
        let mut factor: Vec<Vec<f64>> = Vec::new();
        let mut dropped = Vec::new();
        for column in wanted {
            let square = products[(*column, *column)];
            if square == 0.0 {
                dropped.push((self.columns[*column], Dropped::NoAnswer));
                continue;
            }
            let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
            for (at, other) in kept.iter().enumerate() {
                let inner: f64 = row.iter().zip(&factor[at]).map(|(a, b)| a * b).sum();
                row.push((products[(*column, *other)] - inner) / factor[at][at]);
            }
            let left = square - row.iter().map(|x| x * x).sum::<f64>();
            if left > LEAST_OF_ITS_OWN * square.max(1.0) {
                row.push(left.sqrt());
                factor.push(row);
                kept.push(*column);
                continue;
            }
            // Which of the kept ones it is made of: the same triangle, solved backwards.
            let mut made_of = row;
            for at in (0..kept.len()).rev() {
                let known: f64 = (at + 1..kept.len()).map(|below| factor[below][at] * made_of[below]).sum();
                made_of[at] = (made_of[at] - known) / factor[at][at];
            }
            let from: Vec<(usize, f64)> =
                made_of.iter().copied().enumerate().filter(|(_, share)| share.abs() > 1e-6).collect();
            let reason = match from.as_slice() {
                [(0, _)] => Dropped::EveryAnswer,
                [(at, share)] if (share - 1.0).abs() < 1e-6 => Dropped::SameAs(self.columns[kept[*at]]),
                several => {
                    Dropped::FollowsFrom(several.iter().map(|(at, _)| self.columns[kept[*at]]).collect())
                }
            };
            dropped.push((self.columns[*column], reason));
        }
        (kept, dropped)
    }
}

/// Per pattern its columns, ascending.
fn all_rows(at: &[Vec<u16>], terms: &[usize], patterns: &Patterns, width: usize, threads: usize) -> Rows {
    let pieces = chunks::map(patterns.len(), threads, |range| {
        let mut piece = Rows::new(width);
        let mut row = Vec::with_capacity(terms.len() + 1);
        for pattern in range {
            row.clear();
            row.push(0);
            let columns = terms.iter().map(|term| at[*term][usize::from(patterns.codes[*term][pattern])]);
            row.extend(columns.filter(|column| *column != REFERENCE));
            piece.push(&row);
        }
        piece
    });
    let mut rows = Rows::new(width);
    pieces.iter().for_each(|piece| rows.append(piece));
    rows
}

impl Model {
    /// The column of a touchpoint's state; none if it is the reference or was dropped.
    pub fn column(&self, touchpoint: usize, state: State) -> Option<usize> {
        let column = self.at[self.covariates + touchpoint][state as usize];
        (column != REFERENCE).then_some(usize::from(column))
    }

    /// The column of a covariate's level.
    pub fn level_column(&self, covariate: usize, level: u16) -> Option<usize> {
        let column = self.at[covariate][usize::from(level)];
        (column != REFERENCE).then_some(usize::from(column))
    }

    /// Weight of the answers that have a column, by class.
    pub fn answers_by_class(&self, column: u16) -> [f64; 3] {
        let with = (0..self.rows.len()).filter(|row| self.rows.columns(*row).contains(&column));
        with.fold([0.0; 3], |sum, row| [0, 1, 2].map(|class| sum[class] + self.weights[row][class]))
    }

    /// Why a touchpoint was dropped from this model.
    pub fn why_dropped(&self, touchpoint: usize) -> Option<&Dropped> {
        let wanted = Column::State { touchpoint, state: State::Yes };
        self.dropped.iter().find(|(column, _)| *column == wanted).map(|(_, reason)| reason)
    }

    /// Which columns go when a touchpoint is undone: its own *yes*, and with it all that its parts say of
    /// the event: met, too early to tell, unknown; and *too early to tell* of what waits for it. What was
    /// never measured stays: that is a property of the feed. An answer whose own state is neither yes nor no has nothing to undo.
    pub fn undone(&self, order: &Order, touchpoint: usize) -> Vec<bool> {
        let mut is_undone = vec![false; self.columns.len()];
        let parts = order.parts(touchpoint).iter();
        let states = [State::Yes, State::TooEarly, State::Unknown];
        let of_parts = parts.flat_map(|part| states.map(|state| (*part, state)));
        let waiting = order.waiting(touchpoint).map(|other| (other, State::TooEarly));
        for (one, state) in of_parts.chain(waiting).chain([(touchpoint, State::Yes)]) {
            if let Some(column) = self.column(one, state) {
                is_undone[column] = true;
            }
        }
        is_undone
    }
}
