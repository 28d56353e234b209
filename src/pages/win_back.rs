//! Customers to win back: how many wait for a call, for how long, and how fast others were called.
//!
//! Only runs that make a follow-up list have the tables that tell; what a page shows of a run without them
//! says so. Names and numbers stay in the list.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, cast, lit};
use datafusion::scalar::ScalarValue;

use super::{Source, may_be_shown};
use crate::engine;
use crate::error::Result;
use crate::exposures::named;
use crate::report::axis;
use crate::report::context::{Age, Call, Cases, Money, NoFollowUps, WinBack};

/// One row per answer that asks for a follow-up.
const LIST: &str = "rpt_follow_ups";
/// One row per week and team; `window` and `all` are the whole.
const LOOP: &str = "rpt_closed_loop";
/// From so many days on, up to the next.
const AGES: [u64; 5] = [0, 3, 7, 14, 30];
/// On one sheet.
const CALLS: usize = 12;

const TEXT: ScalarValue = ScalarValue::Utf8(None);
const NUMBER: ScalarValue = ScalarValue::Float64(None);

/// Makes `follow_up_cases` and `closed_loop`: without the tables they are empty.
pub async fn register(source: &Source<'_>) -> Result<()> {
    let list = [
        ("follow_up_id", TEXT),
        ("response_id", TEXT),
        ("nps_class", TEXT),
        ("status", TEXT),
        ("score", NUMBER),
        ("responded_at", NUMBER),
        ("due_at", NUMBER),
        ("as_of", NUMBER),
        ("value_at_risk", NUMBER),
        ("reason_1", TEXT),
        ("reason_2", TEXT),
        ("reason_3", TEXT),
    ];
    made(source, LIST, "follow_up_cases", &list).await?;
    let weeks = [
        ("week", TEXT),
        ("team", TEXT),
        ("detractors", NUMBER),
        ("contacted", NUMBER),
        ("contacted_in_time", NUMBER),
        ("contacted_in_time_share", NUMBER),
        ("closed", NUMBER),
        ("median_hours", NUMBER),
    ];
    made(source, LOOP, "closed_loop", &weeks).await
}

/// A view with the columns named, as text or number (of microseconds, where it is a time); null where the
/// table has no such column, and no row where the run has no such table.
async fn made(source: &Source<'_>, table: &str, view: &str, columns: &[(&str, ScalarValue)]) -> Result<()> {
    let failed = |e| engine::error(e, view);
    let is_there = source.published.rows_of(table).is_some();
    let rows = source.engine.table(if is_there { table } else { "data_dictionary" }).await?;
    let has = |name: &str| rows.schema().fields().iter().find(|field| field.name() == name);
    let column = |(name, null): &(&str, ScalarValue)| -> Expr {
        let name = *name;
        let kind = if *null == TEXT { DataType::Utf8 } else { DataType::Float64 };
        let value = match has(name).filter(|_| is_there) {
            // Times are numbers of microseconds.
            Some(field) if matches!(field.data_type(), DataType::Timestamp(..)) => {
                cast(cast(named(name), DataType::Int64), kind)
            }
            Some(_) => cast(named(name), kind),
            None => lit(null.clone()),
        };
        value.alias(name)
    };
    let chosen: Vec<Expr> = columns.iter().map(column).collect();
    let rows = if is_there { rows } else { rows.filter(lit(false)).map_err(failed)? };
    source.engine.view(view, rows.select(chosen).map_err(failed)?)
}

/// The section of the leadership page; `has_customers`: whether any answer can be followed up.
pub async fn section(source: &Source<'_>, has_customers: bool) -> Result<WinBack> {
    let missing = |why| Ok(WinBack { missing: Some(why), cases: None });
    match source.published.rows_of(LIST) {
        _ if !has_customers => missing(NoFollowUps::NoCustomers),
        None => missing(NoFollowUps::NotMade),
        Some(_) => Ok(WinBack { missing: None, cases: Some(cases(source).await?) }),
    }
}

