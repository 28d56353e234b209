//! What each answer of the fit had met, and when: beside the columns of numbers, for attributions and for the
//! checks of the declared order.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use crate::catalogue::Touchpoint;
use crate::error::Result;
use crate::exposures::{code_of, first_of, since_of, texts};
use crate::stats::problem::State;

/// One touchpoint that an answer had met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    /// Its position in the fit.
    pub touchpoint: u16,
    pub occurrences: u32,
    /// UTC microseconds, [`NEVER`] where it has no time of its own.
    first_at: i64,
    since: i64,
}

const NEVER: i64 = i64::MIN;

impl Meeting {
    /// When it was met first; none for an absence, such as a reply that did not come.
    pub fn first_at(&self) -> Option<i64> {
        (self.first_at != NEVER).then_some(self.first_at)
    }

    /// Since when it could do what it does.
    pub fn since(&self) -> Option<i64> {
        (self.since != NEVER).then_some(self.since)
    }
}

/// Per answer, in the order of the fit.
#[derive(Debug, Default)]
pub struct Met {
    starts: Vec<usize>,
    meetings: Vec<Meeting>,
    /// Response ids, batch by batch.
    ids: Vec<StringArray>,
    /// UTC microseconds.
    pub responded_at: Vec<i64>,
    pub sent_at: Vec<Option<i64>>,
    pub window_starts_at: Vec<Option<i64>>,
    /// Whether the customer's next order came late or damaged.
    pub next_bad: Vec<Option<bool>>,
}

impl Met {
    /// Adds a batch that has, by name, what `exposures` and the votes have. `touchpoints`: those of the fit.
    pub(super) fn add(&mut self, batch: &RecordBatch, touchpoints: &[&Touchpoint]) -> Result<()> {
        let times = |name: &str| {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        };
        let counts =
            |name: &str| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let known = |name: &str, row: usize| {
            times(name).filter(|times| times.is_valid(row)).map(|times| times.value(row))
        };
        let columns: Vec<_> = touchpoints
            .iter()
            .map(|touchpoint| {
                (
                    counts(&code_of(touchpoint)),
                    counts(&format!("yes_{}", touchpoint.id)),
                    times(&first_of(touchpoint)),
                    times(&since_of(touchpoint)),
                )
            })
            .collect();
        for row in 0..batch.num_rows() {
            self.starts.push(self.meetings.len());
            for (at, (codes, counts, first, since)) in columns.iter().enumerate() {
                let number = |values: &Option<&arrow::array::PrimitiveArray<Int64Type>>| {
                    values.filter(|values| values.is_valid(row)).map(|values| values.value(row))
                };
                if number(codes) != Some(State::Yes as i64) {
                    continue;
                }
                let time = |times: &Option<&arrow::array::PrimitiveArray<TimestampMicrosecondType>>| {
                    times.filter(|times| times.is_valid(row)).map_or(NEVER, |times| times.value(row))
                };
                self.meetings.push(Meeting {
                    touchpoint: at as u16,
                    occurrences: number(counts).and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
                    first_at: time(first),
                    since: time(since),
                });
            }
            self.responded_at.push(known("responded_at", row).unwrap_or(NEVER));
            self.sent_at.push(known("sent_at", row));
            self.window_starts_at.push(known("window_starts_at", row));
        }
        let next_bad = batch.column_by_name("is_next_bad").and_then(|column| column.as_boolean_opt());
        self.next_bad.extend(
            (0..batch.num_rows())
                .map(|row| next_bad.filter(|late| late.is_valid(row)).map(|late| late.value(row))),
        );
        if let Some(ids) = batch.column_by_name("response_id") {
            self.ids.push(texts(ids)?);
        }
        Ok(())
    }

    /// Keeps some touchpoints: per old position, the new one.
    pub(super) fn renumber(&mut self, new_at: &[Option<u16>]) {
        let mut kept = Vec::with_capacity(self.meetings.len());
        for answer in 0..self.starts.len() {
            let of_answer = self.of(answer).to_vec();
            self.starts[answer] = kept.len();
            let renumbered = |meeting: Meeting| {
                new_at[usize::from(meeting.touchpoint)].map(|touchpoint| Meeting { touchpoint, ..meeting })
            };
            kept.extend(of_answer.into_iter().filter_map(renumbered));
        }
        self.meetings = kept;
    }

    /// What an answer had met, in catalogue order.
    pub fn of(&self, answer: usize) -> &[Meeting] {
        let end = self.starts.get(answer + 1).copied().unwrap_or(self.meetings.len());
        &self.meetings[self.starts[answer]..end]
    }

    pub fn ids(&self) -> &[StringArray] {
        &self.ids
    }
}
