//! What the terminal shows: progress, warnings, errors and the closing summary, in words or as JSON lines.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde_json::{Map, Value, json};

use super::machine;
use crate::calibrate::{self, Target};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::pipeline::{Account, Outcome, Reads, Summary, TableAccount, TouchpointLine};
use crate::progress::Progress;

/// Standard error, and the clock.
pub struct Terminal {
    as_json: bool,
    stage: Mutex<Option<Instant>>,
    /// What every line for machines says besides: the attempt, and the run's id once there is one.
    run: Mutex<Vec<(&'static str, String)>>,
    /// Stage, rows and seconds of those that have ended.
    stages: Mutex<Vec<(String, u64, f64)>>,
}

impl Terminal {
    pub fn new(as_json: bool) -> Self {
        Self { as_json, stage: Mutex::new(None), run: Mutex::default(), stages: Mutex::default() }
    }

    fn line(&self, level: &str, event: &str, fields: &[(&str, Value)], words: &str) {
        let mut out = std::io::stderr().lock();
        // Nobody is left to tell if standard error is closed.
        let _ = if self.as_json {
            let mut object = Map::new();
            object.insert("time".into(), json!(machine::timestamp()));
            object.insert("level".into(), json!(level));
            object.insert("event".into(), json!(event));
            for (name, value) in self.run.lock().iter().flat_map(|run| run.iter()) {
                object.insert((*name).to_string(), json!(value));
            }
            for (name, value) in fields {
                object.insert((*name).to_string(), value.clone());
            }
            writeln!(out, "{}", Value::Object(object))
        } else {
            writeln!(out, "{words}")
        };
    }

    /// Whether machines read along.
    pub fn is_json(&self) -> bool {
        self.as_json
    }

    pub fn say(&self, message: &str) {
        self.line("info", "message", &[("message", json!(message))], message);
    }

    /// From here on lines tell of this attempt at a run.
    pub fn attempt(&self, nonce: &str) {
        self.names_it("attempt", nonce);
    }

    fn names_it(&self, key: &'static str, name: &str) {
        if let Ok(mut run) = self.run.lock() {
            run.push((key, name.to_string()));
        }
    }

    /// Stage, rows and seconds of those that have ended.
    pub fn stages(&self) -> Vec<(String, u64, f64)> {
        self.stages.lock().map(|stages| stages.clone()).unwrap_or_default()
    }

    pub fn opening(&self, config: &Config) {
        if config.embedded {
            self.say("no --config: running on the built-in sample");
        }
    }

    /// The one place that prints errors.
    pub fn error(&self, error: &Error) {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        let mut words = format!("error: {}", error.message());
        let mut fields =
            vec![("message", json!(error.message())), ("exit_code", json!(error.kind().exit_code()))];
        for (key, value) in error.context() {
            words.push_str(&format!("\n  {key}: {value}"));
            fields.push((key, json!(value)));
        }
        for cause in &causes {
            words.push_str(&format!("\n  because: {cause}"));
        }
        if !causes.is_empty() {
            fields.push(("because", json!(causes)));
        }
        if let Some(hint) = error.hint_text() {
            words.push_str(&format!("\nhint: {hint}"));
            fields.push(("hint", json!(hint)));
        }
        self.line("error", "error", &fields, &words);
    }

    /// The last line of a run: how it ended, and after how long.
    pub fn ended(&self, result: &Result<Outcome>, seconds: f64) {
        let (ending, code) = match result {
            Ok(outcome) if outcome.summary.is_none() => ("nothing to do", 0),
            Ok(_) => ("published", 0),
            Err(error) => ("failed", error.kind().exit_code()),
        };
        let words = match code {
            0 => format!("{ending} in {seconds:.1} s"),
            code => format!("{ending} after {seconds:.1} s, exit code {code}"),
        };
        let reads = result.as_ref().ok().and_then(|outcome| outcome.summary.as_ref()).map(|s| &s.reads[..]);
        let sum = |of: fn(&Reads) -> u64| reads.map(|reads| reads.iter().map(of).sum::<u64>());
        let (read, there) = (sum(|reads| reads.bytes_read), sum(|reads| reads.bytes_there));
        let words = match (read, there) {
            (Some(read), Some(there)) => {
                format!("{words}; {} read of exports of {}", bytes(read), bytes(there))
            }
            _ => words,
        };
        let rows: u64 = self.stages().iter().filter(|stage| stage.0 == "publish").map(|stage| stage.1).sum();
        let fields = [
            ("ending", json!(ending)),
            ("exit_code", json!(code)),
            ("seconds", json!(seconds)),
            ("published_rows", json!(rows)),
            ("bytes_read", json!(read)),
            ("bytes_there", json!(there)),
        ];
        self.line("info", "summary", &fields, &words);
    }

