//! Numbers, amounts and dates as a person of the language writes them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `[format]` of the words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    decimal: String,
    thousands: String,
    minus: String,
    percent: String,
    months: Vec<String>,
    months_short: Vec<String>,
    date: String,
    day: String,
    month: String,
    month_short: String,
    month_short_year: String,
    week: String,
    week_beside: String,
    week_short: String,
    week_short_year: String,
    money: String,
    money_thousands: String,
    money_millions: String,
    symbols: BTreeMap<String, String>,
}

/// `2026-10` or `2026-W43`.
enum Period<'a> {
    Month(&'a str, usize),
    Week(&'a str, u32),
}

impl<'a> Period<'a> {
    fn of(text: &'a str) -> Option<Period<'a>> {
        let (year, part) = text.split_once('-')?;
        match part.strip_prefix('W') {
            Some(week) => Some(Period::Week(year, week.parse().ok()?)),
            None => Some(Period::Month(year, part.parse().ok().filter(|month| (1..=12).contains(month))?)),
        }
    }
}

impl Format {
    /// So many decimals, with the language's signs.
    pub fn decimals(&self, value: f64, places: usize) -> String {
        let text = format!("{:.places$}", value.abs());
        let is_negative = value < 0.0 && text.contains(|c: char| ('1'..='9').contains(&c));
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let mut written = String::new();
        if is_negative {
            written.push_str(&self.minus);
        }
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(3) {
                written.push_str(&self.thousands);
            }
            written.push(digit);
        }
        if !part.is_empty() {
            written.push_str(&self.decimal);
            written.push_str(part);
        }
        written
    }

    /// With a plus where it is more than nothing.
    pub fn signed(&self, value: f64, places: usize) -> String {
        let text = self.decimals(value, places);
        let is_something = text.contains(|c: char| ('1'..='9').contains(&c));
        if value > 0.0 && is_something { format!("+{text}") } else { text }
    }

    /// A share as percent: with a decimal where it is small.
    pub fn percent(&self, share: f64) -> String {
        let value = 100.0 * share;
        let places = usize::from(value.abs() < 9.95 && value != 0.0);
        fill(&self.percent, &[("value", self.decimals(value, places))])
    }

    /// As many decimals as it has, two at most.
    pub fn tick(&self, value: f64) -> String {
        let text = self.decimals(value, 2);
        match text.rsplit_once(self.decimal.as_str()) {
            Some((whole, part)) => match part.trim_end_matches('0') {
                "" => whole.to_string(),
                part => format!("{whole}{}{part}", self.decimal),
            },
            None => text,
        }
    }

    pub fn tick_percent(&self, share: f64) -> String {
        fill(&self.percent, &[("value", self.tick(100.0 * share))])
    }

    /// An amount, large ones in thousands and millions; without a currency the bare number.
    pub fn money(&self, amount: f64, currency: &str) -> String {
        let symbol = match (self.symbols.get(currency), currency) {
            (Some(symbol), _) => symbol.clone(),
            (None, "") => String::new(),
            (None, currency) => format!("{currency} "),
        };
        let (form, amount) = if amount.abs() >= 999_500.0 {
            (&self.money_millions, self.decimals(amount / 1e6, 1))
        } else if amount.abs() >= 9_950.0 {
            (&self.money_thousands, self.decimals(amount / 1e3, 0))
        } else {
            (&self.money, self.decimals(amount, 0))
        };
        fill(form, &[("symbol", symbol), ("amount", amount)])
    }

    /// `2026-10-31`; what is no day stays as it is.
    pub fn date(&self, day: &str) -> String {
        self.day_as(&self.date, day)
    }

    pub fn day(&self, day: &str) -> String {
        self.day_as(&self.day, day)
    }

    fn day_as(&self, form: &str, text: &str) -> String {
        let mut parts = text.splitn(3, '-');
        let (year, month, day) = (parts.next(), parts.next(), parts.next());
        let month =
            month.and_then(|month| month.parse::<usize>().ok()).and_then(|month| month.checked_sub(1));
        let day = day.and_then(|day| day.parse::<u32>().ok());
        match (year, month.filter(|month| *month < 12), day) {
            (Some(year), Some(month), Some(day)) => fill(
                form,
                &[
                    ("day", day.to_string()),
                    ("month", self.months[month].clone()),
                    ("month_short", self.months_short[month].clone()),
                    ("year", year.to_string()),
                ],
            ),
            _ => text.to_string(),
        }
    }

    pub fn period(&self, text: &str) -> String {
        match Period::of(text) {
            Some(Period::Month(year, month)) => {
                fill(&self.month, &[("month", self.months[month - 1].clone()), ("year", year.into())])
            }
            Some(Period::Week(year, week)) => {
                fill(&self.week, &[("week", week.to_string()), ("year", year.into())])
            }
            None => text.to_string(),
        }
    }

    /// Without its year, where the other has the same.
    pub fn period_beside(&self, text: &str, other: &str) -> Option<String> {
        let of = Period::of(text)?;
        let (Period::Month(year, _) | Period::Week(year, _)) = of;
        other.strip_prefix(year)?.strip_prefix('-')?;
        Some(match of {
            Period::Month(_, month) => self.months[month - 1].clone(),
            Period::Week(_, week) => fill(&self.week_beside, &[("week", week.to_string())]),
        })
    }

    /// With its year, unless the one before it has the same.
    pub fn period_short(&self, text: &str, before: Option<&str>) -> String {
        let is_same = |year: &str| before.is_some_and(|before| before.starts_with(&format!("{year}-")));
        match Period::of(text) {
            Some(Period::Month(year, month)) => {
                let form = if is_same(year) { &self.month_short } else { &self.month_short_year };
                fill(form, &[("month_short", self.months_short[month - 1].clone()), ("year", year.into())])
            }
            Some(Period::Week(year, week)) => {
                let form = if is_same(year) { &self.week_short } else { &self.week_short_year };
                fill(form, &[("week", week.to_string()), ("year", year.into())])
            }
            None => text.to_string(),
        }
    }

    /// # Errors
    /// A sentence: what is missing.
    pub fn check(&self) -> std::result::Result<(), String> {
        match self.months.len() == 12 && self.months_short.len() == 12 {
            true => Ok(()),
            false => Err("a year has twelve months".into()),
        }
    }
}

fn fill(form: &str, values: &[(&str, String)]) -> String {
    let mut text = form.to_string();
    for (name, value) in values {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::words::Words;

    fn format() -> super::Format {
        Words::read(super::super::text("strings.en.toml").unwrap()).unwrap().format
    }

    #[test]
    fn numbers_as_people_write_them() {
        let of = format();
        assert_eq!(of.decimals(1_234_567.0, 0), "1,234,567");
        assert_eq!(of.decimals(-0.04, 1), "0.0");
        assert_eq!(of.decimals(-12.25, 1), "−12.2");
        assert_eq!([of.signed(0.04, 1), of.signed(0.05, 2), of.signed(-3.0, 1)], ["0.0", "+0.05", "−3.0"]);
        assert_eq!(
            [of.percent(0.0), of.percent(0.056), of.percent(0.1), of.percent(1.0)],
            ["0%", "5.6%", "10%", "100%"]
        );
        assert_eq!([of.tick(0.5), of.tick(20.0), of.tick(-1.25)], ["0.5", "20", "−1.25"]);
        assert_eq!(
            [of.money(9_949.0, "EUR"), of.money(12_345.0, "GBP"), of.money(1_250_000.0, "SEK")],
            ["€9,949", "£12,000", "SEK 1.2 million"]
        );
        assert_eq!(of.money(50.0, ""), "50");
    }

    #[test]
    fn days_and_periods() {
        let of = format();
        assert_eq!([of.date("2026-10-31"), of.day("2026-01-02")], ["31 October 2026", "2 Jan"]);
        assert_eq!([of.period("2026-10"), of.period("2026-W03")], ["October 2026", "week 3 of 2026"]);
        assert_eq!(of.period_beside("2026-09", "2026-10").as_deref(), Some("September"));
        assert_eq!(of.period_beside("2025-12", "2026-01"), None);
        assert_eq!(of.period_short("2026-10", Some("2026-09")), "Oct");
        assert_eq!(of.period_short("2026-01", Some("2025-12")), "Jan 2026");
        for odd in ["", "x", "2026-13", "2026-W", "9999-99-99"] {
            assert_eq!([of.period(odd), of.period_short(odd, None)], [odd, odd]);
        }
    }
}
