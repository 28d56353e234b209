//! Each power lives in one room, and each query reads what it declares.
//!
//! Every rule is a function over text, and is seen to fail on a bad example below.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{self, visit_expressions};

// ---- rooms -----------------------------------------------------------------------------------------------

/// Words of Rust that stand in some rooms only; a room is a path under `src`, or its beginning.
struct Power {
    words: &'static [&'static str],
    only_in: &'static [&'static str],
    /// What may be said elsewhere all the same.
    except: &'static [&'static str],
    why: &'static str,
    /// A line that breaks the rule.
    bad: (&'static str, &'static str),
}

const POWERS: &[Power] = &[
    Power {
        words: &["object_store::", "object_store as"],
        only_in: &["store"],
        // The engine hands a store that somebody else opened, and its entries, to the session.
        except: &["use object_store::ObjectStore;", "use object_store::ObjectMeta;"],
        why: "only the store room talks to object storage",
        bad: ("engine/mod.rs", "use object_store::aws::AmazonS3Builder;"),
    },
    Power {
        words: &["datafusion::", "datafusion as"],
        only_in: &[
            "engine",
            "sources",
            "exposures",
            "drivers",
            "pages",
            "pipeline",
            "catalogue",
            "published",
            "trace",
            "diff",
        ],
        except: &[],
        why: "storage, configuration, terminal and statistics know no SQL engine",
        bad: ("store/mod.rs", "use datafusion::prelude::SessionContext;"),
    },
    Power {
        words: &["env::var", "env::vars", "env::args", "std::env;", "option_env!"],
        only_in: &["config", "cli", "main"],
        except: &[],
        why: "the environment is read in one place and handed on",
        bad: ("store/address.rs", "let region = std::env::var(\"AWS_REGION\");"),
    },
    Power {
        words: &["Instant::now", "SystemTime", "Utc::now", "Local::now"],
        only_in: &["cli"],
        except: &[],
        why: "no wall clock in a result: the as-of is handed in",
        bad: ("pipeline.rs", "let now = chrono::Utc::now();"),
    },
    Power {
        words: &["println!", "eprintln!", "print!", "eprint!", "dbg!", "io::stdout", "io::stderr"],
        only_in: &["cli", "main"],
        except: &[],
        why: "one room speaks to the terminal; the others report to it",
        bad: ("sources/pin.rs", "eprintln!(\"listing\");"),
    },
    Power {
        words: &["std::fs", "tokio::fs"],
        only_in: &["store", "config", "cli"],
        except: &[],
        why: "files are reached through the store",
        bad: ("pages/rows.rs", "std::fs::write(path, page)"),
    },
    Power {
        words: &["csv::Writer", "csv::WriterBuilder"],
        only_in: &["generate"],
        except: &[],
        why: "a spreadsheet runs what begins with `=`, `+`, `-` or `@`: nothing but made-up exports is CSV",
        bad: ("cli/mod.rs", "let mut out = csv::Writer::from_writer(file);"),
    },
    Power {
        words: &["process::exit", "process::abort"],
        only_in: &["main", "store/faults"],
        except: &[],
        why: "a kind of error decides the exit code, in one place",
        bad: ("cli/mod.rs", "std::process::exit(64)"),
    },
];

/// Rooms that know next to nothing: what may not be said in them.
const BLIND: &[(&str, &[&str], &str)] = &[
    (
        "stats",
        &[
            "arrow::",
            "parquet::",
            "datafusion",
            "tokio::",
            "object_store",
            "std::fs",
            "std::io",
            "std::time",
            "std::env",
            "chrono",
        ],
        "statistics are numbers in and numbers out",
    ),
    (
        "report",
        &[
            "arrow::",
            "datafusion",
            "tokio::",
            "object_store",
            "std::fs",
            "std::time",
            "std::env",
            "queries::",
        ],
        "a page is typed rows in and text out",
    ),
    ("store", &["queries::", "feeds::", "\"select "], "storage knows neither SQL nor tables"),
    ("config", &["object_store", "datafusion"], "the configuration knows no storage and no engine"),
];

