//! What the values of a column look like, and how much of them may be shown.

use chrono::{NaiveDate, NaiveDateTime};

use super::sample::{Column, counts};
use crate::engine::time;

/// Values that must look alike for a column to be of a kind.
const MOST: f64 = 0.95;
/// Seconds since 1970 from 2000 to 2035.
const EPOCH_SECONDS: std::ops::Range<i64> = 946_684_800..2_051_222_400;
/// Letters of a longer text that are shown.
const SHOWN: usize = 24;
/// Words that stand for no value.
const NOTHING: [&str; 7] = ["NULL", "null", "\\N", "N/A", "n/a", "-", "None"];

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Empty,
    Whole,
    Number,
    /// `12,50`
    CommaNumber,
    Flag,
    Email,
    /// A time that is read as it is.
    Time {
        has_zone: bool,
    },
    /// A time that is read once this format is declared.
    Format(String),
    /// A day and a month that cannot be told apart: both formats.
    DayOrMonth(String, String),
    EpochSeconds,
    EpochMilliseconds,
    Text,
}

impl Kind {
    pub fn is_time(&self) -> bool {
        matches!(
            self,
            Kind::Time { .. }
                | Kind::Format(_)
                | Kind::DayOrMonth(..)
                | Kind::EpochSeconds
                | Kind::EpochMilliseconds
        )
    }
}

/// Microseconds, local or not, and whether it is a day only.
pub type Read = (i64, bool);

type Reader = Box<dyn Fn(&str) -> Option<Read>>;

/// Each value as microseconds, local or not, and whether it is a day only; none where it is no time.
pub fn times(column: &Column) -> Vec<Option<Read>> {
    let read: Reader = match kind(column) {
        Kind::EpochSeconds => Box::new(|value| Some((value.parse::<i64>().ok()? * time::SECOND, false))),
        Kind::EpochMilliseconds => Box::new(|value| Some((value.parse::<i64>().ok()? * 1_000, false))),
        Kind::Format(format) | Kind::DayOrMonth(format, _) => Box::new(move |value| {
            if let Ok(at) = NaiveDateTime::parse_from_str(value, &format) {
                return Some((at.and_utc().timestamp_micros(), false));
            }
            let day = NaiveDate::parse_from_str(value, format.split(' ').next()?).ok()?;
            Some((i64::from(day.to_epoch_days()) * time::DAY, true))
        }),
        Kind::Time { .. } => Box::new(|value| match time::parse(value)? {
            time::Written::Date(day) => Some((day * time::DAY, true)),
            time::Written::Local(at) | time::Written::Instant(at) => Some((at, false)),
        }),
        _ => return vec![None; column.values.len()],
    };
    column.values.iter().map(|value| read(value.trim())).collect()
}

/// What most values look like; words for nothing and empty values aside.
pub fn kind(column: &Column) -> Kind {
    let values: Vec<&str> = filled(column).collect();
    if values.is_empty() {
        return Kind::Empty;
    }
    let most = |fits: &dyn Fn(&str) -> bool| {
        values.iter().filter(|value| fits(value)).count() as f64 >= MOST * values.len() as f64
    };
    let whole = |value: &str| value.parse::<i64>().ok();
    if most(&|value| whole(value).is_some_and(|number| EPOCH_SECONDS.contains(&number))) {
        return Kind::EpochSeconds;
    }
    if most(&|value| whole(value).is_some_and(|number| EPOCH_SECONDS.contains(&(number / 1000)))) {
        return Kind::EpochMilliseconds;
    }
    if most(&|value| whole(value).is_some()) {
        return Kind::Whole;
    }
    if most(&|value| value.parse::<f64>().is_ok_and(f64::is_finite)) {
        return Kind::Number;
    }
    if most(&is_comma_number) {
        return Kind::CommaNumber;
    }
    if most(&|value| time::parse(value).is_some()) {
        return Kind::Time { has_zone: most(&|value| has_zone(value)) };
    }
    if let Some(format) = slashed(&values) {
        return format;
    }
    if most(&|value| ["true", "false", "yes", "no"].contains(&value.to_lowercase().as_str())) {
        return Kind::Flag;
    }
    if most(&is_email) {
        return Kind::Email;
    }
    Kind::Text
}

