//! One answer or order explained: the source row, the link, the events in order, what had been met.
//!
//! Everything but the source row comes from the published run, so that what is explained is what was
//! published. The source row is read again from the export, if that has not changed since.

use std::fmt::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Column as ColumnRef;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{Expr, lit};

use crate::catalogue::{Catalogue, Meets};
use crate::config::{Config, Format, Reading, Table};
use crate::engine;
use crate::error::{Error, Result};
use crate::published::Published;
use crate::sources::text::ROW;
use crate::sources::{land, pin};
use crate::store;

/// Explains an answer by its response_id, or an order by its order_id.
///
/// # Errors
/// `Kind::Usage` where the run knows neither.
pub async fn explain(published: &Published, config: &Config, id: &str) -> Result<String> {
    let mut text = format!("run {}\n", published.manifest.run_id);
    let answers = find(published, "fct_exposures", "response_id", id).await?;
    if let Some(answer) = Row::first(&answers) {
        explain_answer(published, config, &answer, &mut text).await?;
        let journeys =
            match (answer.get("scope").as_deref(), answer.get("journey_id"), answer.get("customer_id")) {
                (Some("order"), Some(journey), _) => vec![journey],
                (Some(_), _, Some(customer)) => {
                    let journeys = find(published, "fct_journeys", "customer_id", &customer).await?;
                    Row::all(&journeys).filter_map(|row| row.get("journey_id")).collect()
                }
                _ => Vec::new(),
            };
        if journeys.is_empty() {
            text.push_str("\nevents\n  none: the answer belongs to no journey\n");
        }
        for journey in &journeys {
            let window = Window { from: answer.get("window_starts_at"), until: answer.get("responded_at") };
            explain_events(published, journey, &window, &mut text).await?;
        }
        if answer.get("scope").as_deref() == Some("customer") {
            text.push_str("  (tickets and contacts of the customer that belong to no journey count too; they are not listed)\n");
        }
        match answer.get("left_out_reason") {
            Some(_) => text.push_str("\ntouchpoints are worked out for answers that count\n"),
            None => {
                explain_touchpoints(config, &answer, &mut text)?;
                explain_contributions(published, id, &answer, &mut text).await?;
            }
        }
        return Ok(text);
    }
    let journeys = find(published, "fct_journeys", "journey_id", id).await?;
    if let Some(journey) = Row::first(&journeys) {
        explain_journey(published, config, &journey, &mut text).await?;
        let window = Window { from: None, until: journey.get("t_ref") };
        explain_events(published, id, &window, &mut text).await?;
        let answers = find(published, "fct_exposures", "journey_id", id).await?;
        for row in Row::all(&answers) {
            let answer = row.get("response_id").unwrap_or_default();
            let _ = writeln!(text, "\nanswer {answer}: `aftersale trace \"{answer}\"` explains it");
        }
        return Ok(text);
    }
    let rejected = find(published, "rejected_rows", "key", id).await?;
    if Row::first(&rejected).is_some() {
        for row in Row::all(&rejected) {
            let get = |name: &str| row.get(name).unwrap_or_default();
            let _ = writeln!(text, "rejected from {}: {}", get("source"), get("reason"));
            source_row(
                published,
                config,
                &row.get("source").unwrap_or_default(),
                &row,
                "file",
                "row",
                &mut text,
            )
            .await?;
        }
        return Ok(text);
    }
    Err(Error::usage("this run knows no answer and no order of that id")
        .with("run", &published.manifest.run_id)
        .hint("give a response_id or an order_id as they stand in `aftersale show fct_exposures`"))
}

