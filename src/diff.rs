//! Two published runs told apart: what they read, how they were set, and what came out differently.
//!
//! Manifests and published tables only; of customers it says how many, never who.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use serde_json::Value;

use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::exposures::texts;
use crate::published::{self, Published};
use crate::store::Store;
use crate::store::history::History;
use crate::store::publish::{self, Manifest};

/// Lines of a kind that are shown; the others are counted.
const SHOWN: usize = 20;

/// Settings that say where a run puts things, not what it does.
const PLACES: [&str; 2] = ["output", "landing"];

/// Says how the later run (default: the latest) differs from the earlier one (default: the one before it).
///
/// # Errors
/// `Kind::Usage` where there is no such run, or none before.
pub async fn tell_apart(
    output: &str,
    config: &Config,
    earlier: Option<String>,
    later: Option<String>,
) -> Result<String> {
    let store = Store::open(output, &config.base, &config.environment.0).with("output", output)?;
    let after = Published::open(output, config, later.as_deref()).await?;
    let run_id = match earlier {
        Some(run_id) => run_id,
        None => the_one_before(&store, &after.manifest).await?,
    };
    let before = publish::manifest(&store, &run_id).await.map_err(|error| match error.kind() {
        Kind::Io => Error::usage("there is no such run")
            .with("run", &run_id)
            .hint("the runs are the folders under `runs/` at the output"),
        _ => error,
    })?;
    let mut text = String::new();
    tell_runs(&before, &after.manifest, &mut text);
    tell_inputs(&before, &after.manifest, &mut text);
    tell_settings(&before, &after.manifest, &mut text);
    tell_touchpoints(&before, &after.manifest, &mut text);
    for table in ["rpt_nps", "rpt_touchpoint_trend", "fct_exposures"] {
        published::register(&after.engine, &store, &before, table, &format!("before_{table}")).await?;
    }
    tell_figures(&after, &mut text).await?;
    tell_answers(&after, &mut text).await?;
    Ok(text)
}

async fn the_one_before(store: &Store, after: &Manifest) -> Result<String> {
    let history = History::read(store).await?;
    let place = history.entry(&after.run_id).map(|entry| entry.order);
    let mut earlier = history.runs.iter().rev().filter(|entry| entry.was_latest && !entry.is_removed);
    earlier
        .find(|entry| place.is_some_and(|place| entry.order < place))
        .map(|entry| entry.run_id.clone())
        .ok_or_else(|| {
            Error::usage("there is no run before this one")
                .with("run", &after.run_id)
                .hint("`history.json` lists the runs; name two of them")
        })
}

fn tell_runs(before: &Manifest, after: &Manifest, text: &mut String) {
    for (name, run) in [("before", before), ("after", after)] {
        let about = &run.about;
        let _ = writeln!(
            text,
            "{name:<7} {}   as of {}   program {}",
            run.run_id, about.as_of, about.code_version
        );
    }
    if before.about.fingerprint == after.about.fingerprint {
        text.push_str("the same inputs, settings, program and as-of\n");
    }
}

fn tell_inputs(before: &Manifest, after: &Manifest, text: &mut String) {
    let by_key = |run: &Manifest| -> BTreeMap<String, (String, u64)> {
        run.about.inputs.iter().map(|i| (i.key.clone(), (i.etag.clone(), i.bytes))).collect()
    };
    let (before, after) = (by_key(before), by_key(after));
    let mut lines = Vec::new();
    let mut same = 0;
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        match (before.get(key), after.get(key)) {
            (None, Some((_, bytes))) => lines.push(format!("+ {key}   {bytes} bytes")),
            (Some(_), None) => lines.push(format!("- {key}")),
            (Some(was), Some(is)) if was.0 != is.0 => {
                lines.push(format!("~ {key}   {} bytes, now {}", was.1, is.1));
            }
            _ => same += 1,
        }
    }
    section(text, &format!("inputs ({same} the same)"), lines);
}

fn tell_settings(before: &Manifest, after: &Manifest, text: &mut String) {
    let flat = |run: &Manifest| {
        let mut lines = BTreeMap::new();
        flatten("", &run.about.settings, &mut lines);
        lines.retain(|key, _| !PLACES.contains(&key.as_str()));
        lines
    };
    let (before, after) = (flat(before), flat(after));
    let mut lines = Vec::new();
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (was, is) = (before.get(key), after.get(key));
        if was != is {
            lines.extend(was.map(|was| format!("- {key} = {was}")));
            lines.extend(is.map(|is| format!("+ {key} = {is}")));
        }
    }
    section(text, "settings", lines);
}

