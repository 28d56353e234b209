//! From kept tables to published Parquet: declared columns, sorted rows, and the dictionary of them all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::{Field, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Column as ColumnRef;
use datafusion::logical_expr::{Expr, ScalarUDF, cast};
use datafusion::prelude::DataFrame;

use super::{Job, SCHEMA_VERSION};
use crate::config::Privacy;
use crate::engine::functions::{of_text, one_spelling};
use crate::engine::{self, write};
use crate::error::{Context, Result};
use crate::exposures::batch;
use crate::privacy::redact;
use crate::queries::{self, Column, ColumnKind, Query};
use crate::store::publish::Run;
use crate::store::{ObjectWriter, Store};

impl Job<'_> {
    pub(super) async fn write_tables(&self, run: &mut Run) -> Result<u64> {
        let mut total = 0;
        let published: Vec<Query> = queries::stages()?.into_iter().filter(Query::is_published).collect();
        let mut dictionary = Vec::new();
        for query in &published {
            let mut parts = RunParts { run, table: query.name.clone() };
            total += self.write_table(query, &mut parts).await.with("table", &query.name)?;
            dictionary.extend(self.columns(query).into_iter().map(|column| (query.clone(), column)));
        }
        total += self.write_dictionary(run, &dictionary).await?;
        Ok(total)
    }

    /// A kept table under its declared columns, sorted as its header says.
    pub(super) async fn write_table<P: write::Parts>(&self, query: &Query, parts: &mut P) -> Result<u64> {
        let (plan, schema) = self.published(query).await?;
        let stream = plan.execute_stream().await.map_err(|e| engine::error(e, &query.name))?;
        write::write_parts(stream, schema, &self.metadata(&query.name, &query.sentence, &query.grain), parts)
            .await
    }

    pub(super) async fn published(&self, query: &Query) -> Result<(DataFrame, SchemaRef)> {
        let columns = self.columns(query);
        let fields: Vec<Field> = columns.iter().map(|c| write::field(&c.name, c.kind, &c.meaning)).collect();
        let named = |name: &str| Expr::Column(ColumnRef::new_unqualified(name));
        let persons = Persons::new(&self.config.privacy);
        let outputs: Vec<Expr> = columns
            .iter()
            .map(|column| {
                let value = cast(named(&column.name), write::data_type(column.kind));
                persons.published(column.kind, value).alias(&column.name)
            })
            .collect();
        let order = query.order.iter().map(|name| named(name).sort(true, true)).collect();
        let plan = self
            .engine
            .table(&query.name)
            .await?
            .select(outputs)
            .and_then(|rows| rows.sort(order))
            .map_err(|e| engine::error(e, &query.name))?;
        Ok((plan, write::schema(fields)))
    }

    /// A query's declared columns, those that stand for several spelled out.
    pub(super) fn columns(&self, query: &Query) -> Vec<Column> {
        let mut columns = Vec::new();
        for column in &query.columns {
            let of = |name: String, meaning: String| Column { name, kind: column.kind, meaning };
            match column.name.as_str() {
                "seg_<dimension>" => columns.extend(
                    self.config
                        .dimensions()
                        .into_iter()
                        .map(|name| of(format!("seg_{name}"), format!("{}: {name}", column.meaning))),
                ),
                "tp_<touchpoint>" => columns.extend(self.catalogue.touchpoints.iter().map(|touchpoint| {
                    of(format!("tp_{}", touchpoint.id), format!("{}: {}", touchpoint.label, column.meaning))
                })),
                "tp_<touchpoint>_state" => {
                    columns.extend(self.catalogue.touchpoints.iter().map(|touchpoint| {
                        of(
                            format!("tp_{}_state", touchpoint.id),
                            format!("{}: {}", touchpoint.label, column.meaning),
                        )
                    }))
                }
                _ => columns.push(column.clone()),
            }
        }
        columns
    }

    pub(super) async fn write_dictionary(&self, run: &mut Run, columns: &[(Query, Column)]) -> Result<u64> {
        let text = |f: &dyn Fn(&Query, &Column) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(columns.iter().map(|(query, column)| f(query, column))))
        };
        let mut examples = Vec::new();
        for query in
            columns.iter().map(|(query, _)| query).collect::<Vec<_>>().chunk_by(|a, b| a.name == b.name)
        {
            examples.extend(self.examples(query[0]).await.with("table", &query[0].name)?);
        }
        let mut position = 0;
        let mut table = String::new();
        let positions: Int64Array = columns
            .iter()
            .map(|(query, _)| {
                position = if query.name == table { position + 1 } else { 1 };
                table.clone_from(&query.name);
                Some(position)
            })
            .collect();
        let rows = batch(vec![
            ("table", text(&|query, _| query.name.clone())),
            ("table_meaning", text(&|query, _| query.sentence.clone())),
            ("grain", text(&|query, _| query.grain.join(", "))),
            ("position", Arc::new(positions)),
            ("column", text(&|_, column| column.name.clone())),
            ("type", text(&|_, column| column.kind.as_str().into())),
            ("meaning", text(&|_, column| column.meaning.clone())),
            ("unit", Arc::new(columns.iter().map(|(_, column)| unit_of(column)).collect::<StringArray>())),
            (
                "is_key",
                Arc::new(
                    columns
                        .iter()
                        .map(|(query, column)| Some(query.grain.contains(&column.name)))
                        .collect::<BooleanArray>(),
                ),
            ),
            ("example", Arc::new(StringArray::from(examples))),
        ])?;
        let meanings = [
            ("table", ColumnKind::Text, "the published table"),
            ("table_meaning", ColumnKind::Text, "what it holds"),
            ("grain", ColumnKind::Text, "the columns that name one row"),
            ("position", ColumnKind::Integer, "the column's place, from 1"),
            ("column", ColumnKind::Text, "its name"),
            ("type", ColumnKind::Text, "text, integer, float, boolean or timestamp (UTC, microseconds)"),
            ("meaning", ColumnKind::Text, "what it means"),
            (
                "unit",
                ColumnKind::Text,
                "points (of NPS), 0 to 1 (a share), days, hours, UTC; null where there is none",
            ),
            ("is_key", ColumnKind::Boolean, "it is one of the columns that name a row"),
            ("example", ColumnKind::Text, "a value of this run; null where a column tells of customers"),
        ];
        let schema = write::schema(
            meanings.iter().map(|(name, kind, text)| write::field(name, *kind, text)).collect(),
        );
        self.engine.register_rows("data_dictionary", rows)?;
        let stream = self.engine.table("data_dictionary").await?.execute_stream().await;
        let stream = stream.map_err(|e| engine::error(e, "data_dictionary"))?;
        let metadata = self.metadata(
            "data_dictionary",
            "every published table and column",
            &["table".into(), "column".into()],
        );
        let mut parts = RunParts { run, table: "data_dictionary".into() };
        write::write_parts(stream, schema, &metadata, &mut parts).await
    }

    /// A value of each column of a table, of its first rows; none of a table that tells of customers.
    async fn examples(&self, query: &Query) -> Result<Vec<Option<String>>> {
        let (plan, schema) = self.published(query).await?;
        if !query.name.starts_with("rpt_") {
            return Ok(vec![None; schema.fields().len()]);
        }
        let plan = plan.limit(0, Some(EXAMPLE_ROWS)).map_err(|e| engine::error(e, &query.name))?;
        let rows = self.engine.collect(plan, &query.name).await?;
        let options = FormatOptions::default();
        let example = |column: usize| -> Option<String> {
            rows.iter().find_map(|rows| {
                let values = rows.column(column);
                let written = ArrayFormatter::try_new(values.as_ref(), &options).ok()?;
                let known = (0..values.len()).find(|row| values.is_valid(*row))?;
                Some(written.value(known).to_string())
            })
        };
        Ok((0..schema.fields().len()).map(example).collect())
    }

    pub(super) fn metadata(&self, table: &str, sentence: &str, grain: &[String]) -> Vec<(String, String)> {
        metadata(table, sentence, &grain.join(", "), SCHEMA_VERSION, &self.fingerprint)
    }
}

