//! What the order of a row's times, and a key that comes once, tell of columns that no name tells.

use super::columns;
use super::looks::{self, Kind};
use super::matching::Match;
use super::sample::{Column, Sample};
use crate::engine::time::DAY;
use crate::sources::feeds::Feed;

/// Rows without an exception that make a rule.
const MOST: f64 = 0.95;
/// A key is told from fewer rows than this by its name only.
const ROWS: usize = 10;

/// Fills in the time of the event and the key where no column goes by their names; both are doubts.
pub fn fill(feed: &'static Feed, sample: &Sample, matched: &mut Match) {
    if let Some(event) = feed.event_time.filter(|event| matched.theirs(event).is_none())
        // An answer comes after what it was sent for; all else begins with its first time.
        && let Some(theirs) = extreme(sample, matched, feed.name == "surveys")
    {
        let why = if feed.name == "surveys" {
            "the latest time of its rows"
        } else {
            "the earliest time of its rows"
        };
        matched.doubts.insert(event, why.into());
        matched.columns.push((event, theirs));
    }
    if let [key] = feed.key
        && matched.theirs(key).is_none()
        && let Some(theirs) = only_key(sample, matched)
    {
        matched.doubts.insert(key, "no other column names each row of a file once".into());
        matched.columns.push((key, theirs));
    }
}

fn is_used(matched: &Match, column: &Column) -> bool {
    matched.columns.iter().any(|(_, theirs)| *theirs == column.name)
}

/// The free column whose time comes before (or after) all others of its row.
fn extreme(sample: &Sample, matched: &Match, is_last: bool) -> Option<String> {
    let dated: Vec<(&Column, Vec<Option<looks::Read>>)> = sample
        .columns
        .iter()
        .filter(|column| looks::kind(column).is_time())
        .map(|column| (column, looks::times(column)))
        .collect();
    let is_extreme = |place: usize| {
        let (mut rows, mut held, mut compared) = (0usize, 0usize, 0usize);
        for row in 0..sample.rows {
            let Some((at, is_day)) = dated[place].1.get(row).copied().flatten() else {
                // An event's own time is never missing.
                return false;
            };
            let others = dated.iter().enumerate().filter(|(other, _)| *other != place);
            let holds = others.filter_map(|(_, (_, times))| times.get(row).copied().flatten()).all(
                |(other, other_is_day)| {
                    compared += 1;
                    // A day and a time of that day are equal.
                    let (one, other) = match is_day || other_is_day {
                        true => (at.div_euclid(DAY), other.div_euclid(DAY)),
                        false => (at, other),
                    };
                    if is_last { one >= other } else { one <= other }
                },
            );
            rows += 1;
            held += usize::from(holds);
        }
        // The only time of a table is before nothing.
        compared > 0 && held as f64 >= MOST * rows as f64
    };
    let mut places =
        (0..dated.len()).filter(|place| !is_used(matched, dated[*place].0) && is_extreme(*place));
    let first = places.next()?;
    // Two that are always equal cannot be told apart.
    places.next().is_none().then(|| dated[first].0.name.clone())
}

/// The one free column whose values name each row of a delivery once.
fn only_key(sample: &Sample, matched: &Match) -> Option<String> {
    if sample.rows < ROWS {
        return None;
    }
    let mut keys = sample.columns.iter().filter(|column| !is_used(matched, column) && is_key(sample, column));
    let first = keys.next()?;
    keys.next().is_none().then(|| first.name.clone())
}

/// Whether a column names each row of a delivery: never empty, no text, and not twice in one delivery.
pub fn is_key(sample: &Sample, column: &Column) -> bool {
    let is_name = |value: &String| !value.trim().is_empty() && !value.contains(' ') && value.len() <= 40;
    matches!(looks::kind(column), Kind::Whole | Kind::Text)
        && column.values.iter().all(is_name)
        && !sample.comes_twice(column)
}

/// Whether a column may be the one that is looked for, by its values.
pub fn is_likely(feed: &Feed, ours: &str, sample: &Sample, column: &Column) -> bool {
    let Some(wanted) = feed.column(ours) else { return false };
    match (ours, looks::kind(column)) {
        (_, Kind::Empty) => false,
        ("score", Kind::Whole) => looks::largest(column).is_some_and(|largest| largest <= 10.0),
        ("score", _) => false,
        (name, _) if name.ends_with("_id") && feed.key.contains(&name) => is_key(sample, column),
        ("kind" | "event", kind) => kind == Kind::Text && looks::is_few_words(column, columns::FEW),
        (_, kind) if columns::is_text(wanted.kind) => kind == Kind::Text,
        (_, kind) => columns::fits(wanted.kind, &kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::matching;

    fn filled(path: &str, columns: &[(&str, &[&str])]) -> (Vec<(&'static str, String)>, Vec<&'static str>) {
        let sample = Sample {
            rows: columns[0].1.len(),
            deliveries: vec![0; columns[0].1.len()],
            columns: columns
                .iter()
                .map(|(name, values)| Column {
                    name: name.to_string(),
                    values: values.iter().map(|value| value.to_string()).collect(),
                    label: None,
                })
                .collect(),
            ..Sample::default()
        };
        let matched = matching::matched(&matching::known().unwrap(), path, &sample);
        (matched.columns, matched.doubts.into_keys().collect())
    }

    #[test]
    fn the_order_of_times_tells_the_time_of_the_event() {
        let columns: &[(&str, &[&str])] = &[
            ("Order No", &["1", "2"]),
            ("X2", &["2025-01-05", "2025-02-05"]),
            ("X1", &["2025-01-02 10:00", "2025-02-05 09:00"]),
            ("Delivered", &["2025-01-04 12:00", ""]),
            ("Total", &["3", "4"]),
        ];
        let (found, doubts) = filled("orders/x.csv", columns);
        assert!(found.contains(&("ordered_at", "X1".into())), "{found:?}");
        assert_eq!(doubts, ["ordered_at"]);
        // One row that says otherwise, and it is open.
        let mut columns = columns.to_vec();
        columns[2] = ("X1", &["2025-01-06 10:00", "2025-02-05 09:00"]);
        assert!(filled("orders/x.csv", &columns).1.is_empty());
    }

    #[test]
    fn an_answer_is_the_latest_of_its_times() {
        let columns: &[(&str, &[&str])] = &[
            ("Answer ID", &["1", "2"]),
            ("NPS", &["9", "2"]),
            ("A", &["01/13/2025 10:00", "02/05/2025 09:00"]),
            ("B", &["01/13/2025 10:07", "02/06/2025 09:00"]),
        ];
        let (found, doubts) = filled("voc/x.csv", columns);
        assert!(found.contains(&("responded_at", "B".into())), "{found:?}");
        assert_eq!(doubts, ["responded_at"]);
    }
}
