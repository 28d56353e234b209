//! The pages: typed rows in, text out.
//!
//! ```text
//! context.rs   what a page is told        filled by `pages`, from the published tables
//! words.rs     its words, one file a language (strings.en.toml)
//! numbers.rs   numbers and dates as text
//! drawing.rs   values as places on a scale
//! *.html, *.md, *.txt, style.css          how it looks
//! ```
//!
//! Text from outside reaches a page only through the engine's escaping: which template is asked for decides
//! whether text is escaped (`.html`), also in what it imports. Nothing here knows tables, storage or the clock.

pub mod context;
mod drawing;
mod numbers;
mod words;

use include_dir::{Dir, include_dir};
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use context::{DictionaryPage, Leadership, Restated, SheetPage, StoresPage};
pub use drawing::{axis, log_axis};
use numbers::Format;
use words::Words;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/report");
/// Folders of templates.
const FOLDERS: [&str; 2] = ["", "sections"];

/// The templates, read once.
pub struct Templates {
    engine: Environment<'static>,
}

impl Templates {
    /// The templates with the words of the language.
    ///
    /// # Errors
    /// `Kind::Internal` where one of them is wrong.
    pub fn read() -> Result<Templates> {
        let words = Arc::new(Words::read(text("strings.en.toml")?)?);
        let style = text("style.css")?;
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_trim_blocks(true);
        engine.set_lstrip_blocks(true);
        for folder in FOLDERS {
            let dir = if folder.is_empty() { Some(&FILES) } else { FILES.get_dir(folder) };
            let files = dir.into_iter().flat_map(Dir::files);
            for file in files {
                let (Some(name), Some(text)) = (file.path().to_str(), file.contents_utf8()) else { continue };
                if [".html", ".md", ".txt"].iter().any(|ending| name.ends_with(ending)) {
                    engine.add_template(name, text).map_err(|e| wrong(name, &e))?;
                }
            }
        }
        engine.add_global("words", Value::from_serialize(words.all()));
        engine.add_global("style", style);
        engine.add_global("style_hash", base64(&Sha256::digest(style.as_bytes())));
        say(&mut engine, &words);
        count(&mut engine, &words);
        draw(&mut engine);
        Ok(Templates { engine })
    }

    /// # Errors
    /// `Kind::Internal` where a template asks for what is not there; so for all of these.
    pub fn leadership(&self, page: &Leadership) -> Result<String> {
        self.render("leadership.html", page)
    }

    /// The part of the leadership page that lists published figures which are different now.
    ///
    /// # Errors
    /// See [`Templates::leadership`].
    pub fn restated(&self, restated: &[Restated]) -> Result<String> {
        let change = BTreeMap::from([("restated", restated)]);
        self.render("sections/restated.html", BTreeMap::from([("change", change)]))
    }

    /// The page in five lines, as Markdown and as plain text.
    ///
    /// # Errors
    /// See [`Templates::leadership`].
    pub fn digests(&self, page: &Leadership) -> Result<[String; 2]> {
        Ok([self.render("digest.md", page)?, self.render("digest.txt", page)?])
    }

    /// # Errors
    /// See [`Templates::leadership`].
    pub fn sheet(&self, page: &SheetPage) -> Result<String> {
        self.render("store.html", page)
    }

    /// # Errors
    /// See [`Templates::leadership`].
    pub fn stores(&self, page: &StoresPage) -> Result<String> {
        self.render("stores.html", page)
    }

    /// # Errors
    /// See [`Templates::leadership`].
    pub fn dictionary(&self, page: &DictionaryPage) -> Result<String> {
        self.render("dictionary.html", page)
    }

    fn render(&self, name: &str, context: impl Serialize) -> Result<String> {
        let template = self.engine.get_template(name).map_err(|e| wrong(name, &e))?;
        template.render(context).map_err(|e| wrong(name, &e))
    }
}

fn text(name: &str) -> Result<&'static str> {
    let file = FILES.get_file(name).and_then(|file| file.contents_utf8());
    file.ok_or_else(|| Error::internal("a part of the pages is not in the binary").with("file", name))
}