/// What a table's files say of themselves.
pub(super) fn metadata(
    table: &str,
    sentence: &str,
    grain: &str,
    schema_version: &str,
    fingerprint: &str,
) -> Vec<(String, String)> {
    [
        ("aftersale.table", table),
        ("aftersale.description", sentence),
        ("aftersale.grain", grain),
        ("aftersale.schema_version", schema_version),
        ("aftersale.fingerprint", fingerprint),
    ]
    .map(|(key, value)| (key.to_string(), value.to_string()))
    .to_vec()
}

/// What is published in place of texts about persons.
struct Persons {
    pseudonyms: Option<[ScalarUDF; 2]>,
    comments: Option<ScalarUDF>,
}

impl Persons {
    fn new(privacy: &Privacy) -> Persons {
        let pseudonyms = privacy.pseudonym_key.clone().map(|key| {
            let of_customers = key.clone();
            [
                of_text("pseudonym", move |id| key.pseudonym(id)),
                of_text("pseudonym_of_customer", move |id| of_customers.pseudonym(&one_spelling(id))),
            ]
        });
        let comments = privacy.redact_comments.then(|| of_text("redacted", |text| redact(text).into_owned()));
        Persons { pseudonyms, comments }
    }

    fn published(&self, kind: ColumnKind, value: Expr) -> Expr {
        let function = match (kind, &self.pseudonyms) {
            (ColumnKind::Id, Some([ids, _])) => Some(ids),
            (ColumnKind::Customer, Some([_, customers])) => Some(customers),
            (ColumnKind::Comment, _) => self.comments.as_ref(),
            _ => None,
        };
        match function {
            Some(function) => function.call(vec![value]),
            None => value,
        }
    }
}