async fn explain_answer(
    published: &Published,
    config: &Config,
    answer: &Row<'_>,
    text: &mut String,
) -> Result<()> {
    let get = |name: &str| answer.get(name).unwrap_or_else(|| "(none)".into());
    let _ = writeln!(text, "\nanswer {}", get("response_id"));
    let _ = writeln!(text, "  score {} ({}), given {}", get("score"), get("nps_class"), get("responded_at"));
    source_row(published, config, "surveys", answer, "source_file", "source_row", text).await?;
    let _ = writeln!(text, "\nlink");
    match answer.get("link_rule").as_deref() {
        Some("order_id") => {
            let _ = writeln!(text, "  it names its order: journey {}", get("journey_id"));
            if answer.get("is_outside_lookback").as_deref() == Some("true") {
                let _ = writeln!(text, "  (bought before the lookback; a named order is kept all the same)");
            }
        }
        Some("latest_purchase") => {
            let _ = writeln!(
                text,
                "  no order named: the customer's latest purchase before it, journey {}",
                get("journey_id")
            );
        }
        Some(rule) => {
            let _ = writeln!(text, "  by {rule}");
        }
        None => {
            let _ = writeln!(text, "  not linked: {}", get("unlinked_reason"));
        }
    }
    match (answer.get("matched_by").as_deref(), answer.get("is_ambiguous").as_deref()) {
        (Some("order_id"), _) => text.push_str("  its customer is its order's\n"),
        (Some(key), Some("true")) => {
            let _ =
                writeln!(text, "  its {key} is shared by several customers: their latest purchase decides");
        }
        (Some(key), _) => {
            let _ = writeln!(text, "  its customer was found by {key}");
        }
        (None, _) => {}
    }
    if let (Some(scope), Some(starts)) = (answer.get("scope"), answer.get("window_starts_at")) {
        let about = if scope == "order" { "about that order" } else { "about all that the customer met" };
        let _ =
            writeln!(text, "  {about}; what happened from {starts} until strictly before the answer counts");
    }
    let counts = match (answer.get("left_out_reason"), answer.get("in_fit").as_deref()) {
        (Some(reason), _) => format!("not counted: {reason}"),
        (None, Some("true")) => "counted in NPS and in the touchpoints' figures".into(),
        (None, _) => "counted in NPS, not in the touchpoints' figures: it is not linked".into(),
    };
    let _ = writeln!(text, "  {counts}");
    Ok(())
}

async fn explain_journey(
    published: &Published,
    config: &Config,
    journey: &Row<'_>,
    text: &mut String,
) -> Result<()> {
    let get = |name: &str| journey.get(name).unwrap_or_else(|| "(none)".into());
    let _ = writeln!(text, "\norder {}", get("journey_id"));
    let _ = writeln!(text, "  bought {}, moment of truth {}", get("ordered_at"), get("t_ref"));
    let _ = writeln!(text, "  {}; stages reached: {}", get("delivery_state"), get("stages_reached"));
    source_row(published, config, "purchases", journey, "source_file", "source_row", text).await
}

/// The time that counts for an answer.
struct Window {
    from: Option<String>,
    until: Option<String>,
}

impl Window {
    fn mark(&self, at: &str) -> &'static str {
        let instant = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
        let bound = |text: &Option<String>| text.as_deref().and_then(instant);
        let at = instant(at);
        if bound(&self.until).is_some_and(|until| at >= Some(until)) {
            "·"
        } else if bound(&self.from).is_some_and(|from| at < Some(from)) {
            "<"
        } else {
            " "
        }
    }
}

async fn explain_events(
    published: &Published,
    journey: &str,
    window: &Window,
    text: &mut String,
) -> Result<()> {
    let _ = writeln!(text, "\nevents of journey {journey}, in order");
    let events = find(published, "fct_journey_events", "journey_id", journey).await?;
    for row in Row::all(&events) {
        let get = |name: &str| row.get(name).unwrap_or_default();
        let when = window.mark(&get("occurred_at"));
        let touchpoint = row.get("touchpoint").map(|id| format!("  = {id}")).unwrap_or_default();
        let place = match (row.get("source_file"), row.get("source_row")) {
            (Some(file), Some(number)) => {
                format!("  ({}, row {number})", file.rsplit('/').next().unwrap_or(&file))
            }
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "  {when} {:>3}  {}  {:<16} {}{touchpoint}{place}",
            get("position"),
            get("occurred_at"),
            get("activity"),
            get("source_key")
        );
    }
    let _ = writeln!(text, "  (· at or after the moment of truth: known now, not used; < before its window)");
    Ok(())
}