/// The engine's words name the template's line, and may name a value: only the first are kept.
fn wrong(name: &str, error: &minijinja::Error) -> Error {
    let what = match error.kind() {
        ErrorKind::UndefinedError => "a page asks for what it was not told",
        ErrorKind::SyntaxError => "a page's template cannot be read",
        _ => "a page cannot be drawn",
    };
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    let place = format!("{}{line}", error.name().unwrap_or(name));
    let told = Error::internal(what).with("template", place);
    match error.kind() {
        // Of words and keys, which are ours.
        ErrorKind::UnknownFilter | ErrorKind::UnknownFunction | ErrorKind::MissingArgument => {
            told.with("engine", error)
        }
        ErrorKind::InvalidOperation => match error.detail() {
            Some(detail) => told.with("engine", detail),
            None => told,
        },
        _ => told,
    }
}

// ---- what templates may call ---------------------------------------------------------------------------------

/// `t(key, …)` and `t_or(key, fallback)`.
fn say(engine: &mut Environment<'static>, words: &Arc<Words>) {
    let of = words.clone();
    engine.add_function(
        "t",
        move |key: String, given: Kwargs| -> std::result::Result<String, minijinja::Error> {
            let value = |name: &str| -> Option<words::Filling> {
                let value: Value = given.get(name).ok()?;
                Some(match value.kind() {
                    ValueKind::Number if value.is_integer() => {
                        words::Filling::Count(i64::try_from(value.clone()).unwrap_or(i64::MAX))
                    }
                    ValueKind::Undefined => return None,
                    _ => words::Filling::Text(value.to_string()),
                })
            };
            of.say(&key, value).map_err(|what| minijinja::Error::new(ErrorKind::InvalidOperation, what))
        },
    );
    let of = words.clone();
    engine.add_function("t_or", move |key: String, fallback: Value| -> String {
        of.entry(&key).and_then(|entry| entry.as_str()).map_or_else(|| fallback.to_string(), str::to_string)
    });
    engine.add_filter("markdown", |text: String| words::markdown(&text));
    engine.add_filter("address", |url: String| words::address(&url));
}

/// Numbers and dates.
fn count(engine: &mut Environment<'static>, words: &Arc<Words>) {
    type OfNumber = fn(&Format, f64) -> String;
    let numbers: [(&str, OfNumber); 7] = [
        ("count", |format, x| format.decimals(x, 0)),
        ("whole", |format, x| format.decimals(x, 0)),
        ("points", |format, x| format.decimals(x, 1)),
        ("signed", |format, x| format.signed(x, 1)),
        ("percent", Format::percent),
        ("tick", Format::tick),
        ("tick_percent", Format::tick_percent),
    ];
    for (name, write) in numbers {
        let of = words.clone();
        engine.add_filter(name, move |value: f64| write(&of.format, value));
    }
    type OfText = fn(&Words, &str) -> String;
    let texts: [(&str, OfText); 3] = [
        ("date", |words, day| words.format.date(day)),
        ("day", |words, day| words.format.day(day)),
        ("period", Words::period),
    ];
    for (name, write) in texts {
        let of = words.clone();
        engine.add_filter(name, move |value: String| write(&of, &value));
    }
    let of = words.clone();
    engine.add_filter("number", move |x: f64, places: usize| of.format.decimals(x, places));
    let of = words.clone();
    engine
        .add_filter("period_beside", move |period: String, other: String| of.period_beside(&period, &other));
    let of = words.clone();
    engine.add_filter("period_short", move |period: String, before: Option<String>| {
        of.format.period_short(&period, before.as_deref())
    });
    let of = words.clone();
    engine.add_filter("money", move |value: Value| -> std::result::Result<String, minijinja::Error> {
        let amount = f64::try_from(value.get_attr("amount")?)?;
        Ok(of.format.money(amount, value.get_attr("currency")?.as_str().unwrap_or_default()))
    });
}

/// Places on a scale.
fn draw(engine: &mut Environment<'static>) {
    type Drawn = std::result::Result<String, minijinja::Error>;
    fn scale(axis: &Value) -> std::result::Result<drawing::Scale, minijinja::Error> {
        Ok(drawing::Scale {
            low: f64::try_from(axis.get_attr("low")?)?,
            high: f64::try_from(axis.get_attr("high")?)?,
            is_log: axis.get_attr("is_log")?.is_true(),
        })
    }
    engine.add_filter("coordinate", drawing::coordinate);
    engine.add_filter("at", |value: f64, axis: Value| -> Drawn { Ok(scale(&axis)?.at(value)) });
    engine.add_filter("up", |value: f64, axis: Value| -> Drawn { Ok(scale(&axis)?.up(value)) });
    engine.add_filter("length_on", |value: f64, axis: Value| -> Drawn { Ok(scale(&axis)?.length(value)) });
}