/// Rows that are looked through for examples.
const EXAMPLE_ROWS: usize = 50;

/// The unit of a column, where its name or its meaning says it.
fn unit_of(column: &Column) -> Option<&'static str> {
    let (name, meaning) = (column.name.as_str(), column.meaning.as_str());
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word) || meaning.contains(word));
    match column.kind {
        ColumnKind::Timestamp => Some("UTC"),
        ColumnKind::Text | ColumnKind::Boolean => None,
        // What is said of points need not be in points.
        _ if name.ends_with("_value") || name.starts_with("rank") => None,
        _ if name.split('_').any(|word| word == "nps") || meaning.contains("in points") => Some("points"),
        _ if name.ends_with("_hours") => Some("hours"),
        _ if name.starts_with("x_days") || name.ends_with("_days") || name == "days_late" => Some("days"),
        _ if says(&["from 0 to 1", "_share"]) || ["reach", "share"].contains(&name) => Some("0 to 1"),
        _ if name.ends_with("_probability") => Some("0 to 1"),
        _ => None,
    }
}

/// A table's parts inside a run.
pub(super) struct RunParts<'a> {
    pub run: &'a mut Run,
    pub table: String,
}

impl write::Parts for RunParts<'_> {
    type Part = ObjectWriter;

    async fn open(&mut self, part: usize) -> Result<ObjectWriter> {
        self.run.table_writer(&self.table, part).await
    }

    async fn finish(&mut self, part: ObjectWriter, rows: u64) -> Result<()> {
        let written = part.finish().await?;
        self.run.record(rows, written);
        Ok(())
    }
}

/// A table's parts in a folder of its own, outside any run.
pub(super) struct FolderParts {
    pub store: Store,
    pub folder: String,
    pub table: String,
}

impl write::Parts for FolderParts {
    type Part = ObjectWriter;

    async fn open(&mut self, part: usize) -> Result<ObjectWriter> {
        self.store.writer(&format!("{}/{}/part-{part:05}.parquet", self.folder, self.table)).await
    }

    async fn finish(&mut self, part: ObjectWriter, _rows: u64) -> Result<()> {
        part.finish().await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_from_names_and_meanings() {
        let unit = |name: &str, kind, meaning: &str| {
            unit_of(&Column { name: name.into(), kind, meaning: meaning.into() })
        };
        assert_eq!(unit("nps", ColumnKind::Float, "100 × …, in points"), Some("points"));
        assert_eq!(unit("total_nps_points_low", ColumnKind::Float, "lower end"), Some("points"));
        assert_eq!(unit("nps_high", ColumnKind::Float, "its upper end"), Some("points"));
        assert_eq!(unit("p_value", ColumnKind::Float, "of the total effect in NPS points"), None);
        assert_eq!(unit("rank", ColumnKind::Integer, "by total NPS points"), None);
        assert_eq!(unit("estimate", ColumnKind::Float, "NPS points, a difference or a ratio"), None);
        assert_eq!(unit("baseline_detractor_probability", ColumnKind::Float, "the same"), Some("0 to 1"));
        assert_eq!(unit("x_first_reply_hours", ColumnKind::Float, "longest wait"), Some("hours"));
        assert_eq!(unit("x_days_late", ColumnKind::Float, "calendar days"), Some("days"));
        assert_eq!(unit("reach", ColumnKind::Float, "exposed ÷ all"), Some("0 to 1"));
        assert_eq!(unit("as_of", ColumnKind::Timestamp, "the end"), Some("UTC"));
        assert_eq!(unit("responses", ColumnKind::Integer, "answers"), None);
        assert_eq!(unit("x_days_late_bin", ColumnKind::Text, "days late, in bins"), None);
    }
}