#[test]
fn powers_stay_in_their_rooms() {
    let files = sources();
    assert!(files.len() >= 20, "only {} files under src", files.len());
    let broken: Vec<String> = files.iter().flat_map(|(path, text)| misplaced(path, text)).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn a_power_in_a_wrong_room_is_seen() {
    for power in POWERS {
        let (path, line) = power.bad;
        assert!(!misplaced(path, line).is_empty(), "{line} in {path} is not seen");
        assert_eq!(misplaced(path, &format!("// {line}")).len(), 0, "a comment is no code");
        assert_eq!(misplaced(path, &format!("#[cfg(test)]\nmod tests {{ {line} }}")).len(), 0);
        let home = power.only_in[0];
        assert_eq!(misplaced(&format!("{home}/other.rs"), line).len(), 0, "{line} is seen in {home}");
        assert_eq!(misplaced(&format!("{home}.rs"), line).len(), 0, "{line} is seen in {home}.rs");
    }
    for (room, words, _) in BLIND {
        for word in *words {
            assert!(
                !misplaced(&format!("{room}/a.rs"), &format!("use {word}x;")).is_empty(),
                "{word} in {room}"
            );
        }
    }
    assert_eq!(misplaced("engine/mod.rs", "use object_store::ObjectStore;").len(), 0);
    assert_eq!(misplaced("stats/mod.rs", "let narrow::x = 1;").len(), 0, "part of a longer word");
}

/// What a file says that belongs into another room. Its tests, at its end, may say anything.
fn misplaced(path: &str, text: &str) -> Vec<String> {
    let is_in =
        |room: &str| path == format!("{room}.rs") || path == room || path.starts_with(&format!("{room}/"));
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut broken = Vec::new();
    for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        let mut refuse = |word: &str, why: &str| {
            broken.push(format!("src/{path}:{}: `{word}`: {why}\n    {}", number + 1, line.trim()));
        };
        for power in POWERS.iter().filter(|power| !power.only_in.iter().any(|room| is_in(room))) {
            let line = power.except.iter().fold(line.to_string(), |line, phrase| line.replace(phrase, ""));
            if let Some(word) = power.words.iter().find(|word| says(&line, word)) {
                refuse(word, power.why);
            }
        }
        for (_, words, why) in BLIND.iter().filter(|(room, ..)| is_in(room)) {
            if let Some(word) = words.iter().find(|word| says(line, word)) {
                refuse(word, why);
            }
        }
    }
    broken
}

/// Whether the word stands in the line, and is not the end of a longer one.
fn says(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(is_part))
}

/// Every file under `src` but those of tests, by its path there.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let pattern = root.join("**/*.rs");
    let files = glob::glob(pattern.to_str().expect("the path is UTF-8")).expect("a pattern");
    let mut sources = Vec::new();
    for file in files {
        let file = file.expect("a file that can be read");
        let path = file.strip_prefix(&root).expect("a file under src").to_string_lossy().into_owned();
        if !path.ends_with("tests.rs") {
            sources.push((path, std::fs::read_to_string(file).expect("source code is UTF-8")));
        }
    }
    sources
}

// ---- queries ---------------------------------------------------------------------------------------------

/// The tables that Rust makes, and the folder after which they are there (`*`: any feed).
const MADE_BY_RUST: &[(&str, u32)] = &[
    ("typed_*", 0),
    ("unique_*", 0),
    ("match_values", 1),
    ("match_kinds", 1),
    ("source_tables", 0),
    ("filtered_rows", 0),
    ("erased_rows", 0),
    ("deliveries", 0),
    ("ticket_versions", 0),
    ("value_notes", 0),
    ("pooled_kinds", 0),
    ("pooled_triggers", 0),
    ("touchpoints", 7),
    ("event_touchpoints", 7),
    ("exposures", 7),
    ("answer_segments", 7),
    ("touchpoint_counts", 7),
    ("exposed_amounts", 7),
    ("effects", 7),
    ("verdicts", 7),
    ("segment_rule", 7),
    ("model_terms", 7),
    ("dose_bins", 7),
    ("change_parts", 7),
    ("guardrails", 7),
    ("sensitivity", 7),
    ("attributions", 7),
    ("predictions", 7),
    ("journey_predictions", 7),
    ("previous_nps", 9),
    ("previous_touchpoint_trend", 9),
    ("since_previous", 9),
    ("changed_touchpoints", 9),
    ("data_dictionary", 10),
    ("placed_answers", 10),
    ("sheet_answers", 10),
    ("follow_up_cases", 10),
    ("closed_loop", 10),
];