    /// After a run: the figures, and where they stand.
    pub fn outcome(&self, outcome: &Outcome) {
        let Some(summary) = &outcome.summary else {
            let fields = [("run_id", json!(outcome.run_id)), ("url", json!(outcome.url))];
            let words =
                format!("nothing to do: the latest run, {}, saw these inputs and settings", outcome.run_id);
            return self.line("info", "nothing to do", &fields, &words);
        };
        if self.as_json {
            let fields = [
                ("run_id", json!(outcome.run_id)),
                ("url", json!(outcome.url)),
                ("is_latest", json!(outcome.is_latest)),
                ("as_of", json!(summary.as_of)),
                ("nps", json!(summary.nps)),
                ("tables", json!(summary.tables.iter().map(table_account).collect::<Vec<_>>())),
                ("reads", json!(summary.reads)),
                ("feeds", json!(summary.accounts.iter().map(feed_account).collect::<Vec<_>>())),
            ];
            self.line("info", "published", &fields, "");
            return;
        }
        self.say(&format!("\n{}\n{}\n\n{}", accounting(summary), link_funnel(summary), drivers(summary)));
        if !outcome.is_latest {
            self.say("an earlier run looked at a later day and stays the latest; --make-latest overrides");
        }
    }
}

impl Terminal {
    /// After a calibration: the targets; single touchpoints where they are missed, or a wrong method's.
    pub fn calibrated(&self, outcome: &calibrate::Outcome) {
        if self.as_json {
            let target = |target: &Target| {
                json!({
                    "scenario": target.scenario,
                    "method": target.method,
                    "touchpoint": target.touchpoint,
                    "target": target.sentence,
                    "worlds": target.worlds,
                    "figure": target.figure,
                    "at_least": target.held_at_least,
                    "at_most": target.held_at_most,
                    "is_reached": target.is_reached(),
                })
            };
            let list = json!(outcome.targets.iter().map(target).collect::<Vec<_>>());
            let not_held = |(scenario, touchpoints): &(&str, Vec<String>)| json!({"scenario": scenario, "touchpoints": touchpoints});
            let not_held = json!(outcome.not_held.iter().map(not_held).collect::<Vec<_>>());
            self.line("info", "calibrated", &[("targets", list), ("not_held", not_held)], "");
            return;
        }
        let is_shown =
            |target: &&Target| target.touchpoint.is_none() || target.is_of_a_mutant || !target.is_reached();
        self.say(&format!("\n{}", targets(outcome.targets.iter().filter(is_shown))));
        for (scenario, touchpoints) in &outcome.not_held {
            let touchpoints = touchpoints.join(", ");
            self.say(&format!("{scenario}: too thin in most worlds to be held one by one: {touchpoints}"));
        }
        self.say(&format!(
            "{} targets, {} missed; a right method misses any of them with a probability of at most {:.1e}",
            outcome.targets.len(),
            outcome.missed().count(),
            outcome.false_alarm(),
        ));
    }
}

fn targets<'a>(targets: impl Iterator<Item = &'a Target>) -> Table {
    let mut shown =
        new_table(&["worlds of", "method", "what", "worlds", "figure", "99% bounds", "held to", ""]);
    let bound = |bound: Option<f64>| bound.map_or(String::new(), |bound| format!("{bound:.3}"));
    for target in targets {
        let what = match &target.touchpoint {
            Some(touchpoint) => format!("{}: {touchpoint}", target.sentence),
            None => target.sentence.clone(),
        };
        shown.add_row(vec![
            target.scenario.to_string(),
            target.method.to_string(),
            what,
            thousands(i64::try_from(target.worlds).unwrap_or(i64::MAX)),
            format!("{:.3}", target.figure),
            format!("{} to {}", bound(target.low), bound(target.high)),
            format!("{} to {}", bound(target.held_at_least), bound(target.held_at_most)),
            target.in_words().into(),
        ]);
    }
    align_right(&mut shown, 3..5);
    shown
}

