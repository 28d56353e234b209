//! The days that a folder's value stands for.

use chrono::{Datelike, Months, NaiveDate};

use crate::config::Covers;

/// The first and the last day that a value such as `2026-11-01`, `20261101`, `2026-11` or `202611` covers;
/// none if it says no day, or no month where months are covered.
pub fn covered(value: &str, covers: Covers) -> Option<(NaiveDate, NaiveDate)> {
    let day = day(value);
    match covers {
        Covers::Day => day.map(|day| (day, day)),
        Covers::Month => {
            let first = day.or_else(|| month(value))?.with_day(1)?;
            Some((first, first.checked_add_months(Months::new(1))?.pred_opt()?))
        }
    }
}

fn day(value: &str) -> Option<NaiveDate> {
    let format = match value.len() {
        8 => "%Y%m%d",
        10 => "%Y-%m-%d",
        _ => return None,
    };
    NaiveDate::parse_from_str(value, format).ok()
}

fn month(value: &str) -> Option<NaiveDate> {
    match value.len() {
        6 => day(&format!("{value}01")),
        7 => day(&format!("{value}-01")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cover_days_and_months() {
        for (value, covers, expected) in [
            ("2026-02-03", Covers::Day, Some("2026-02-03 2026-02-03")),
            ("20260203", Covers::Day, Some("2026-02-03 2026-02-03")),
            ("2026-02", Covers::Day, None),
            ("2026-02", Covers::Month, Some("2026-02-01 2026-02-28")),
            ("202412", Covers::Month, Some("2024-12-01 2024-12-31")),
            ("2024-02-17", Covers::Month, Some("2024-02-01 2024-02-29")),
            ("2026-02-30", Covers::Day, None),
            ("+2026-2-3", Covers::Day, None),
            ("été 2026", Covers::Month, None),
            ("", Covers::Month, None),
        ] {
            let found = covered(value, covers).map(|(first, last)| format!("{first} {last}"));
            assert_eq!(found.as_deref(), expected, "{value}");
        }
    }
}