async fn cases(source: &Source<'_>) -> Result<Cases> {
    let mut waiting: Vec<(u64, u64)> = Vec::new();
    let mut cases = Cases {
        open: 0,
        overdue: 0,
        oldest_days: 0,
        due: 0,
        in_time_share: None,
        called: 0,
        median_days_to_call: None,
        all: 0,
        closed: None,
        revenue_open: None,
        ages: Vec::new(),
        ages_axis: axis(0.0, 1.0, 5),
    };
    let mut value = 0.0;
    let mut currencies: Vec<String> = Vec::new();
    for row in source.rows("page_cases").await?.iter() {
        let (days, open) = (row.count("age_days")?, row.count("cases")?);
        waiting.push((days, open));
        cases.open += open;
        cases.overdue += row.count("overdue")?;
        cases.oldest_days = cases.oldest_days.max(days);
        value += row.number("value_at_risk")?.unwrap_or(0.0);
        for column in ["lowest_currency", "highest_currency"] {
            currencies.extend(row.text(column)?);
        }
    }
    currencies.dedup();
    // Amounts of several currencies are no sum.
    if let [currency] = currencies.as_slice()
        && value > 0.0
    {
        cases.revenue_open = Some(Money { amount: value, currency: currency.clone() });
    }
    cases.ages = ages(&waiting);
    let most = cases.ages.iter().map(|age| age.cases).max().unwrap_or(0);
    cases.ages_axis = axis(0.0, most.max(1) as f64, 5);
    for row in source.rows("page_closed_loop").await?.iter() {
        cases.due = row.count("detractors")?;
        cases.called = row.count("contacted")?;
        cases.all = row.count("all_detractors")?;
        let closed = row.number("closed")?.map(|closed| closed.round() as u64);
        cases.closed = closed.filter(|closed| may_be_shown(*closed, cases.all, source.facts.min_cell));
        let in_time = row.number("contacted_in_time")?.filter(|_| cases.due >= source.facts.min_cell);
        cases.in_time_share = in_time.map(|in_time| in_time / cases.due as f64);
        let hours = row.number("median_hours")?.filter(|_| cases.called >= source.facts.min_cell);
        cases.median_days_to_call = hours.map(|hours| hours / 24.0);
    }
    Ok(cases)
}

/// Cases by the days that they have waited, up to the oldest.
fn ages(waiting: &[(u64, u64)]) -> Vec<Age> {
    let bound = |at: usize| AGES.get(at + 1).map(|next| next - 1);
    let oldest = waiting.iter().map(|(days, _)| *days).max();
    let of = |at: usize, from: u64| {
        let here = waiting.iter().filter(|(days, _)| *days >= from && bound(at).is_none_or(|to| *days <= to));
        Age { from_days: from, to_days: bound(at), cases: here.map(|(_, cases)| cases).sum() }
    };
    let reached = AGES.iter().enumerate().filter(|(_, from)| oldest.is_some_and(|oldest| **from <= oldest));
    reached.map(|(at, from)| of(at, *from)).collect()
}

/// Cases to call, by the value of the sheets' dimension; none without a list.
pub async fn calls(source: &Source<'_>) -> Result<Option<BTreeMap<String, Vec<Call>>>> {
    if source.published.rows_of(LIST).is_none() {
        return Ok(None);
    }
    let mut calls: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for row in source.rows("page_calls").await?.iter() {
        let here = calls.entry(row.said("segment")?).or_default();
        let day = |column: &str| -> Result<Option<String>> {
            Ok(row.integer(column)?.and_then(|micros| source.facts.day(micros)))
        };
        let (Some(answered_on), Some(due_on)) = (day("answered_micros")?, day("due_micros")?) else {
            continue;
        };
        if here.len() == CALLS {
            continue;
        }
        let mut met = Vec::new();
        for column in ["reason_1", "reason_2", "reason_3"] {
            met.extend(row.text(column)?.filter(|reason| !reason.is_empty()));
        }
        here.push(Call {
            case: row.said("follow_up_id")?,
            answered_on,
            score: row.integer("score")?.unwrap_or_default(),
            met,
            due_on,
            is_overdue: row.flag("is_overdue")?.unwrap_or(false),
        });
    }
    Ok(Some(calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_hold_every_case_once() {
        let found = ages(&[(0, 2), (2, 1), (3, 4), (13, 5), (14, 6)]);
        let told: Vec<(u64, Option<u64>, u64)> =
            found.iter().map(|age| (age.from_days, age.to_days, age.cases)).collect();
        assert_eq!(told, [(0, Some(2), 3), (3, Some(6), 4), (7, Some(13), 5), (14, Some(29), 6)]);
        assert_eq!(
            ages(&[(400, 7)]).last().map(|age| (age.from_days, age.to_days, age.cases)),
            Some((30, None, 7))
        );
        assert!(ages(&[]).is_empty());
    }
}