fn explain_touchpoints(config: &Config, answer: &Row<'_>, text: &mut String) -> Result<()> {
    let catalogue = Catalogue::read(config)?;
    let _ = writeln!(text, "\ntouchpoints before the answer");
    for (state, heading) in [
        ("yes", "met"),
        ("too_early", "too early to tell"),
        ("unknown", "unknown: the export does not tell"),
        ("no", "not met"),
        ("not_measured", "not measured: no feed tells of it"),
    ] {
        let of_state: Vec<_> = catalogue
            .touchpoints
            .iter()
            .filter(|t| answer.get(&format!("tp_{}_state", t.id)).as_deref() == Some(state))
            .collect();
        if of_state.is_empty() {
            continue;
        }
        if state == "yes" || state == "unknown" || state == "too_early" {
            let _ = writeln!(text, "  {heading}");
            for touchpoint in of_state {
                let rule = match &touchpoint.meets {
                    Meets::Events(events) => format!("{} where {}", events.feed, events.when),
                    Meets::Failures { .. } => "the number of failures above".into(),
                };
                let _ = writeln!(text, "    {:<24} {} [{rule}]", touchpoint.id, touchpoint.label);
            }
        } else {
            let ids: Vec<&str> = of_state.iter().map(|t| t.id.as_str()).collect();
            let _ = writeln!(text, "  {heading}\n    {}", ids.join(", "));
        }
    }
    let measures: Vec<String> = answer
        .names()
        .filter(|name| name.starts_with("x_") && !name.ends_with("_bin"))
        .filter_map(|name| {
            Some(format!("{} {}", name.trim_start_matches("x_"), shortened(answer.get(name)?)))
        })
        .collect();
    let _ = writeln!(text, "  measures\n    {}", measures.join(", "));
    Ok(())
}

/// What each touchpoint that was met adds to the predicted detractor probability.
async fn explain_contributions(
    published: &Published,
    id: &str,
    answer: &Row<'_>,
    text: &mut String,
) -> Result<()> {
    let _ = writeln!(text, "\ncontributions");
    let share = |name: &str| answer.get(name)?.parse::<f64>().ok();
    let (Some(predicted), Some(baseline)) =
        (share("predicted_detractor_probability"), share("baseline_detractor_probability"))
    else {
        let _ = writeln!(text, "  none: the answer takes no part in the fit, or there is no model");
        return Ok(());
    };
    let line = |what: &str, sign: &str, share: f64| format!("  {what:<26} {sign}{:>7.2}%\n", 100.0 * share);
    text.push_str(&line("with none of them", " ", baseline));
    let rows = find(published, "fct_attributions", "response_id", id).await?;
    for row in Row::all(&rows) {
        let share = row.get("contribution").and_then(|share| share.parse::<f64>().ok()).unwrap_or(0.0);
        let sign = if share < 0.0 { "-" } else { "+" };
        text.push_str(&line(&row.get("touchpoint").unwrap_or_default(), sign, share.abs()));
    }
    text.push_str(&line("predicted detractor", "=", predicted));
    text.push_str("  (a division of what was met, not what taking one of them away would do)\n");
    Ok(())
}

/// A number with two decimals at most, anything else as it is.
fn shortened(value: String) -> String {
    match (value.split_once('.'), value.parse::<f64>()) {
        (Some((_, decimals)), Ok(number)) if decimals.len() > 2 => format!("{number:.2}"),
        _ => value,
    }
}

// ---- the source row --------------------------------------------------------------------------------------

/// Says where the row stands, and shows it if the export is still the one that was read.
async fn source_row(
    published: &Published,
    config: &Config,
    feed: &str,
    row: &Row<'_>,
    file: &str,
    number: &str,
    text: &mut String,
) -> Result<()> {
    let (Some(file), Some(number)) = (row.get(file), row.get(number).and_then(|n| n.parse::<i64>().ok()))
    else {
        let _ = writeln!(
            text,
            "  source row: not known (the mapping's query does not hand on `_file` and `_row`)"
        );
        return Ok(());
    };
    let _ = writeln!(text, "  source row: {file} row {number}");
    let Some(input) = published.manifest.about.inputs.iter().find(|input| input.key == file) else {
        return Ok(());
    };
    let Ok(located) = pin::locate(config, feed, &file).await else {
        let _ = writeln!(text, "    (the export cannot be read any more)");
        return Ok(());
    };
    let Some((store, object, table)) = located.filter(|(_, object, _)| object.etag == input.etag) else {
        let _ = writeln!(text, "    (the export has changed since)");
        return Ok(());
    };
    let shown = match table.format {
        Format::Parquet => parquet_row(published, &store, &object, number, &table.reading).await?,
        _ => tokio::task::spawn_blocking(move || text_row(&store, &object, &table, number))
            .await
            .map_err(|e| Error::internal("the text reader stopped").caused_by(e))??,
    };
    for (column, value) in shown {
        let _ = writeln!(text, "    {column:<32} {value}");
    }
    Ok(())
}

