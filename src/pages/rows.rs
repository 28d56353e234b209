//! The rows of a small result, by column name.

use std::collections::BTreeMap;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::error::{Error, Result};

pub struct Rows {
    columns: BTreeMap<String, Column>,
    len: usize,
    what: &'static str,
}

enum Column {
    Text(StringArray),
    Number(Float64Array),
    Integer(Int64Array),
    Flag(BooleanArray),
}

impl Rows {
    pub fn of(batches: Vec<RecordBatch>, what: &'static str) -> Result<Rows> {
        let failed = |e| Error::internal("rows cannot be read").with("while", what).caused_by(e);
        let Some(first) = batches.first() else {
            return Ok(Rows { columns: BTreeMap::new(), len: 0, what });
        };
        let all = concat_batches(&first.schema(), &batches).map_err(failed)?;
        let mut columns = BTreeMap::new();
        for (field, column) in all.schema().fields().iter().zip(all.columns()) {
            let to = |kind: DataType| -> Result<ArrayRef> { cast(column, &kind).map_err(failed) };
            let column = match field.data_type() {
                DataType::Boolean => Column::Flag(column.as_boolean().clone()),
                kind if kind.is_integer() => {
                    Column::Integer(to(DataType::Int64)?.as_primitive::<Int64Type>().clone())
                }
                kind if kind.is_numeric() => {
                    Column::Number(to(DataType::Float64)?.as_primitive::<Float64Type>().clone())
                }
                _ => Column::Text(to(DataType::Utf8)?.as_string::<i32>().clone()),
            };
            columns.insert(field.name().clone(), column);
        }
        Ok(Rows { columns, len: all.num_rows(), what })
    }

    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len).map(|at| Row { rows: self, at })
    }
}

/// One row; a column that the query does not return is our mistake, a null is none.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    rows: &'a Rows,
    at: usize,
}

impl Row<'_> {
    fn column(&self, name: &str) -> Result<&Column> {
        let missing = || self.wrong(name);
        self.rows.columns.get(name).ok_or_else(missing)
    }

    fn wrong(&self, name: &str) -> Error {
        Error::internal("a query does not return what its page asks for")
            .with("query", self.rows.what)
            .with("column", name)
    }

    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.column(name)? {
            Column::Text(texts) => Ok(texts.is_valid(self.at).then(|| texts.value(self.at).to_string())),
            _ => Err(self.wrong(name)),
        }
    }

    /// A text that is always there; a null is the empty one.
    pub fn said(&self, name: &str) -> Result<String> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    /// What is not finite is not known.
    pub fn number(&self, name: &str) -> Result<Option<f64>> {
        let number = match self.column(name)? {
            Column::Number(numbers) => numbers.is_valid(self.at).then(|| numbers.value(self.at)),
            Column::Integer(numbers) => numbers.is_valid(self.at).then(|| numbers.value(self.at) as f64),
            _ => return Err(self.wrong(name)),
        };
        Ok(number.filter(|number| number.is_finite()))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        match self.column(name)? {
            Column::Integer(numbers) => Ok(numbers.is_valid(self.at).then(|| numbers.value(self.at))),
            _ => Err(self.wrong(name)),
        }
    }

    /// A number of rows; a null is none.
    pub fn count(&self, name: &str) -> Result<u64> {
        Ok(u64::try_from(self.integer(name)?.unwrap_or(0)).unwrap_or(0))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.column(name)? {
            Column::Flag(flags) => Ok(flags.is_valid(self.at).then(|| flags.value(self.at))),
            _ => Err(self.wrong(name)),
        }
    }
}