fn filled(column: &Column) -> impl Iterator<Item = &str> {
    column
        .values
        .iter()
        .map(|value| value.trim())
        .filter(|value| !value.is_empty() && !NOTHING.contains(value))
}

/// Words for nothing that occur.
pub fn nothings(column: &Column) -> Vec<&'static str> {
    NOTHING.into_iter().filter(|word| column.values.iter().any(|value| value.trim() == *word)).collect()
}

fn numbers(column: &Column) -> impl Iterator<Item = f64> {
    filled(column).filter_map(|value| value.parse::<f64>().ok()).filter(|number| number.is_finite())
}

/// The largest number.
pub fn largest(column: &Column) -> Option<f64> {
    numbers(column).reduce(f64::max)
}

/// The smallest number.
pub fn smallest(column: &Column) -> Option<f64> {
    numbers(column).reduce(f64::min)
}

/// Whether its numbers have no decimals but zeros.
pub fn are_whole(column: &Column) -> bool {
    numbers(column).all(|number| number.fract() == 0.0)
}

/// Whether the values of a column are a few words that come again, and not names of something.
pub fn is_few_words(column: &Column, most: usize) -> bool {
    let counts = counts(column);
    let rows: usize = counts.values().sum();
    !counts.is_empty() && counts.len() <= most && (rows < 10 || 3 * counts.len() <= rows)
}

fn is_comma_number(value: &str) -> bool {
    let Some((whole, decimals)) = value.rsplit_once(',') else { return false };
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let is_digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    is_digits(decimals) && is_digits(&whole.replace('.', ""))
}

fn has_zone(value: &str) -> bool {
    let time = value.get(11..).unwrap_or_default();
    time.ends_with('Z') || time.ends_with("UTC") || time.contains(['+', '-'])
}

fn is_email(value: &str) -> bool {
    value
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !value.contains(' '))
}

/// `31/12/2025 10:00`, `12-31-2025 10:00 PM` and the like: the format, if all values have one.
fn slashed(values: &[&str]) -> Option<Kind> {
    let mut shape: Option<(char, String)> = None;
    let (mut first_is_day, mut second_is_day) = (false, false);
    for value in values {
        let (date, clock) = value.split_once([' ', 'T']).unwrap_or((value, ""));
        let separator = date.chars().find(|c| ['/', '.', '-'].contains(c))?;
        let parts: Vec<&str> = date.split(separator).collect();
        let [first, second, year] = parts.as_slice() else { return None };
        let (first, second): (u32, u32) = (first.parse().ok()?, second.parse().ok()?);
        if year.len() != 4 || year.parse::<u32>().is_err() || first > 31 || second > 31 {
            return None;
        }
        first_is_day |= first > 12;
        second_is_day |= second > 12;
        let clock = clock_format(clock)?;
        match &shape {
            None => shape = Some((separator, clock)),
            // Some write no clock at midnight; the longer form tells.
            Some((known, _)) if *known != separator => return None,
            Some((_, known)) if known.len() < clock.len() => shape = Some((separator, clock)),
            Some(_) => {}
        }
    }
    let (s, clock) = shape?;
    let (day_first, month_first) = (format!("%d{s}%m{s}%Y{clock}"), format!("%m{s}%d{s}%Y{clock}"));
    match (first_is_day, second_is_day) {
        (true, true) => None,
        (true, false) => Some(Kind::Format(day_first)),
        (false, true) => Some(Kind::Format(month_first)),
        // Where days are written with dots they stand first.
        (false, false) if s == '.' => Some(Kind::Format(day_first)),
        (false, false) => Some(Kind::DayOrMonth(day_first, month_first)),
    }
}