type Cells = Vec<(String, String)>;

fn text_row(store: &store::Store, object: &store::Object, table: &Table, number: i64) -> Result<Cells> {
    let Some(rows) = land::rows(store, object, table.format, &table.reading)? else { return Ok(Vec::new()) };
    for batch in rows.batches {
        let batch = batch?;
        let numbers = batch.column_by_name(ROW).and_then(|rows| rows.as_primitive_opt::<Int64Type>());
        if let Some(place) = numbers.and_then(|rows| rows.values().iter().position(|row| *row == number)) {
            return Ok(cells(&batch, place));
        }
    }
    Ok(Vec::new())
}

async fn parquet_row(
    published: &Published,
    store: &store::Store,
    object: &store::Object,
    number: i64,
    reading: &Reading,
) -> Result<Cells> {
    let ctx = published.engine.context();
    let pinned = store.pinned(std::slice::from_ref(object))?;
    engine::register_store(ctx, "traced_object", "traced://object", pinned, reading.timezone.is_none())
        .await?;
    let failed = |e| engine::error(e, "the source row");
    let index = FunctionRegistry::udf(ctx, "file_row_index").map_err(failed)?.call(vec![]);
    let mut columns: Vec<Expr> = published
        .engine
        .table("traced_object")
        .await?
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    columns.push(index.alias("_index"));
    let rows = published.engine.table("traced_object").await?.select(columns).map_err(failed)?;
    let rows = rows.filter(named("_index").eq(lit(number - 1))).map_err(failed)?;
    let rows = published.engine.collect(rows, "the source row").await?;
    Ok(rows.iter().find(|batch| batch.num_rows() > 0).map(|batch| cells(batch, 0)).unwrap_or_default())
}

fn cells(batch: &RecordBatch, row: usize) -> Cells {
    let row = Row { batch, row };
    row.names()
        .filter(|name| !name.starts_with('_'))
        .filter_map(|name| Some((name.to_string(), row.get(name)?)))
        .collect()
}

// ---- rows as text ----------------------------------------------------------------------------------------

/// One row of a batch, its values as text.
struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl<'a> Row<'a> {
    fn all(batches: &'a [RecordBatch]) -> impl Iterator<Item = Row<'a>> {
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| Row { batch, row }))
    }

    fn first(batches: &'a [RecordBatch]) -> Option<Row<'a>> {
        Self::all(batches).next()
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.batch.schema_ref().fields().iter().map(|field| field.name().as_str())
    }

    /// The value; none for null or where there is no such column.
    fn get(&self, name: &str) -> Option<String> {
        let column = self.batch.column_by_name(name)?;
        if column.is_null(self.row) {
            return None;
        }
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options).ok()?;
        Some(formatter.value(self.row).to_string())
    }
}

/// The rows of a published table in which a column has that value, in the table's own order.
async fn find(published: &Published, table: &str, column: &str, value: &str) -> Result<Vec<RecordBatch>> {
    let failed = |e| engine::error(e, table);
    let mut plan =
        published.engine.table(table).await?.filter(named(column).eq(lit(value))).map_err(failed)?;
    if table == "fct_journey_events" {
        plan = plan.sort(vec![named("position").sort(true, true)]).map_err(failed)?;
    }
    published.engine.collect(plan, table).await
}

fn named(name: &str) -> Expr {
    Expr::Column(ColumnRef::new_unqualified(name))
}
