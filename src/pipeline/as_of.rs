//! An as-of that nobody can mean: before all data, or long after the exports were written.

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use chrono::NaiveDate;

use super::Job;
use crate::engine::time::{Clock, date};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Days past the newest thing that the exports can tell of: up to there a run is a little early, beyond
/// a slip of the pen that would keep every later night from becoming the latest.
const DAYS_AHEAD: i64 = 31;
const DAY_MICROS: i64 = 86_400_000_000;

impl Job<'_> {
    /// Refuses an as-of that was asked for and lies before all data, or far ahead of the exports.
    ///
    /// # Errors
    /// `Kind::Usage` with the days between which there is data.
    pub(super) async fn check_as_of(&self, asked: Option<NaiveDate>, progress: &dyn Progress) -> Result<()> {
        let Some(day) = asked else { return Ok(()) };
        let Some((first, last)) = self.first_and_last_event().await? else { return Ok(()) };
        let clock = Clock::new(self.config.timezone);
        let day_of = |micros: i64| clock.local_day(micros).and_then(date);
        let (Some(first), Some(last)) = (day_of(first), day_of(last)) else { return Ok(()) };
        let place = |error: Error| {
            error.with("as of", day).with("first purchase or answer", first).with("last", last)
        };
        if day < first {
            return Err(place(Error::usage("nothing had happened yet at the end of that day"))
                .hint(format!("give a day from {first}, or leave --as-of out for the newest")));
        }
        let Some(bound) = self.plausible_until().and_then(day_of) else { return Ok(()) };
        let ahead = (day - bound.max(last)).num_days();
        if ahead > DAYS_AHEAD {
            return Err(place(Error::usage("that day is long after the exports were written"))
                .hint(format!("give a day up to {}, or leave --as-of out for the newest", bound.max(last))));
        }
        if ahead > 0 {
            let days = [("as of", day.to_string()), ("last purchase or answer", last.to_string())];
            progress.warns("the as-of is later than anything that the exports can tell of", &days);
        }
        Ok(())
    }

    /// The bound of plausible times, UTC microseconds: as configured, or a day after the newest object changed.
    fn plausible_until(&self) -> Option<i64> {
        match self.config.plausible_until {
            Some(day) => Clock::new(self.config.timezone).start_of_day(i64::from(day.to_epoch_days())),
            None => {
                let tables = self.pinned.iter().flat_map(|source| &source.tables);
                let changes =
                    tables.flat_map(|table| &table.objects).map(|object| object.last_modified_micros);
                changes.max().map(|newest| newest.saturating_add(DAY_MICROS))
            }
        }
    }

    /// The first and the last purchase or answer inside the plausible bounds, UTC microseconds.
    async fn first_and_last_event(&self) -> Result<Option<(i64, i64)>> {
        let plan = self
            .engine
            .query(
                "select min(first), max(last) from ( \
                 select min(ordered_at) as first, max(ordered_at) as last from typed_purchases union all \
                 select min(responded_at), max(responded_at) from typed_surveys)",
            )
            .await?;
        let rows = self.engine.collect(plan, "the first and the last event").await?;
        Ok(rows.iter().find_map(|batch| {
            let at = |column: usize| {
                batch.column(column).as_primitive_opt::<TimestampMicrosecondType>()?.iter().next().flatten()
            };
            Some((at(0)?, at(1)?))
        }))
    }
}
