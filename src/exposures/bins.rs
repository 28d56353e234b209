//! Numeric covariates, held equal in bins that hold about as many answers each.

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::DataFrame;

use super::{UNKNOWN_SEGMENT, named};
use crate::engine::{self, Engine};
use crate::error::Result;

/// Bins of a covariate: enough that little is left of what goes with it inside one (Cochran 1968: five of a
/// confounder take away nine tenths of its bias), few enough that each holds answers.
const BINS: i64 = 10;

/// Where the bins of a column end, each but the last: values that answers have, ascending. A value belongs to the
/// first bin that ends at or above it.
pub async fn cuts(engine: &Engine, answers: &DataFrame, column: &str) -> Result<Vec<f64>> {
    let failed = |e| engine::error(e, column);
    let value = number(engine, column)?;
    let rows = answers
        .clone()
        .filter(named("is_counted"))
        .and_then(|rows| rows.aggregate(vec![value.alias("value")], vec![count(lit(1i64)).alias("answers")]))
        .and_then(|rows| rows.filter(named("value").is_not_null()))
        .map_err(failed)?;
    let mut values: Vec<(f64, i64)> = Vec::new();
    for batch in engine.collect(rows, column).await? {
        let numbers = batch.column(0).as_primitive::<Float64Type>();
        let answers = batch.column(1).as_primitive::<Int64Type>();
        values.extend(numbers.values().iter().copied().zip(answers.values().iter().copied()));
    }
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(ends(&values))
}

/// `values`: ascending, with the number of answers that have each.
fn ends(values: &[(f64, i64)]) -> Vec<f64> {
    let all: i64 = values.iter().map(|(_, answers)| answers).sum();
    let mut ends = Vec::new();
    let mut before = 0;
    for (value, answers) in values.iter().take(values.len().saturating_sub(1)) {
        let full = before * BINS / all.max(1);
        before += answers;
        if before * BINS / all.max(1) > full {
            ends.push(*value);
        }
    }
    ends
}

/// The column as the words for its bins; what is no number is not known.
pub fn binned(engine: &Engine, rows: DataFrame, column: &str, cuts: &[f64]) -> Result<DataFrame> {
    let failed = |e| engine::error(e, column);
    let value = number(engine, column)?;
    let last = match cuts.last() {
        Some(cut) => format!("over {cut}"),
        None => "any".to_string(),
    };
    let mut cases = when(value.clone().is_null(), lit(UNKNOWN_SEGMENT));
    let mut low: Option<f64> = None;
    for cut in cuts {
        let words = match low {
            None => format!("up to {cut}"),
            Some(low) => format!("over {low}, up to {cut}"),
        };
        cases = cases.when(value.clone().lt_eq(lit(*cut)), lit(words));
        low = Some(*cut);
    }
    let words = cases.otherwise(lit(last)).map_err(failed)?;
    rows.with_column(column, words).map_err(failed)
}

/// The number that a text is; none for any other text, and for what is no finite number.
fn number(engine: &Engine, column: &str) -> Result<Expr> {
    let read = engine.context().udf("read_number").map_err(|e| engine::error(e, column))?;
    Ok(read.call(vec![named(column)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_as_many_answers_each() {
        let values: Vec<(f64, i64)> = (1..=100).map(|i| (f64::from(i), 1)).collect();
        assert_eq!(ends(&values), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        // A value that many have is a bin of its own; the others share the rest.
        assert_eq!(ends(&[(0.0, 75), (1.0, 10), (2.0, 10), (3.0, 5)]), [0.0, 1.0, 2.0]);
        assert_eq!(ends(&[(5.0, 40)]), Vec::<f64>::new());
        assert_eq!(ends(&[]), Vec::<f64>::new());
    }

    #[tokio::test]
    async fn every_value_is_in_one_bin() {
        let scratch = std::sync::Arc::new(object_store::memory::InMemory::new());
        let folder = tempfile::tempdir().unwrap();
        let limits = engine::Limits { threads: 1, memory_pool: 100 << 20 };
        let engine = Engine::new(&limits, scratch, folder.path()).unwrap();
        let sql = "select column1 as seg_risk, true as is_counted from (values ('0.5'), ('1'), ('1.5'), ('2'), (null), ('NaN'), ('much'), ('-inf'))";
        let rows = engine.query(sql).await.unwrap();
        let cuts = cuts(&engine, &rows, "seg_risk").await.unwrap();
        assert_eq!(cuts, [0.5, 1.0, 1.5]);
        let found = engine.collect(binned(&engine, rows, "seg_risk", &cuts).unwrap(), "risk").await.unwrap();
        let words: Vec<String> = found
            .iter()
            .flat_map(|batch| {
                super::super::texts(batch.column_by_name("seg_risk").unwrap())
                    .unwrap()
                    .iter()
                    .map(|w| w.unwrap().to_string())
                    .collect::<Vec<_>>()
            })
            .collect();
        let unknown = UNKNOWN_SEGMENT;
        assert_eq!(
            words,
            [
                "up to 0.5",
                "over 0.5, up to 1",
                "over 1, up to 1.5",
                "over 1.5",
                unknown,
                unknown,
                unknown,
                unknown
            ]
        );
    }
}