/// Every value under its dotted key.
fn flatten(key: &str, value: &Value, lines: &mut BTreeMap<String, String>) {
    let mut each = |name: &str, value: &Value| match key {
        "" => flatten(name, value, lines),
        _ => flatten(&format!("{key}.{name}"), value, lines),
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| each(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| each(&(i + 1).to_string(), item))
        }
        Value::Null => {}
        value => {
            lines.insert(key.to_string(), value.to_string());
        }
    }
}

fn tell_touchpoints(before: &Manifest, after: &Manifest, text: &mut String) {
    let (was, is) = (&before.about.touchpoints, &after.about.touchpoints);
    let ids = was.keys().chain(is.keys()).collect::<BTreeSet<_>>();
    let lines = ids.into_iter().filter_map(|id| match (was.get(id), is.get(id)) {
        (None, Some(_)) => Some(format!("+ {id}")),
        (Some(_), None) => Some(format!("- {id}")),
        (was, is) if was != is => {
            Some(format!("~ {id}   its definition has changed: its history breaks here"))
        }
        _ => None,
    });
    section(text, "touchpoint definitions", lines.collect());
}

/// Figures of the whole that are in both runs and differ, or that one of them lacks.
async fn tell_figures(after: &Published, text: &mut String) -> Result<()> {
    let sql = "
        with
        was as (
            select period, 'nps' as measure, '' as touchpoint, nps as figure, responses, segment_dimension
            from before_rpt_nps
            union all
            select period, 'reach', touchpoint, reach, responses, segment_dimension
            from before_rpt_touchpoint_trend
        ),
        now as (
            select period, 'nps' as measure, '' as touchpoint, nps as figure, responses, segment_dimension
            from rpt_nps
            union all
            select period, 'reach', touchpoint, reach, responses, segment_dimension
            from rpt_touchpoint_trend
        )
        select
            coalesce(was.period, now.period) as period,
            coalesce(was.measure, now.measure) as measure,
            coalesce(was.touchpoint, now.touchpoint) as touchpoint,
            was.figure as figure_was,
            now.figure as figure_is,
            coalesce(was.responses, 0) as responses_was,
            coalesce(now.responses, 0) as responses_is
        from (select * from was where segment_dimension = 'all') as was
        full join (select * from now where segment_dimension = 'all') as now
            on now.period = was.period and now.measure = was.measure and now.touchpoint = was.touchpoint
        where (was.figure is distinct from now.figure)
        order by measure, period desc, touchpoint";
    let rows = after.engine.collect(after.engine.query(sql).await?, "figures").await?;
    let mut lines = Vec::new();
    for batch in rows {
        let words = [texts(batch.column(0))?, texts(batch.column(1))?, texts(batch.column(2))?];
        for row in 0..batch.num_rows() {
            let figure = |column: usize| {
                let figures = batch.column(column).as_primitive::<Float64Type>();
                let decimals = if words[1].value(row) == "nps" { 1 } else { 4 };
                match figures.is_valid(row) {
                    true => format!("{:.decimals$}", figures.value(row)),
                    false => "none".to_string(),
                }
            };
            let responses = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
            lines.push(format!(
                "{:<9} {:<6} {:<24} {:>8} -> {:>8}   answers {} -> {}",
                words[0].value(row),
                words[1].value(row),
                words[2].value(row),
                figure(3),
                figure(4),
                responses(5),
                responses(6)
            ));
        }
    }
    section(text, "figures of the whole that moved", lines);
    Ok(())
}

async fn tell_answers(after: &Published, text: &mut String) -> Result<()> {
    let sql = "
        select
            count(case when was.response_id is null then 1 end) as added,
            count(case when now.response_id is null then 1 end) as removed,
            count(case when (was.nps_class is distinct from now.nps_class)
                and was.response_id is not null and now.response_id is not null then 1 end) as another_class,
            count(case when (was.journey_id is distinct from now.journey_id)
                and was.response_id is not null and now.response_id is not null then 1 end) as another_journey,
            count(*) as answers
        from before_fct_exposures as was
        full join fct_exposures as now on now.response_id = was.response_id";
    let rows = after.engine.collect(after.engine.query(sql).await?, "answers").await?;
    let count = |column: usize| {
        let batch = rows.iter().find(|batch| batch.num_rows() > 0);
        batch.map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0))
    };
    let _ = writeln!(
        text,
        "\nanswers\n  {} added, {} removed, {} in another class, {} linked to another journey; {} in both",
        count(0),
        count(1),
        count(2),
        count(3),
        count(4) - count(0) - count(1)
    );
    Ok(())
}

fn section(text: &mut String, heading: &str, lines: Vec<String>) {
    let _ = writeln!(text, "\n{heading}");
    if lines.is_empty() {
        text.push_str("  no difference\n");
    }
    for line in lines.iter().take(SHOWN) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > SHOWN {
        let _ = writeln!(text, "  and {} more", lines.len() - SHOWN);
    }
}