impl Progress for Terminal {
    fn names(&self, run_id: &str) {
        self.names_it("run_id", run_id);
    }

    #[expect(clippy::disallowed_methods, reason = "this is the room that knows the clock")]
    fn begins(&self, _stage: &str) {
        if let Ok(mut began) = self.stage.lock() {
            *began = Some(Instant::now());
        }
    }

    fn ends(&self, stage: &str, rows: u64) {
        let began = self.stage.lock().ok().and_then(|mut began| began.take());
        let seconds = began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        if let Ok(mut stages) = self.stages.lock() {
            stages.push((stage.to_string(), rows, seconds));
        }
        let rows_in_words = thousands(i64::try_from(rows).unwrap_or(i64::MAX));
        let words = format!("{stage:<14} {rows_in_words:>14} rows {seconds:>8.2} s");
        self.line(
            "info",
            "stage",
            &[("stage", json!(stage)), ("rows", json!(rows)), ("seconds", json!(seconds))],
            &words,
        );
    }

    fn warns(&self, message: &str, context: &[(&str, String)]) {
        let pairs: Vec<String> = context.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let words = format!("warning: {message}\n  {}", pairs.join("   "));
        let mut fields = vec![("message", json!(message))];
        fields.extend(context.iter().map(|(key, value)| (*key, json!(value))));
        self.line("warning", "warning", &fields, &words);
    }

    fn says(&self, message: &str) {
        self.say(message);
    }
}

/// How many rows of each feed are linked to another one, how, and why the others are not.
fn link_funnel(summary: &Summary) -> String {
    let mut links = new_table(&["feed", "linked to", "how, or why not", "rows", "share"]);
    for line in &summary.links {
        let share = line.rows as f64 / line.of_rows.max(1) as f64;
        links.add_row(vec![
            line.feed.clone(),
            line.linked_to.clone(),
            line.measure.clone(),
            thousands(line.rows),
            percent(Some(share)),
        ]);
    }
    align_right(&mut links, 3..5);
    links.to_string()
}

/// What became of every row: of each table before the mapping, of each feed after it.
fn accounting(summary: &Summary) -> String {
    let mut tables = new_table(&["table", "read", "superseded", "filtered", "handed on", "filtered by"]);
    for table in &summary.tables {
        let name = match table.feed == table.table {
            true => table.feed.clone(),
            false => format!("{}: {}", table.feed, table.table),
        };
        let filtered = table.filtered.iter().map(|(_, rows)| rows).sum();
        let figures = [table.read, table.superseded, filtered, table.handed_on].map(thousands);
        let reasons: Vec<String> =
            table.filtered.iter().map(|(reason, rows)| format!("{} {reason}", thousands(*rows))).collect();
        let cells = std::iter::once(name).chain(figures).chain([reasons.join(", ")]);
        tables.add_row(cells.collect::<Vec<_>>());
    }
    align_right(&mut tables, 1..5);
    let mut feeds = new_table(&["feed", "handed on", "superseded", "rejected", "after the as-of", "staged"]);
    for account in &summary.accounts {
        let figures =
            [account.handed_on, account.superseded, account.rejected, account.after_as_of, account.staged];
        let cells = std::iter::once(account.feed.clone()).chain(figures.map(thousands));
        feeds.add_row(cells.collect::<Vec<_>>());
    }
    align_right(&mut feeds, 1..6);
    format!("{tables}\n\n{feeds}\n")
}

fn table_account(table: &TableAccount) -> Value {
    let filtered: Map<String, Value> =
        table.filtered.iter().map(|(reason, rows)| ((*reason).to_string(), json!(rows))).collect();
    json!({
        "feed": table.feed,
        "table": table.table,
        "read": table.read,
        "superseded": table.superseded,
        "filtered": filtered,
        "handed_on": table.handed_on,
    })
}