/// Base64 with padding, as a content security policy wants a hash.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            match place <= three.len() {
                true => text.push(char::from(LETTERS[(number >> (18 - 6 * place) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct World {
        leadership: Leadership,
        stores: StoresPage,
        sheets: Vec<SheetPage>,
        dictionary: DictionaryPage,
    }

    /// The made-up worlds of `tests/pages`, in the program's own types.
    fn worlds() -> Vec<(String, World)> {
        let pattern = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages/worlds/*.json");
        let files = glob::glob(pattern).unwrap().map(|file| file.unwrap());
        let read = |file: std::path::PathBuf| {
            let world = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            (file.file_stem().unwrap().to_string_lossy().into_owned(), world)
        };
        files.map(read).collect()
    }

    #[test]
    fn every_world_is_drawn() {
        let templates = Templates::read().unwrap();
        let worlds = worlds();
        assert!(worlds.len() >= 5);
        // `AFTERSALE_PAGES=<folder>`: kept, to be compared with those of tests/pages/pages.py.
        let folder = std::env::var_os("AFTERSALE_PAGES").map(std::path::PathBuf::from);
        let mut hostile = 0;
        for (name, world) in worlds {
            let page = templates.leadership(&world.leadership).unwrap();
            assert!(page.len() < 2_000_000, "{name}: {} bytes", page.len());
            assert!(page.contains("default-src 'none'"));
            // What somebody wrote stands there as it is: redaction, which comes before, plays no part here.
            for quote in world.leadership.voices.groups.iter().flat_map(|group| &group.quotes) {
                let escapes =
                    [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#x27;")];
                let text = escapes.iter().fold(quote.text.clone(), |text, (from, to)| text.replace(from, to));
                let is_there = page.replace("&#x2f;", "/").contains(&text);
                assert!(is_there, "{name}: {text}");
                hostile += usize::from(quote.text.contains('<'));
            }
            let [markdown, plain] = templates.digests(&world.leadership).unwrap();
            assert!(markdown.starts_with("# ") && plain.lines().count() >= 3, "{name}: {plain}");
            let mut pages = vec![
                ("leadership.html".to_string(), page),
                ("digest.md".into(), markdown),
                ("digest.txt".into(), plain),
                ("stores/index.html".into(), templates.stores(&world.stores).unwrap()),
                ("dictionary.html".into(), templates.dictionary(&world.dictionary).unwrap()),
            ];
            for sheet in &world.sheets {
                pages.push((sheet.sheet.file.clone(), templates.sheet(sheet).unwrap()));
            }
            for (path, text) in pages {
                for sign in [
                    "<script",
                    "<img",
                    "<iframe",
                    "<object",
                    "<h1>Owned",
                    "<base",
                    "<meta http-equiv=refresh",
                ] {
                    assert!(
                        !path.ends_with(".html") || !text.contains(sign),
                        "{sign} stands on {path} of {name}"
                    );
                }
                let Some(folder) = &folder else { continue };
                let file = folder.join(&name).join(path);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
        }
        assert!(hostile >= 5, "only {hostile} comments that try to be markup");
    }

    fn rich() -> Leadership {
        worlds().into_iter().find(|(name, _)| name == "rich").unwrap().1.leadership
    }

    /// The words of a part of a page.
    fn words_of(page: &str, from: &str, to: &str) -> String {
        let part = page.split(from).nth(1).unwrap().split(to).next().unwrap();
        part.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// NPS 31.4 (28.2 to 34.4) in October, and what is said of it: the sentence, and the title of what changed.
    #[test]
    fn a_score_is_told_as_surely_as_it_is_known() {
        let templates = Templates::read().unwrap();
        let told = |previous: Option<&str>, change: f64, direction, is_sure: bool, responses: u64| {
            let mut page = rich();
            let newest = context::Nps {
                period: "2026-10".into(),
                responses,
                promoters: responses / 2,
                passives: responses - responses / 2 - responses / 5,
                detractors: responses / 5,
                nps: 31.4,
                low: 28.2,
                high: 34.4,
                is_partial: false,
                is_few: responses < 30,
                previous_period: previous.map(str::to_string),
                change: previous.map(|_| change),
                direction: previous.map(|_| direction),
                is_more_than_chance: previous.map(|_| is_sure),
            };
            page.headline = Some(newest.clone());
            *page.change.nps.last_mut().unwrap() = newest;
            let text = templates.leadership(&page).unwrap();
            let sentence = words_of(&text, "<h1 id=\"headline-title\">", "</h1>");
            for digest in templates.digests(&page).unwrap() {
                let first = digest.lines().next().unwrap().trim_start_matches("# ").replace('\\', "");
                assert_eq!(first.split_whitespace().collect::<Vec<_>>().join(" "), sentence);
            }
            let change = text.split("<section id=\"change\"").nth(1).unwrap();
            [sentence, words_of(change, "<h3 class=\"finding\">", "</h3>")]
        };
        use context::Direction::{Down, Same, Up};
        for (previous, change, direction, is_sure, sentence, title) in [
            (
                Some("2026-09"),
                -3.2,
                Down,
                true,
                "NPS 31 (28 to 34), down 3 on September: more than chance",
                "NPS fell by 3 points in October 2026, more than chance",
            ),
            (
                Some("2026-09"),
                -3.2,
                Down,
                false,
                "NPS 31 (28 to 34), down 3 on September: could be chance",
                "NPS fell by 3 points in October 2026, which could be chance",
            ),
            (
                Some("2026-09"),
                3.2,
                Up,
                true,
                "NPS 31 (28 to 34), up 3 on September: more than chance",
                "NPS rose by 3 points in October 2026, more than chance",
            ),
            (
                Some("2026-09"),
                3.2,
                Up,
                false,
                "NPS 31 (28 to 34), up 3 on September: could be chance",
                "NPS rose by 3 points in October 2026, which could be chance",
            ),
            // A tie: never sure, and never up nor down.
            (
                Some("2026-09"),
                0.4,
                Same,
                false,
                "NPS 31 (28 to 34), much as in September",
                "NPS hardly moved in October 2026",
            ),
            (
                Some("2026-09"),
                -0.4,
                Same,
                true,
                "NPS 31 (28 to 34), much as in September",
                "NPS hardly moved in October 2026",
            ),
            // Another year is named; the period before may be further back.
            (
                Some("2025-10"),
                3.2,
                Up,
                true,
                "NPS 31 (28 to 34), up 3 on October 2025: more than chance",
                "NPS rose by 3 points in October 2026, more than chance",
            ),
            // The first period, and one on a period that is not shown.
            (
                None,
                0.0,
                Same,
                false,
                "NPS 31 (28 to 34)",
                "NPS 31 in October 2026; nothing before it that it could be compared with",
            ),
        ] {
            assert_eq!(
                told(previous, change, direction, is_sure, 900),
                [sentence, title],
                "{previous:?} {change}"
            );
        }
        let few = told(Some("2026-09"), -9.0, Down, true, 20);
        assert_eq!(few[0], "NPS 31, but from 20 answers: it could lie anywhere from 28 to 34");
        assert_eq!(few[1], "Too few answers in October 2026 to say whether NPS moved");
    }

    #[test]
    fn what_costs_most_is_named_only_where_it_is_known() {
        let templates = Templates::read().unwrap();
        let mut page = rich();
        page.cost.rows.truncate(2);
        for (row, label, points) in
            page.cost.rows.iter_mut().zip(["A", "B"]).zip([5.8, 5.1]).map(|((a, b), c)| (a, b, c))
        {
            (row.label, row.wording) = (label.to_string(), context::Wording::Effect);
            row.points.estimate = points;
        }
        let told = |page: &Leadership| {
            let text = templates.leadership(page).unwrap();
            words_of(&text, "id=\"cost-finding\">", "</h3>")
        };
        page.cost.is_first_sure = true;
        assert_eq!(told(&page), "“A” costs most: 5.8 points; then “B”");
        page.cost.is_first_sure = false;
        assert_eq!(told(&page), "“A” and “B” cost most, 5.8 and 5.1 points; which costs most is not sure");
        page.cost.rows[0].wording = context::Wording::Association;
        assert_eq!(
            told(&page),
            "“A” goes along with the largest loss, 5.8 points; that it is the cause is not shown"
        );
        page.cost.rows.truncate(1);
        page.cost.rows[0].wording = context::Wording::Effect;
        assert_eq!(told(&page), "“A” costs most: 5.8 points");
    }

    #[test]
    fn base64_as_others_write_it() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