const VOLATILE: &[&str] =
    &["now", "current_date", "current_time", "current_timestamp", "today", "random", "uuid", "rand"];

#[test]
fn queries_read_what_they_declare() {
    let files = query_files();
    assert!(files.len() >= 30, "only {} queries", files.len());
    let made: Vec<(&str, &str)> =
        files.iter().map(|(folder, name, _)| (name.as_str(), folder.as_str())).collect();
    let broken: Vec<String> =
        files.iter().flat_map(|(folder, name, sql)| untidy(folder, name, sql, &made)).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn an_untidy_query_is_seen() {
    let made = [("stg_a", "2_staging"), ("int_b", "3_links"), ("fct_c", "8_tables")];
    let tidy = "-- int_x: a sentence\n-- grain: id\n-- reads: stg_a, int_b\n\
                with one as (select * from stg_a) select one.id from one join int_b as b on b.id = one.id";
    assert_eq!(untidy("4_moments", "int_x", tidy, &made), Vec::<String>::new());
    let published = "-- fct_x: a sentence\n-- grain: id\n-- reads: int_b\n-- order: id\n\
                     -- column id text: the id\nselect id from int_b";
    assert_eq!(untidy("8_tables", "fct_x", published, &made), Vec::<String>::new());

    let seen = |name: &str, sql: &str, from: &str, to: &str, word: &str| {
        let folder = if name.starts_with("fct_") { "8_tables" } else { "4_moments" };
        assert!(sql.contains(from), "{from:?} is not there to be replaced");
        let problems = untidy(folder, name, &sql.replacen(from, to, 1), &made);
        assert!(problems.iter().any(|problem| problem.contains(word)), "{to:?}: {problems:?}");
    };
    seen("int_x", tidy, "-- int_x", "-- int_y", "name");
    seen("int_x", tidy, "-- grain: id\n", "", "grain");
    seen("int_x", tidy, "stg_a, int_b", "stg_a", "int_b");
    seen("int_x", tidy, "stg_a, int_b", "stg_a, int_b, stg_c", "stg_c");
    seen("int_x", &tidy.replace("int_b", "fct_c"), "", "", "fct_c");
    seen("int_x", &tidy.replace("int_b", "int_unknown"), "", "", "int_unknown");
    seen("int_x", &tidy.replace("int_b", "exposures"), "", "", "exposures");
    seen("int_x", tidy, "one.id from", "now() from", "now");
    seen("int_x", tidy, "one.id from", "one.id + random() from", "random");
    seen("int_x", tidy, "with one as", "create table t as with one as", "reads");
    seen("int_x", tidy, "select one.id", "select one.id from one; select one.id", "one statement");
    seen("int_x", tidy, "select one.id", "select one.id where", "SQL error");
    seen("fct_x", published, "-- column id text: the id\n", "", "column");
    seen("fct_x", published, "-- order: id\n", "", "order");
    seen("fct_x", published, "-- order: id\n", "-- order: when\n", "when");
    seen("fct_x", published, "-- grain: id\n", "-- grain: who\n", "who");
}

/// What is wrong with a query: its header against its SQL, and the order of folders.
fn untidy(folder: &str, name: &str, sql: &str, made: &[(&str, &str)]) -> Vec<String> {
    let header: Vec<&str> = sql.lines().map_while(|line| line.strip_prefix("-- ")).collect();
    let listed = |key: &str| -> Vec<&str> {
        let line = header.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or("").split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
    };
    let mut problems = Vec::new();
    if header.first().is_none_or(|line| !line.starts_with(&format!("{name}: "))) {
        problems.push("the first line does not give the file's name and a sentence".to_string());
    }
    let is_check = folder == "checks";
    if !is_check && listed("grain").is_empty() {
        problems.push("no grain is declared".into());
    }
    let is_published =
        ["fct_", "rpt_"].iter().any(|prefix| name.starts_with(prefix)) || name == "rejected_rows";
    let columns: Vec<&str> =
        header.iter().filter_map(|line| line.strip_prefix("column ")?.split(' ').next()).collect();
    if is_published == columns.is_empty() {
        problems.push("published tables, and no others, declare each column".into());
    }
    if is_published == listed("order").is_empty() {
        problems.push("published tables, and no others, declare their order".into());
    }
    if is_published && name != "rejected_rows" {
        for key in listed("grain").iter().chain(&listed("order")).filter(|key| !columns.contains(key)) {
            problems.push(format!("`{key}` of grain or order is no declared column"));
        }
    }
    let place = |problem: String| format!("queries/{folder}/{name}.sql: {problem}");
    let statements = match DFParser::parse_sql(sql) {
        Ok(statements) => Vec::from(statements),
        Err(e) => return vec![place(e.to_string())],
    };
    let [Statement::Statement(statement)] = statements.as_slice() else {
        return vec![place("a file is one statement".into())];
    };
    if !matches!(statement.as_ref(), ast::Statement::Query(_)) {
        problems.push("a query reads, and does nothing else".into());
    }
    if let ControlFlow::Break(function) = visit_expressions(statement.as_ref(), |expr| match expr {
        ast::Expr::Function(call) if VOLATILE.contains(&call.name.to_string().to_lowercase().as_str()) => {
            ControlFlow::Break(call.name.to_string())
        }
        _ => ControlFlow::Continue(()),
    }) {
        problems.push(format!("`{function}` gives another result every time"));
    }
    let (tables, _) = resolve_table_references(&statements[0], true).expect("table names");
    let read: BTreeSet<String> = tables.iter().map(ToString::to_string).collect();
    let declared: BTreeSet<String> = listed("reads").into_iter().map(str::to_string).collect();
    for table in read.symmetric_difference(&declared) {
        problems.push(format!("`{table}` is read or declared under `reads`, not both"));
    }
    for table in &read {
        match made_in(table, made) {
            None => problems.push(format!("nobody makes `{table}`")),
            Some(made_in) if !is_check && made_in >= number(folder) => {
                problems.push(format!("`{table}` is not there before this folder is done"));
            }
            Some(_) => {}
        }
    }
    problems.into_iter().map(place).collect()
}

/// The number of the folder after which a table is there, in tenths: what Rust makes comes after a folder's.
fn made_in(table: &str, made: &[(&str, &str)]) -> Option<u32> {
    let by_query = made.iter().find(|(name, _)| *name == table).map(|(_, folder)| number(folder));
    let by_rust = MADE_BY_RUST.iter().find(|(name, _)| match name.strip_suffix('*') {
        Some(prefix) => table.starts_with(prefix),
        None => *name == table,
    });
    by_query.or(by_rust.map(|(_, folder)| 10 * folder + 5))
}

fn number(folder: &str) -> u32 {
    10 * folder.split('_').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(u32::MAX / 20)
}

/// Folder, name and text of every query.
fn query_files() -> Vec<(String, String, String)> {
    let pattern = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/*/*.sql");
    let files = glob::glob(pattern.to_str().expect("the path is UTF-8")).expect("a pattern");
    let part =
        |path: Option<&std::ffi::OsStr>| path.and_then(|part| part.to_str()).unwrap_or_default().to_string();
    files
        .map(|file| {
            let file = file.expect("a file that can be read");
            let folder = part(file.parent().and_then(Path::file_name));
            let text = std::fs::read_to_string(&file).expect("a query is UTF-8");
            (folder, part(file.file_stem()), text)
        })
        .collect()
}