fn feed_account(account: &Account) -> Value {
    json!({
        "feed": account.feed,
        "handed_on": account.handed_on,
        "superseded": account.superseded,
        "rejected": account.rejected,
        "after_as_of": account.after_as_of,
        "staged": account.staged,
    })
}

/// In the unit that a person reads.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.0} GB", bytes as f64 / 1e9),
    }
}

/// Levers by what they cost.
fn drivers(summary: &Summary) -> String {
    let mut shown = new_table(&["touchpoint", "met by", "reach", "detractors", "NPS points", "verdict"]);
    let is_shown = |line: &&TouchpointLine| line.role == "lever" && line.nps_points.is_some();
    for line in summary.touchpoints.iter().filter(is_shown).take(10) {
        shown.add_row(vec![
            line.label.clone(),
            thousands(line.exposed),
            percent(line.reach),
            percent(line.share_exposed),
            line.nps_points
                .map_or(String::new(), |[points, low, high]| format!("{points:.2} ({low:.2} to {high:.2})")),
            line.verdict.clone(),
        ]);
    }
    align_right(&mut shown, 1..5);
    let nps = summary.nps.as_deref().unwrap_or("no answers in the window");
    let nps = format!("{nps}, {} of them linked to what came before", thousands(summary.linked_answers));
    let remarks = remarks(summary);
    format!(
        "as of {}   {nps}\n\n{shown}\nlevers by what they cost: NPS points that would be gained, had nobody met them, with their 95% intervals. What they set \
         off counts too, so they do not add up{remarks}",
        summary.as_of_words
    )
}

/// Levers that a mapping may have got wrong: everybody met them, or nobody can be told to have.
fn remarks(summary: &Summary) -> String {
    let levers = || summary.touchpoints.iter().filter(|line| line.role == "lever");
    let named = |what: &str, is: &dyn Fn(&&TouchpointLine) -> bool| {
        let labels: Vec<&str> = levers().filter(is).map(|line| line.label.as_str()).collect();
        if labels.is_empty() { String::new() } else { format!("\n{what}: {}", labels.join("; ")) }
    };
    format!(
        "{}{}",
        named("met by everybody (is it mapped right?)", &|line| line.exposed > 0 && line.unexposed == 0),
        named("cannot be told for anybody (see `aftersale check`)", &|line| {
            line.exposed == 0 && line.unexposed == 0 && line.unknown > 0
        })
    )
}

/// Rows as a table, the first `most` of them.
pub fn table(rows: &[RecordBatch], most: usize) -> Result<String> {
    let failed = |e| Error::internal("the rows cannot be shown").caused_by(e);
    let mut left = most;
    let rows = rows.iter().map(|batch| {
        let batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
        rounded(&batch)
    });
    let rows: Vec<RecordBatch> = rows.collect::<Result<_>>()?;
    let text = arrow::util::pretty::pretty_format_batches(&rows).map_err(failed)?;
    Ok(format!("{text}\n"))
}

/// Decimals as a person reads them: four of them, or three digits of what is smaller.
fn rounded(rows: &RecordBatch) -> Result<RecordBatch> {
    let digits = |value: f64| match value.abs() {
        small if small > 0.0 && small < 0.001 => format!("{value:.2e}"),
        _ => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        }
    };
    let columns = rows.columns().iter().map(|column| match column.as_primitive_opt::<Float64Type>() {
        None => Arc::clone(column),
        Some(values) => Arc::new(values.iter().map(|value| value.map(digits)).collect::<StringArray>()),
    });
    let names = rows.schema();
    let columns = names.fields().iter().map(|field| field.name().clone()).zip(columns);
    let failed = |e| Error::internal("the rows cannot be shown").caused_by(e);
    if rows.num_columns() == 0 {
        return Ok(rows.clone());
    }
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .map_err(failed)
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    table
}

fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| format!("{:.1}%", 100.0 * share))
}

pub(super) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number < 0 { format!("-{grouped}") } else { grouped }
}
