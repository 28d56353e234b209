//! Small things that plans are built of.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column as ColumnRef, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::SessionContext;

use crate::engine;
use crate::error::{Error, Result};
/// A column by its exact name.
pub(super) fn named(name: &str) -> Expr {
    Expr::Column(ColumnRef::new_unqualified(name))
}

pub(super) fn instant(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
}

pub(super) fn function(ctx: &SessionContext, name: &str) -> Result<Arc<datafusion::logical_expr::ScalarUDF>> {
    ctx.state()
        .scalar_functions()
        .get(name)
        .cloned()
        .ok_or_else(|| Error::internal("a function is not registered").with("function", name))
}

/// The type of an expression over a schema.
pub(super) trait FieldType {
    fn to_field_type(&self, schema: &datafusion::common::DFSchema) -> Result<DataType>;
}

impl FieldType for Expr {
    fn to_field_type(&self, schema: &datafusion::common::DFSchema) -> Result<DataType> {
        use datafusion::logical_expr::ExprSchemable;
        self.get_type(schema).map_err(|e| engine::error(e, "a column"))
    }
}
