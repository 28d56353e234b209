//! Figures for the person at the terminal, read from the run's own tables.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};

use super::Job;
use crate::error::Result;
use crate::exposures::texts;

/// Figures for the person at the terminal.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    pub as_of: String,
    pub nps: Option<String>,
    /// Touchpoint, label, reach, exposed answers, detractor shares, difference.
    pub touchpoints: Vec<TouchpointLine>,
    pub tables: Vec<TableAccount>,
    pub accounts: Vec<Account>,
    /// Feed, link rule or reason, rows, share.
    pub links: Vec<(String, String, i64, f64)>,
}

#[derive(Debug, Clone)]
pub struct TouchpointLine {
    pub id: String,
    pub label: String,
    pub role: String,
    pub exposed: i64,
    pub reach: Option<f64>,
    pub share_exposed: Option<f64>,
    pub share_unexposed: Option<f64>,
    pub difference: Option<f64>,
}

/// What became of a table's rows before the mapping: read = superseded + filtered + handed on.
#[derive(Debug, Clone)]
pub struct TableAccount {
    pub feed: String,
    pub table: String,
    pub read: i64,
    pub superseded: i64,
    /// Rows left out, by reason.
    pub filtered: Vec<(&'static str, i64)>,
    pub handed_on: i64,
}

/// What became of a feed's rows: handed on by the mapping = superseded + rejected + after the as-of + staged.
#[derive(Debug, Clone)]
pub struct Account {
    pub feed: String,
    pub handed_on: i64,
    pub superseded: i64,
    pub rejected: i64,
    pub after_as_of: i64,
    pub staged: i64,
}

impl Job<'_> {
    fn table_accounts(&self) -> Vec<TableAccount> {
        let rows = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        let tables = self.typed.iter().flat_map(|(feed, typed)| typed.tables.iter().map(move |t| (feed, t)));
        tables
            .map(|(feed, table)| TableAccount {
                feed: (*feed).to_string(),
                table: table.name.clone(),
                read: rows(table.rows),
                superseded: rows(table.superseded),
                filtered: table.filtered.iter().map(|(reason, count)| (*reason, rows(*count))).collect(),
                handed_on: rows(table.handed_on()),
            })
            .collect()
    }

    pub(super) async fn accounts(&self) -> Result<Vec<Account>> {
        let mut accounts = Vec::new();
        for (feed, typed) in &self.typed {
            let handed_on = i64::try_from(typed.rows).unwrap_or(i64::MAX);
            let staged = i64::try_from(self.engine.count(&format!("stg_{feed}")).await?).unwrap_or(i64::MAX);
            let plan = self
                .engine
                .query(&format!(
                    "select count(*), count(reject_reason), \
                     count(case when reject_reason is null and is_after_as_of then 1 end) from judged_{feed}"
                ))
                .await?;
            let rows = self.engine.collect(plan, feed).await?;
            let figure = |column: usize| {
                rows.first().map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0))
            };
            accounts.push(Account {
                feed: (*feed).to_string(),
                handed_on,
                superseded: handed_on - figure(0),
                rejected: figure(1),
                after_as_of: figure(2),
                staged,
            });
        }
        Ok(accounts)
    }

    /// (feed, link rule or the reason why there is none, rows, share of the feed)
    pub(super) async fn links(&self) -> Result<Vec<(String, String, i64, f64)>> {
        let plan = self
            .engine
            .query(
                "select feed, coalesce(link_rule, unlinked_reason) as measure, count(*) as rows, \
                 sum(count(*)) over (partition by feed) as total from int_links group by 1, 2 order by 1, 2",
            )
            .await?;
        let mut links = Vec::new();
        for batch in self.engine.collect(plan, "int_links").await? {
            let (feeds, measures) = (texts(batch.column(0))?, texts(batch.column(1))?);
            let (rows, totals) =
                (batch.column(2).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int64Type>());
            for i in 0..batch.num_rows() {
                let share = rows.value(i) as f64 / totals.value(i).max(1) as f64;
                links.push((feeds.value(i).to_string(), measures.value(i).to_string(), rows.value(i), share));
            }
        }
        Ok(links)
    }

    pub(super) async fn summary_of_inputs(&self) -> Result<Summary> {
        Ok(Summary {
            as_of: self.as_of_day.to_string(),
            tables: self.table_accounts(),
            accounts: self.accounts().await?,
            links: self.links().await?,
            ..Summary::default()
        })
    }

    pub(super) async fn summary(&self) -> Result<Summary> {
        let mut summary = self.summary_of_inputs().await?;
        let plan = self
            .engine
            .query(
                "select responses, nps, nps_low, nps_high from rpt_nps \
                 where period = 'window' and segment_dimension = 'all'",
            )
            .await?;
        for batch in self.engine.collect(plan, "rpt_nps").await? {
            for row in 0..batch.num_rows() {
                let float = |column: usize| batch.column(column).as_primitive::<Float64Type>().value(row);
                let responses = batch.column(0).as_primitive::<Int64Type>().value(row);
                summary.nps = Some(format!(
                    "NPS {:.1} ({:.1} to {:.1}), {responses} answers",
                    float(1),
                    float(2),
                    float(3)
                ));
            }
        }
        let plan = self
            .engine
            .query(
                "select touchpoint, label, role, exposed_responses, reach, detractor_share_exposed, \
                 detractor_share_unexposed, raw_risk_difference from rpt_touchpoint_impact \
                 where segment_dimension = 'all' \
                 order by raw_risk_difference * exposed_responses desc nulls last, touchpoint_position",
            )
            .await?;
        for batch in self.engine.collect(plan, "rpt_touchpoint_impact").await? {
            let (ids, labels, roles) =
                (texts(batch.column(0))?, texts(batch.column(1))?, texts(batch.column(2))?);
            for row in 0..batch.num_rows() {
                let float = |column: usize| {
                    let values = batch.column(column).as_primitive::<Float64Type>();
                    values.is_valid(row).then(|| values.value(row))
                };
                summary.touchpoints.push(TouchpointLine {
                    id: ids.value(row).into(),
                    label: labels.value(row).into(),
                    role: roles.value(row).into(),
                    exposed: batch.column(3).as_primitive::<Int64Type>().value(row),
                    reach: float(4),
                    share_exposed: float(5),
                    share_unexposed: float(6),
                    difference: float(7),
                });
            }
        }
        Ok(summary)
    }
}
