//! The arithmetic of `src/stats` as SQL functions, so that a report's query shows where a number comes from.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Builder, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::cast::as_float64_array;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;

use crate::stats::nps::{SharedSums, Sums, change_p_value};

/// Makes the functions known to a session.
pub fn register(ctx: &SessionContext) {
    ctx.register_udf(ScalarUDF::from(Statistic {
        name: "nps_interval",
        arguments: 7,
        results: &["nps", "low", "high"],
        signature: numbers(7),
        compute: |x| {
            let estimate = sums(&x[..7]).interval();
            estimate.map_or([None; 3], |i| [Some(i.nps), Some(i.low), Some(i.high)]).to_vec()
        },
    }));
    ctx.register_udf(ScalarUDF::from(Statistic {
        name: "nps_change_p_value",
        arguments: 18,
        results: &[],
        signature: numbers(18),
        compute: |x| {
            let shared =
                SharedSums { net_net: x[14], net_answers: x[15], answers_net: x[16], answers_answers: x[17] };
            vec![change_p_value(&sums(&x[..7]), &sums(&x[7..14]), &shared)]
        },
    }));
}

/// promoters, passives, detractors, Σ S², Σ S n, Σ n², customers; see [`Sums`].
fn sums(x: &[f64]) -> Sums {
    Sums {
        promoters: x[0],
        passives: x[1],
        detractors: x[2],
        net_net: x[3],
        net_answers: x[4],
        answers_answers: x[5],
        customers: x[6],
    }
}

fn numbers(arguments: usize) -> Signature {
    Signature::uniform(arguments, vec![DataType::Float64], Volatility::Immutable)
}

/// A function from numbers to one number, or to a struct of named ones; null if any argument is.
#[derive(Debug)]
struct Statistic {
    name: &'static str,
    arguments: usize,
    results: &'static [&'static str],
    signature: Signature,
    compute: fn(&[f64]) -> Vec<Option<f64>>,
}

// A name stands for one function.
impl PartialEq for Statistic {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Statistic {}

impl Hash for Statistic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Statistic {
    fn fields(&self) -> Fields {
        self.results.iter().map(|name| Field::new(*name, DataType::Float64, true)).collect()
    }
}

impl ScalarUDFImpl for Statistic {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(if self.results.is_empty() { DataType::Float64 } else { DataType::Struct(self.fields()) })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        let columns = args
            .args
            .iter()
            .map(|argument| argument.to_array(args.number_rows))
            .collect::<datafusion::error::Result<Vec<_>>>()?;
        let columns =
            columns.iter().map(|c| as_float64_array(c)).collect::<datafusion::error::Result<Vec<_>>>()?;
        let mut results: Vec<Float64Builder> =
            (0..self.results.len().max(1)).map(|_| Float64Builder::with_capacity(args.number_rows)).collect();
        let mut row = vec![0.0; self.arguments];
        for i in 0..args.number_rows {
            let is_known = columns.iter().all(|column| column.is_valid(i));
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column.value(i);
            }
            let computed = if is_known { (self.compute)(&row) } else { vec![None; results.len()] };
            for (result, value) in results.iter_mut().zip(computed) {
                result.append_option(value);
            }
        }
        let mut arrays: Vec<ArrayRef> =
            results.iter_mut().map(|r| Arc::new(r.finish()) as ArrayRef).collect();
        Ok(ColumnarValue::Array(if self.results.is_empty() {
            arrays.swap_remove(0)
        } else {
            Arc::new(StructArray::try_new(self.fields(), arrays, None)?)
        }))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;

    use super::*;

    async fn number(sql: &str) -> Option<f64> {
        let ctx = SessionContext::new();
        register(&ctx);
        let batches = ctx.sql(sql).await.unwrap().collect().await.unwrap();
        let column = batches[0].column(0).as_primitive::<Float64Type>();
        column.is_valid(0).then(|| column.value(0))
    }

    #[tokio::test]
    async fn sql_gives_the_reference_interval() {
        let low =
            number("select get_field(nps_interval(50, 30, 20, 70, 30, 100, 100), 'low')").await.unwrap();
        assert!((low - 14.051130).abs() < 5e-7, "{low}");
        assert_eq!(
            number("select get_field(nps_interval(50, 30, 20, null, 30, 100, 100), 'low')").await,
            None
        );
        assert_eq!(number("select get_field(nps_interval(0, 0, 0, 0, 0, 0, 0), 'nps')").await, None);
    }

    #[tokio::test]
    async fn sql_gives_the_reference_test() {
        let sql = "select nps_change_p_value(50, 30, 20, 70, 30, 100, 100, 40, 30, 30, 70, 10, 100, 100, 0, 0, 0, 0)";
        let p = number(sql).await.unwrap();
        assert!((p - 0.083216).abs() < 5e-7, "{p}");
    }
}
