//! The words of the pages, and text of strangers inside them.

use serde_json::Value;

use super::numbers::Format;
use crate::error::{Error, Result};

/// One language.
pub struct Words {
    all: Value,
    pub format: Format,
}

/// What stands for a placeholder.
pub enum Filling {
    /// Written with the language's thousands; the placeholder `n` decides between one and many.
    Count(i64),
    Text(String),
}

impl Words {
    /// # Errors
    /// `Kind::Internal` where the file is no words.
    pub fn read(text: &str) -> Result<Words> {
        let wrong = |what: String| Error::internal("the words of the pages are wrong").with("what", what);
        let all: Value = toml::from_str(text).map_err(|e| wrong(e.message().to_string()))?;
        let format = all.get("format").cloned().unwrap_or_default();
        let format: Format = serde_json::from_value(format).map_err(|e| wrong(e.to_string()))?;
        format.check().map_err(wrong)?;
        Ok(Words { all, format })
    }

    pub fn all(&self) -> &Value {
        &self.all
    }

    /// What stands at a key such as `short.lead.cost`.
    pub fn entry(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(&self.all, |value, part| value.get(part))
    }

    /// The words at `key`, their placeholders filled.
    ///
    /// # Errors
    /// A sentence: no such words, or a placeholder without a value.
    pub fn say(
        &self,
        key: &str,
        value: impl Fn(&str) -> Option<Filling>,
    ) -> std::result::Result<String, String> {
        let missing = || format!("there are no words at `{key}`");
        let entry = self.entry(key).ok_or_else(missing)?;
        let form = match entry {
            Value::Object(forms) => {
                let one = matches!(value("n"), Some(Filling::Count(1)));
                forms.get(if one { "one" } else { "other" }).and_then(Value::as_str)
            }
            entry => entry.as_str(),
        };
        let mut rest = form.ok_or_else(missing)?;
        let mut said = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("`{key}` has an open brace"))?;
            said.push_str(before);
            said.push_str(&match value(name) {
                Some(Filling::Count(count)) => self.format.decimals(count as f64, 0),
                Some(Filling::Text(text)) => clean(&text),
                None => return Err(format!("`{key}` asks for `{name}`")),
            });
            rest = after;
        }
        said.push_str(rest);
        Ok(said)
    }

    /// A period in words; `window` too.
    pub fn period(&self, period: &str) -> String {
        match period {
            "window" => self.entry("common.window").and_then(Value::as_str).unwrap_or(period).to_string(),
            period => self.format.period(period),
        }
    }

    pub fn period_beside(&self, period: &str, other: &str) -> String {
        self.format.period_beside(period, other).unwrap_or_else(|| self.period(period))
    }
}

/// Data inside a sentence: one line, no control characters, nothing that turns the rest of the sentence.
fn clean(text: &str) -> String {
    let mut plain = String::new();
    let mut was_control = false;
    for c in text.chars() {
        let is_control = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if is_control && !was_control {
            plain.push(' ');
        }
        was_control = is_control;
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if !is_control && !turns {
            plain.push(c);
        }
    }
    let plain = plain.trim();
    match plain.chars().any(is_right_to_left) {
        true => format!("\u{2068}{plain}\u{2069}"),
        false => plain.to_string(),
    }
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// A sentence in which nothing is Markdown or HTML.
pub fn markdown(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        if "\\`*_{}[]<>#|~!&@".contains(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe.replace("://", ":\\/\\/").replace("www.", "www\\.")
}

/// An address that cannot leave its angle brackets.
pub fn address(url: &str) -> String {
    let mut safe = String::new();
    for c in url.chars() {
        if c.is_ascii_alphanumeric() || "-._~:/?#@!$&'()*+,;=%".contains(c) {
            safe.push(c);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words::read(super::super::text("strings.en.toml").unwrap()).unwrap()
    }

    #[test]
    fn words_are_filled_and_missing_ones_are_told() {
        let words = words();
        let n = |n: i64| move |name: &str| (name == "n").then_some(Filling::Count(n));
        assert_eq!(words.say("store.answers", n(1)).unwrap(), "1 answer");
        assert_eq!(words.say("store.answers", n(1_200)).unwrap(), "1,200 answers");
        assert!(words.say("store.nowhere", n(1)).is_err());
        assert!(words.say("cost.needs", n(1)).unwrap_err().contains("`what`"));
        let odd = |_: &str| Some(Filling::Text("{what} a\n\u{202e}b".into()));
        assert_eq!(words.say("cost.needs", odd).unwrap(), "needs {what} a b");
    }

    #[test]
    fn text_of_strangers_stays_in_its_place() {
        assert_eq!(clean(" a\u{0}\u{1}b\r\nc "), "a b c");
        assert_eq!(clean("\u{202e}abc"), "abc");
        assert_eq!(clean("עברית"), "\u{2068}עברית\u{2069}");
        assert_eq!(markdown("*a* <b> [c](d) https://e"), "\\*a\\* \\<b\\> \\[c\\](d) https:\\/\\/e");
        assert_eq!(address("https://a/b c>é"), "https://a/b%20c%3E%C3%A9");
    }
}