fn clock_format(clock: &str) -> Option<String> {
    if clock.is_empty() {
        return Some(String::new());
    }
    let (clock, half) =
        match clock.to_uppercase().strip_suffix("AM").or(clock.to_uppercase().strip_suffix("PM")) {
            Some(clock) => (clock.to_string(), true),
            None => (clock.to_string(), false),
        };
    let space = if clock.ends_with(' ') { " " } else { "" };
    let parts: Vec<&str> = clock.trim().split(':').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|part| part.parse::<u32>().is_err()) {
        return None;
    }
    let hours = if half { "%I" } else { "%H" };
    let seconds = if parts.len() == 3 { ":%S" } else { "" };
    let half = if half { format!("{space}%p") } else { String::new() };
    Some(format!(" {hours}:%M{seconds}{half}"))
}

/// Up to three different values, as they may be shown: what is before the `@` of an address and the rest of
/// a longer text are left out.
pub fn shown(column: &Column) -> String {
    let mut values: Vec<String> = Vec::new();
    for value in filled(column).map(masked) {
        if values.len() < 3 && !values.contains(&value) {
            values.push(value);
        }
    }
    if values.is_empty() { "(empty)".into() } else { values.join(" | ") }
}

/// A value as it may be shown.
pub fn masked(value: &str) -> String {
    let value: String = value.chars().filter(|c| c.is_whitespace() || !c.is_control()).collect();
    let line: String = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: Vec<String> = line
        .split(' ')
        .map(|word| match word.split_once('@') {
            Some((name, host)) if !name.is_empty() => {
                format!("{}…@{host}", name.chars().next().map(String::from).unwrap_or_default())
            }
            _ => word.to_string(),
        })
        .collect();
    let line = line.join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    format!("{}…", line.chars().take(SHOWN).collect::<String>().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[&str]) -> Column {
        Column {
            name: "c".into(),
            values: values.iter().map(|value| value.to_string()).collect(),
            label: None,
        }
    }

    #[test]
    fn kinds_of_values_are_told_apart() {
        for (values, expected) in [
            (&["", " "][..], Kind::Empty),
            (&["7", "10", ""], Kind::Whole),
            (&["7", "NULL", "-"], Kind::Whole),
            (&["7.5", "10"], Kind::Number),
            (&["1.234,50", "3,00"], Kind::CommaNumber),
            (&["1735689600", "1767225600"], Kind::EpochSeconds),
            (&["1735689600000"], Kind::EpochMilliseconds),
            (&["2025-01-31 10:00", "2025-02-01"], Kind::Time { has_zone: false }),
            (&["2025-01-31T10:00:00Z"], Kind::Time { has_zone: true }),
            (&["2025-01-31 10:00:00 +0200"], Kind::Time { has_zone: true }),
            (&["31/01/2025 10:00", "01/02/2025 10:00"], Kind::Format("%d/%m/%Y %H:%M".into())),
            (&["1/31/2025 10:00 PM", "1/2/2025 1:00 AM"], Kind::Format("%m/%d/%Y %I:%M %p".into())),
            (&["31.01.2025"], Kind::Format("%d.%m.%Y".into())),
            (&["01.02.2025"], Kind::Format("%d.%m.%Y".into())),
            (&["01/02/2025"], Kind::DayOrMonth("%d/%m/%Y".into(), "%m/%d/%Y".into())),
            (&["31/01/2025", "01/31/2025"], Kind::Text),
            (&["a@example.com", "b@example.com"], Kind::Email),
            (&["yes", "No"], Kind::Flag),
            (&["A-1", "B-2"], Kind::Text),
        ] {
            assert_eq!(kind(&column(values)), expected, "{values:?}");
        }
    }

    /// A proposal may be pasted into a chat; it needs no person's address and no story.
    #[test]
    fn values_are_shown_shortened() {
        assert_eq!(
            shown(&column(&["ann@example.com", "ann@example.com", "bo@example.com"])),
            "a…@example.com | b…@example.com"
        );
        assert_eq!(shown(&column(&["write to ann@example.com"])), "write to a…@example.com");
        assert_eq!(shown(&column(&["It came late\nand it was broken, too"])), "It came late and it was…");
        assert_eq!(shown(&column(&["1", "2", "2", "3", "4"])), "1 | 2 | 3");
        assert_eq!(shown(&column(&[""])), "(empty)");
    }
}
