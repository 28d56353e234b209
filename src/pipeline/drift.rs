//! Are the exports what they were in the last published run, and are they of today?
//!
//! A run reads the contract of the run that `latest.json` points to, or what a person has taken over since
//! (`aftersale check --accept`), and leaves its own behind in its manifest.

use chrono::DateTime;
use serde::Deserialize;

use super::Request;
use super::previous::Previous;
use crate::config::OnBreach;
use crate::contract::{Before, Contract, Watch};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::sources::pin::PinnedSource;
use crate::store::Store;
use crate::store::publish::{self, Accepted, Input, Latest};

const HOUR_MICROS: i64 = 3_600_000_000;

/// Begins to compare. An older day is another state of the exports: its columns may be older, too.
pub(super) fn watch(previous: &Previous, request: &Request) -> Watch {
    let is_older = |last: &Latest| request.as_of.is_some_and(|day| day.to_string() < last.as_of);
    let goes_on = request.accept || request.config.contract.on_change == OnBreach::Warn;
    let latest = previous.latest.as_ref().filter(|latest| !is_older(latest));
    Watch::new(latest.and_then(|latest| before(previous, latest)), goes_on)
}

/// The contract that holds; none before the first run.
fn before(previous: &Previous, latest: &Latest) -> Option<Before> {
    let (contract, inputs) = match (&previous.accepted, &previous.manifest) {
        (Some(accepted), _) => (&accepted.contract, &accepted.inputs),
        (None, Some(manifest)) => (&manifest.about.contract, &manifest.about.inputs),
        (None, None) => return None,
    };
    // A run of an older version has left none, and whatever this version cannot read is none, either.
    let contract = Contract::deserialize(contract).ok()?;
    let objects = inputs.iter().map(|input| (input.key.clone(), input.etag.clone())).collect();
    Some(Before { run_id: latest.run_id.clone(), contract, objects })
}

/// What becomes of changes: those that the mapping does not mind are told; the others stop the run, or
/// warn where the configuration says so or the change is being taken over.
///
/// # Errors
/// `Kind::Data` with the differences, each with what was and what is.
pub(super) fn judge(watch: &Watch, request: &Request, progress: &dyn Progress) -> Result<()> {
    let Some(run_id) = watch.run_id() else { return Ok(()) };
    let rules = &request.config.contract;
    let (breaks, passes): (Vec<_>, Vec<_>) = watch.changes.iter().partition(|change| change.breaks);
    for change in passes {
        progress.says(&format!("the exports have changed: {}", change.words()));
    }
    let fewer = watch.drops(rules.max_drop).into_iter();
    let smaller = watch.smaller_deliveries(rules.max_drop).into_iter();
    let drops: Vec<String> = fewer
        .map(|(feed, was, now)| format!("{feed}: {was} rows were handed on, now {now}"))
        .chain(smaller.map(|(table, was, now)| {
            format!("{table}: the last delivery brought {was} rows, this one {now}")
        }))
        .collect();
    let may_stop = |rule: OnBreach| rule == OnBreach::Stop && !request.accept;
    let stopping = |message: &str, lines: &[String], hint: &str| {
        lines
            .iter()
            .fold(Error::data(message), |error, line| error.with("changed", line))
            .with("compared with", run_id)
            .hint(hint)
    };
    let breaks: Vec<String> = breaks.iter().map(|change| change.words()).collect();
    if !breaks.is_empty() && may_stop(rules.on_change) {
        return Err(stopping(
            "the exports are not what they were in the last published run",
            &breaks,
            "mend the export, or map the column by its new name (by both where old files remain: \
             coalesce(\"new\", \"old\")); `aftersale check --accept` takes the exports over as they are now",
        ));
    }
    if !drops.is_empty() && may_stop(rules.on_drop) {
        return Err(stopping(
            "fewer rows have come than at the last published run",
            &drops,
            "see that the export is whole; `aftersale check --accept` takes it over as it is now, \
             `contract.volume` says how much may be lost",
        ));
    }
    for line in breaks {
        progress.warns("the exports have changed", &[("changed", line)]);
    }
    for line in drops {
        progress.warns("fewer rows have come than at the last published run", &[("changed", line)]);
    }
    Ok(())
}

/// Exports that are older than they may be. A look at an earlier day asks for old ones.
///
/// # Errors
/// `Kind::Data` where the configuration says stop.
pub(super) fn judge_age(pinned: &[PinnedSource], request: &Request, progress: &dyn Progress) -> Result<()> {
    if request.as_of.is_some() {
        return Ok(());
    }
    let now = (request.clock)();
    for source in pinned {
        for table in &source.tables {
            let Some(said) = source.source.tables.get(&table.name) else { continue };
            let newest = table.objects.iter().max_by_key(|object| object.last_modified_micros);
            let (Some(hours), Some(newest)) = (said.max_age_hours, newest) else { continue };
            let age = now.saturating_sub(newest.last_modified_micros);
            if age <= i64::from(hours).saturating_mul(HOUR_MICROS) {
                continue;
            }
            let message = "an export is older than it may be";
            let context = [
                ("source", source.source.feed.clone()),
                ("table", table.name.clone()),
                ("newest object", newest.url.clone()),
                ("changed", changed_at(newest.last_modified_micros)),
                ("age", format!("{} hours; max_age_hours is {hours}", age / HOUR_MICROS)),
            ];
            if request.config.contract.on_age == OnBreach::Stop {
                let stopped = context.iter().fold(Error::data(message), |e, (key, value)| e.with(key, value));
                return Err(
                    stopped.hint("see why the export has not come; a larger `max_age_hours` allows for it")
                );
            }
            progress.warns(message, &context);
        }
    }
    Ok(())
}

/// Takes the exports over as they are. False where nothing has been published yet: the first run does.
pub(super) async fn accept(output: &Store, watch: &Watch, pinned: &[PinnedSource]) -> Result<bool> {
    let Some(latest) = publish::latest(output).await? else { return Ok(false) };
    let objects = pinned.iter().flat_map(|source| &source.tables).flat_map(|table| &table.objects);
    let accepted = Accepted {
        after_run: latest.run_id,
        contract: as_json(&watch.now)?,
        inputs: objects.map(Input::from).collect(),
    };
    publish::accept(output, &accepted).await?;
    Ok(true)
}

/// An instant as a person reads it.
fn changed_at(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M UTC").to_string())
}

pub(super) fn as_json(contract: &Contract) -> Result<serde_json::Value> {
    serde_json::to_value(contract)
        .map_err(|e| Error::internal("the contract cannot be written down").caused_by(e))
}
