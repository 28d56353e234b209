//! Values that could not be read, counted.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{lit, when};

use super::expr::named;
use super::feeds::{self, Type};
use crate::engine::{self, Engine, functions};
use crate::error::Result;
use crate::exposures::batch;
/// `value_notes`: how many values of each column carry which note.
pub async fn value_notes(engine: &Engine) -> Result<()> {
    let (mut sources, mut columns, mut notes, mut rows) = (vec![], vec![], vec![], vec![]);
    for feed in feeds::FEEDS {
        let mut counts = Vec::new();
        let mut counted = Vec::new();
        let has_note = |kind: Type| match kind {
            Type::Text => false,
            Type::Word(words) => words.are_all,
            _ => true,
        };
        for column in feed.columns.iter().filter(|column| has_note(column.kind)) {
            for note in
                [functions::UNREADABLE, functions::IMPLAUSIBLE, functions::AMBIGUOUS, functions::SHIFTED]
            {
                let carries = named(&format!("{}_note", column.name)).eq(lit(note));
                let one = when(carries, lit(1i64)).end().map_err(|e| engine::error(e, feed.name))?;
                counts.push(count(one).alias(format!("{}_{note}", column.name)));
                counted.push((column.name, note));
            }
        }
        if counts.is_empty() {
            continue;
        }
        let name = format!("typed_{}", feed.name);
        let plan =
            engine.table(&name).await?.aggregate(vec![], counts).map_err(|e| engine::error(e, &name))?;
        for batch in engine.collect(plan, &name).await? {
            for (place, (column, note)) in counted.iter().enumerate() {
                let found = batch.column(place).as_primitive::<Int64Type>().value(0);
                if found > 0 {
                    sources.push(feed.name);
                    columns.push(*column);
                    notes.push(*note);
                    rows.push(found);
                }
            }
        }
    }
    engine.register_rows(
        "value_notes",
        batch(vec![
            ("source", Arc::new(StringArray::from(sources))),
            ("column_name", Arc::new(StringArray::from(columns))),
            ("note", Arc::new(StringArray::from(notes))),
            ("rows", Arc::new(Int64Array::from(rows))),
        ])?,
    )
}
