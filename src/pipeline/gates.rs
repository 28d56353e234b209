//! What stops a run: too many rejects, too few links, surveys that do not belong together, a broken check.

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;

use super::Job;
use super::advice::MUCH;
use super::figures::Account;
use super::tables::FolderParts;
use crate::engine::{self, functions};
use crate::error::{Context, Error, Kind, Result};
use crate::exposures::{self, texts};
use crate::progress::Progress;
use crate::queries::{self, Query};
use crate::sources::feeds;
use crate::store::Store;

impl Job<'_> {
    /// Too many rejects, or several kinds of survey without a word on pooling, stop the run: every reason
    /// to stop that there is.
    pub(super) async fn input_stops(&self) -> Result<Vec<Error>> {
        let mut stops = Vec::new();
        for account in self.accounts().await? {
            let share = account.rejected as f64 / account.handed_on.max(1) as f64;
            if share > self.config.analysis.max_rejected_share {
                stops.push(self.too_many_rejects(&account, share).await?);
            }
        }
        let analysis = &self.config.analysis;
        for (column, chosen, key) in [
            ("survey_kind", &analysis.survey_kinds, "survey_kinds"),
            ("trigger", &analysis.survey_triggers, "survey_triggers"),
        ] {
            let there = exposures::distinct_texts(&self.engine, "stg_surveys", column).await?;
            match chosen {
                None if there.len() > 1 => {
                    stops.push(
                        Error::config(format!("the answers come from surveys of several kinds (`{column}`)"))
                            .with("found", there.join(", "))
                            .hint(format!(
                                "say which to pool: `analysis.{key} = [\"{}\"]`; answers to different surveys \
                                 are not alike",
                                there[0]
                            )),
                    );
                }
                Some(chosen) => {
                    if let Some(place) = chosen.iter().position(|name| !there.contains(name)) {
                        let line = self.config.place(&format!("analysis.{key}.{place}"));
                        stops.push(
                            Error::config(format!("no answer has the {column} `{}`", chosen[place]))
                                .with("file", line)
                                .with("found", there.join(", "))
                                .hint(format!("correct `analysis.{key}`")),
                        );
                    }
                }
                None => {}
            }
        }
        Ok(stops)
    }

    pub(super) async fn too_many_rejects(&self, account: &Account, share: f64) -> Result<Error> {
        let plan = self
            .engine
            .query(&format!(
                "select reason, count(*) as rows, min(file) as file, min(row) as row from rejected_rows \
                 where source = '{}' group by reason order by rows desc, reason",
                account.feed
            ))
            .await?;
        let mut reasons = Vec::new();
        for batch in self.engine.collect(plan, "rejected_rows").await? {
            let (names, files) = (texts(batch.column(0))?, texts(batch.column(2))?);
            let (rows, first) =
                (batch.column(1).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int64Type>());
            for i in 0..batch.num_rows() {
                let place = match (files.is_null(i), first.is_null(i)) {
                    (false, false) => format!(", first: {} row {}", files.value(i), first.value(i)),
                    _ => String::new(),
                };
                reasons.push(format!("{} {}{place}", rows.value(i), names.value(i)));
            }
        }
        let rows = feeds::feed(&account.feed).map_or("row", |feed| feed.row);
        Ok(Error::data(format!(
            "{} of {} {rows}s of `{}` are rejected: {:.1}%",
            account.rejected,
            account.handed_on,
            account.feed,
            100.0 * share
        ))
        .with("source", &account.feed)
        .with("reasons", reasons.join("; "))
        .hint(format!(
            "mend the export or its mapping, or raise `analysis.max_rejected_share` (now {}) to publish without them",
            self.config.analysis.max_rejected_share
        )))
    }

    /// Columns of which much cannot be read: what hangs on them will be unknown.
    pub(super) async fn warn_of_values(&self, progress: &dyn Progress) -> Result<()> {
        for (feed, column, note, rows) in self.values().await? {
            let all = self.typed.get(feed.as_str()).map_or(0, |typed| typed.rows);
            let share = rows as f64 / all.max(1) as f64;
            if share >= MUCH && [functions::UNREADABLE, functions::IMPLAUSIBLE].contains(&note.as_str()) {
                progress.warns(
                    "many values of a column cannot be used: what is made of them will be unknown",
                    &[
                        ("column", format!("{feed}.{column}")),
                        ("values", format!("{rows} {note}")),
                        ("share of rows", format!("{:.1}%", 100.0 * share)),
                    ],
                );
            }
        }
        Ok(())
    }

    /// Too few answers that can be linked stop the run; too few tickets or contacts are a warning, since
    /// a help desk also serves people who have bought nothing.
    pub(super) async fn link_stops(&self, progress: &dyn Progress) -> Result<Vec<Error>> {
        let mut stops = Vec::new();
        let links = self.links().await?;
        for feed in ["surveys", "tickets", "interactions"] {
            let of_feed =
                || links.iter().filter(|line| line.feed == feed && line.is_linked.is_some() && line.rows > 0);
            let all = of_feed().map(|line| line.of_rows).max().unwrap_or(0);
            let linked: i64 =
                of_feed().filter(|line| line.is_linked == Some(true)).map(|line| line.rows).sum();
            let rate = linked as f64 / all.max(1) as f64;
            if all == 0 || rate >= self.config.analysis.min_link_rate {
                continue;
            }
            let funnel: Vec<String> =
                of_feed().map(|line| format!("{} {}", line.rows, line.measure)).collect();
            if feed != "surveys" {
                progress.warns(
                    "few rows can be linked to a journey",
                    &[("source", feed.to_string()), ("links", funnel.join("; "))],
                );
                continue;
            }
            stops.push(
                Error::data(format!(
                    "only {linked} of {all} answers can be linked to a journey: {:.1}%",
                    100.0 * rate
                ))
                .with("links", funnel.join("; "))
                .hint(format!(
                    "map `order_id`, or what `identity.match` names ({}), of the surveys to what the purchases \
                     hold; or lower `analysis.min_link_rate` (now {})",
                    self.config.identity.matched.join(", "),
                    self.config.analysis.min_link_rate
                )),
            );
        }
        Ok(stops)
    }

    /// One check: no row may break its sentence.
    pub(super) async fn hold(&self, check: &Query) -> Result<()> {
        let plan = self.engine.query(check.sql).await.with("check", &check.name)?;
        let broken = plan.count().await.map_err(|e| engine::run_error(e, &check.name))?;
        if broken == 0 {
            return Ok(());
        }
        Err(Error::data(format!("{broken} rows break the check `{}`", check.name))
            .with("check", &check.sentence)
            .hint(
                "the tables do not hold together: please report it with the configuration and the versions",
            ))
    }

    /// Keeps what was rejected where a person can look, and says where.
    pub(super) async fn keep_rejects(&self, output: &Store, error: Error, progress: &dyn Progress) -> Error {
        if error.kind() != Kind::Data {
            return error;
        }
        let kept = async {
            let rejected = queries::stages()?.into_iter().find(|query| query.name == "rejected_rows");
            let Some(query) = rejected else { return Ok(None) };
            if self.engine.table(&query.name).await.is_err() || self.engine.count(&query.name).await? == 0 {
                return Ok(None);
            }
            let folder = format!("failed/{}", self.run_id);
            let mut parts =
                FolderParts { store: output.clone(), folder: folder.clone(), table: query.name.clone() };
            self.write_table(&query, &mut parts).await?;
            Ok::<_, Error>(Some(format!("{}/{folder}/{}", output.url().trim_end_matches('/'), query.name)))
        };
        match kept.await {
            Ok(Some(place)) => error.with("rejected rows", place),
            Ok(None) => error,
            Err(second) => {
                progress.warns(
                    "the rejected rows could not be kept",
                    &[("reason", second.message().to_string())],
                );
                error
            }
        }
    }
}
