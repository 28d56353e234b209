//! Customers on the erasure list: what a run leaves out, and what `erase` takes out of what is kept.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::program::{Outcome, aftersale_with, text};
use crate::promise;
use crate::table::{all_published, latest, published, run_folder};

const FEEDS: [(&str, &str); 6] = [
    (
        "surveys",
        "response_id,responded_at,score,customer_id,email,order_id\n\
         R1,2025-05-10,9,,,O1\n\
         R2,2025-05-10,2,,,O2\n\
         R3,2025-05-11,3,C3,,\n\
         R4,2025-05-12,4,,B@x.example ,\n\
         R5,2025-05-12,20,,,O2\n",
    ),
    (
        "purchases",
        "order_id,ordered_at,promised_at,delivered_at,customer_id,email\n\
         O1,2025-05-01,2025-05-05,2025-05-04,C1,a@x.example\n\
         O2,2025-05-01,2025-05-05,2025-05-08,C2,b@x.example\n\
         O3,2025-05-02,2025-05-05,2025-05-08,C3,c@x.example\n\
         O4,2025-05-03,2025-05-05,2025-05-04,C1,\n",
    ),
    (
        "tickets",
        "ticket_id,opened_at,order_id,email\n\
         T1,2025-05-06,O2,\n\
         T2,2025-05-06,,c@x.example\n\
         T3,2025-05-06,O1,\n\
         T4,2025-05-06,,b2@x.example\n",
    ),
    ("ticket_events", "ticket_id,occurred_at,event\nT1,2025-05-07,replied\nT3,2025-05-07,replied\n"),
    (
        "interactions",
        "interaction_id,occurred_at,kind,customer_id,order_id\nI1,2025-05-07,call,C2,\nI2,2025-05-07,call,,O1\n",
    ),
    ("identities", "customer_id,kind,value\nC2,email,b2@x.example\nC1,email,a@x.example\n"),
];

struct Shop(TempDir);

impl Shop {
    fn new() -> Shop {
        let shop = Shop(tempfile::tempdir().expect("a temporary folder"));
        for (feed, rows) in FEEDS {
            fs::write(shop.path(&format!("{feed}.csv")), rows).expect("written");
        }
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn output(&self) -> PathBuf {
        self.path("out")
    }

    fn call(&self, list: Option<&str>, arguments: &[&str], fault: &str) -> Outcome {
        let mut settings =
            "output = \"out\"\n[analysis]\nmin_link_rate = 0.0\nmax_rejected_share = 1.0\n".to_string();
        if let Some(list) = list {
            // One that is written anew is another one.
            if fs::read_to_string(self.path("erasure.csv")).ok().as_deref() != Some(list) {
                fs::write(self.path("erasure.csv"), list).expect("written");
            }
            settings += "[privacy]\nerasure_list = \"erasure.csv\"\n";
        }
        for (feed, _) in FEEDS {
            settings += &format!("[sources.{feed}]\nurl = \"{feed}.csv\"\n");
        }
        let config = self.path("aftersale.toml");
        fs::write(&config, settings).expect("written");
        let (verb, rest) = arguments.split_first().expect("a verb");
        let environment: Vec<_> =
            (!fault.is_empty()).then_some(("AFTERSALE_FAULT", fault)).into_iter().collect();
        aftersale_with(&[&[*verb, "--config", text(&config)], rest].concat(), &environment)
    }

    /// Ids of a published column, sorted.
    fn ids(&self, table: &str, column: &str) -> Vec<String> {
        let table = published(&self.output(), table);
        let place = table.column(column);
        let mut ids: Vec<String> =
            table.rows.iter().map(|row| row[place].clone()).filter(|id| !id.is_empty()).collect();
        ids.sort();
        ids
    }
}

/// C2 by its id, C3 by the address beside it; written otherwise than in the exports.
const LIST: &str = "email,reason,customer_id\n,asked for it, c2\nC@X.example,asked for it,\n";

#[test]
fn a_run_leaves_out_all_that_is_theirs() {
    let shop = Shop::new();
    shop.call(None, &["run"], "").expect(0);
    assert_eq!(shop.ids("fct_exposures", "response_id"), ["R1", "R2", "R3", "R4"]);
    shop.call(Some(LIST), &["run"], "").expect(0);

    assert_eq!(shop.ids("fct_exposures", "response_id"), ["R1"]);
    assert_eq!(shop.ids("fct_journeys", "journey_id"), ["O1", "O4"]);
    assert_eq!(shop.ids("rejected_rows", "key"), Vec::<String>::new());
    let quality = published(&shop.output(), "rpt_data_quality").only("section", &["erased"]);
    let (source, rows) = (quality.column("source"), quality.column("rows"));
    let counts: Vec<(&str, &str)> =
        quality.rows.iter().map(|row| (row[source].as_str(), row[rows].as_str())).collect();
    // R2 and R5 name O2, R3 is C3's, R4 bears C2's address; T1 is about O2, T2 bears C3's address and T4
    // the one that C2 has by the identities.
    assert_eq!(
        counts,
        [
            ("identities", "1"),
            ("interactions", "1"),
            ("purchases", "2"),
            ("surveys", "4"),
            ("ticket_events", "1"),
            ("tickets", "3")
        ]
    );

    // A list that has not changed is nothing new, one that has is.
    shop.call(Some(LIST), &["run"], "").expect(0).says(&["nothing to do"]);
    shop.call(Some("customer_id\nC2\n"), &["run"], "").expect(0);
    assert_eq!(shop.ids("fct_exposures", "response_id"), ["R1", "R3"]);

    // What cannot be read stops the run, without a word of what it says.
    for wrong in ["customer_id\n\"\"\n", "name\nKunigunde\n", "customer_id,email\nKunigunde\n"] {
        let outcome = shop.call(Some(wrong), &["run"], "").expect(65).says(&["the erasure list", "hint:"]);
        assert!(!outcome.stderr.contains("Kunigunde"), "{}", outcome.told());
    }
    fs::remove_file(shop.path("erasure.csv")).expect("removed");
    let config = shop.path("aftersale.toml");
    aftersale_with(&["run", "--config", text(&config)], &[])
        .expect(78)
        .says(&["`privacy.erasure_list` is not one object", "aftersale.toml:6"]);
}

/// Two kept runs with rows of theirs, and one that failed.
fn with_past() -> Shop {
    let shop = Shop::new();
    shop.call(None, &["run"], "").expect(0);
    shop.call(None, &["run", "--as-of", "2025-05-12"], "").expect(0);
    let failed = "[analysis]\nmax_rejected_share = 0.0\n";
    let config = shop.path("failing.toml");
    let sources: String =
        FEEDS.iter().map(|(feed, _)| format!("[sources.{feed}]\nurl = \"{feed}.csv\"\n")).collect();
    fs::write(&config, format!("output = \"out\"\n{failed}{sources}")).expect("written");
    aftersale_with(&["run", "--config", text(&config)], &[]).expect(65);
    assert!(shop.path("out/failed").is_dir() && shop.path("out/landed").is_dir());
    shop
}

#[track_caller]
fn is_erased(shop: &Shop) {
    for run in fs::read_dir(shop.path("out/runs")).expect("runs") {
        let folder = run.expect("a run").path();
        for (name, table) in all_published_in(&folder) {
            for cell in table.rows.iter().flatten() {
                let theirs = ["C2", "C3", "O2", "O3", "R2", "R3", "R4", "R5", "T1"];
                let is_theirs =
                    theirs.contains(&cell.as_str()) || cell.contains("b@x") || cell.contains("c@x");
                assert!(!is_theirs, "{name} of {} holds {cell}", folder.display());
            }
        }
    }
    for kept in ["failed", "landed"] {
        let left =
            glob::glob(&format!("{}/{kept}/**/*.parquet", shop.output().display())).expect("a pattern");
        assert_eq!(left.count(), 0, "{kept}");
    }
}

fn all_published_in(folder: &std::path::Path) -> Vec<(String, crate::table::Table)> {
    let tables = fs::read_dir(folder).expect("tables").map(|table| table.expect("a table").path());
    tables
        .filter(|path| path.is_dir())
        .map(|path| (text(&path).to_string(), crate::table::read_folder(&path)))
        .collect()
}

const FULL_LIST: &str = "customer_id,email\nC2,b@x.example\nC3,c@x.example\n";

#[test]
fn kept_runs_are_written_again_without_them() {
    let shop = with_past();
    let (was, before) = (latest(&shop.output()), all_published(&shop.output()));
    let reader = {
        let output = shop.output();
        promise::Reader::start(move || match promise::latest_run(&output) {
            // The run that is replaced may go while somebody reads it; `latest.json` leads to a whole one.
            Err(_) => promise::latest_run(&output).map(|_| ()),
            Ok(_) => Ok(()),
        })
    };
    let outcome = shop.call(Some(FULL_LIST), &["erase"], "").expect(0);
    assert_eq!(outcome.stdout.lines().count(), 2, "{}", outcome.told());
    assert!(reader.stop() > 0);
    is_erased(&shop);
    assert_ne!(latest(&shop.output())["run_id"], was["run_id"]);
    let found = promise::tidy(&shop.output()).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(found.history.len(), 2);
    let manifest = fs::read_to_string(run_folder(&shop.output()).join("manifest.json")).expect("a manifest");
    assert!(manifest.contains(&format!("\"replaces\": {}", was["run_id"])), "{manifest}");

    // What is everybody's stays as it was, and what is others'.
    let after = all_published(&shop.output());
    for name in ["rpt_data_quality", "data_dictionary"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(after["fct_exposures"].rows.len(), 1);
    assert_eq!(
        after["fct_exposures"].only("response_id", &["R1"]),
        before["fct_exposures"].only("response_id", &["R1"])
    );
    assert_eq!(after["fct_journeys"].columns, before["fct_journeys"].columns);

    // Again there is nothing to take out, and the next night goes on.
    assert_eq!(shop.call(Some(FULL_LIST), &["erase"], "").expect(0).stdout, "");
    shop.call(Some(FULL_LIST), &["run"], "").expect(0);
    shop.call(Some(FULL_LIST), &["run"], "").expect(0).says(&["nothing to do"]);
    shop.call(None, &["erase"], "").expect(64).says(&["names no erasure list"]);
}

/// Killed at one step after the other: readers find a whole run, and the next attempt ends it.
#[test]
fn an_erasure_that_is_killed_tears_nothing() {
    let is_long = std::env::var("AFTERSALE_LONG").is_ok_and(|long| long == "1");
    let (mut kills, mut step) = (0, 1);
    loop {
        let shop = with_past();
        let fault = format!("kill {step} {}", text(&shop.output()));
        let killed = shop.call(Some(FULL_LIST), &["erase"], &fault);
        promise::kept(&shop.output())
            .unwrap_or_else(|broken| panic!("step {step}: {broken}\n{}", killed.told()));
        if killed.code == 0 {
            break;
        }
        assert_eq!(killed.code, -6, "{}", killed.told());
        kills += 1;
        shop.call(Some(FULL_LIST), &["erase"], "").expect(0);
        is_erased(&shop);
        let found = promise::tidy(&shop.output()).unwrap_or_else(|broken| panic!("step {step}: {broken}"));
        assert_eq!(found.history.len(), 2, "step {step}");
        step += if is_long { 1 } else { 29 };
    }
    assert!(kills > 2, "{kills} kills");
    println!("erasure: {kills} kills, one step after the other: 0 failures of the promise");
}

/// What the customer wrote who asks to be forgotten; of words that others use, so that it may be shown.
const THEIR_WORDS: &str = "it came late and the parcel was the late parcel";
/// What others like them wrote.
const THEIR_LIKE: &str = "the parcel was late and it came late";
const THEIRS: [&str; 5] = ["ZAPPA", "zappa@x.example", "ORDER-ZAPPA", "RESPONSE-ZAPPA", THEIR_WORDS];

/// Every file below a folder that holds one of these words, texts as they are, tables cell by cell.
fn files_with(folder: &std::path::Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in glob::glob(&format!("{}/**/*", folder.display())).expect("a pattern") {
        let path = path.expect("a path");
        let texts: Vec<String> = match path.extension().and_then(|ending| ending.to_str()) {
            _ if path.is_dir() => continue,
            Some("parquet") => {
                let table = crate::table::read_folder(path.parent().expect("a folder"));
                table.rows.into_iter().flatten().collect()
            }
            _ => vec![String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned()],
        };
        let holds = |word: &&&str| texts.iter().any(|text| text.contains(**word));
        found.extend(words.iter().find(holds).map(|word| format!("{} holds {word}", path.display())));
    }
    found
}

/// Late parcels anger, and one who got one asks to be forgotten: their words stand on the pages.
fn shop_with_pages() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut surveys = "response_id,responded_at,score,order_id,comment\n".to_string();
    let mut purchases =
        "order_id,ordered_at,promised_at,delivered_at,customer_id,email,store_id\n".to_string();
    let mut sell =
        |number: u32, name: &str, email: &str, is_late: bool, day: &str, score: u32, words: &str| {
            let delivered =
                if is_late { "2025-06-09" } else { ["2025-06-05", "2025-06-03"][number as usize % 2] };
            let store = number % 2;
            purchases += &format!("ORDER-{name},2025-06-01,2025-06-05,{delivered},{name},{email},S{store}\n");
            surveys += &format!("RESPONSE-{name},{day},{score},ORDER-{name},{words}\n");
        };
    for number in 0..600_u32 {
        let is_late = number / 2 % 3 == 0;
        let is_unhappy = if is_late { number % 7 < 4 } else { number % 11 == 0 };
        let score = match number % 5 {
            _ if is_unhappy => number % 7,
            0 => 8,
            _ => 9 + number % 2,
        };
        let words = if is_late { THEIR_LIKE } else { "it came and the parcel was good" };
        let day = format!("2025-{:02}-{:02} 10:00", 6 + number % 2, 10 + number % 15);
        sell(number, &format!("C{number}"), "", is_late, &day, score, words);
    }
    sell(1, "ZAPPA", "zappa@x.example", true, "2025-08-02 10:00", 0, THEIR_WORDS);
    fs::write(folder.path().join("surveys.csv"), surveys).expect("written");
    fs::write(folder.path().join("purchases.csv"), purchases).expect("written");
    fs::write(folder.path().join("erasure.csv"), "customer_id,email\nZAPPA,zappa@x.example\n")
        .expect("written");
    let settings = "output = \"out\"\nbi_layout = true\nsegments = [\"store_id\"]\n[privacy]\nerasure_list = \"erasure.csv\"\n\
                    [sources.surveys]\nurl = \"surveys.csv\"\n[sources.purchases]\nurl = \"purchases.csv\"\n";
    fs::write(folder.path().join("aftersale.toml"), settings).expect("written");
    fs::write(folder.path().join("before.toml"), settings.replace("erasure.csv", "nobody.csv"))
        .expect("written");
    fs::write(folder.path().join("nobody.csv"), "customer_id,email\n").expect("written");
    folder
}

/// Their words are gone from tables and pages, from frozen months and pages drawn again; figures stay.
#[test]
fn no_word_of_theirs_is_left_on_any_page() {
    let shop = shop_with_pages();
    let call = |arguments: &[&str], config: &str| {
        let config = shop.path().join(config);
        let (verb, rest) = arguments.split_first().expect("a verb");
        aftersale_with(&[&[*verb, "--config", text(&config)], rest].concat(), &[])
    };
    let output = shop.path().join("out");
    call(&["run"], "before.toml").expect(0);
    call(&["report", "--period", "2025-07"], "before.toml").expect(0);
    call(&["report"], "before.toml").expect(0);
    let before = files_with(&output, &[THEIR_WORDS]);
    for place in ["/leadership.html", "/redrawn/", "/fct_exposures/", "/tables/fct_exposures/as_of="] {
        assert!(before.iter().any(|file| file.contains(place)), "{place} has no word of theirs: {before:?}");
    }
    assert!(!before.iter().any(|file| file.contains("/board/")), "kept for good: {before:?}");
    let run = run_folder(&output);
    let frozen = |name: &str| fs::read_to_string(output.join("board").join(name)).expect("a frozen page");
    let was = frozen("2025-07.json");

    call(&["erase"], "aftersale.toml").expect(0).says(&["1 written again"]);
    assert_eq!(files_with(&output, &THEIRS), Vec::<String>::new());
    assert!(!run.exists() && !output.join("redrawn").exists());
    let page = fs::read_to_string(run_folder(&output).join("leadership.html")).expect("the page, drawn anew");
    assert!(page.contains(THEIR_LIKE), "others' words stay");
    assert!(was == frozen("2025-07.json"), "a frozen month has changed");
    promise::tidy(&output).unwrap_or_else(|broken| panic!("{broken}"));
}

/// Addresses lead to their customers by the exports as they are now; a row that leads nowhere is named.
#[test]
fn an_address_alone_leads_to_its_customer() {
    let shop = with_past();
    // C2 by the identities, C3 by the address beside the order.
    let outcome = shop.call(Some("email\nB2@x.example\n c@x.example\n"), &["erase"], "").expect(0);
    assert_eq!(outcome.stdout.lines().count(), 2, "{}", outcome.told());
    is_erased(&shop);

    let shop = with_past();
    let list = "customer_id,email\n,kanari@x.example\nC3,\n,b@x.example\n,kanari2@x.example\n";
    let outcome = shop.call(Some(list), &["erase"], "").expect(65);
    let outcome = outcome.says(&["rows of the erasure list name nobody", "rows: 1, 4", "hint:"]);
    assert!(!outcome.stderr.contains("kanari"), "{}", outcome.told());
    is_erased(&shop);

    // Without the exports nobody can say whose an address is, and ids are found all the same.
    let shop = with_past();
    fs::write(shop.path("purchases.csv"), "nothing,of,it\n1,2,3\n").expect("written");
    let outcome = shop.call(Some("customer_id,email\nC2,\n,c@x.example\n"), &["erase"], "").expect(65);
    outcome.says(&["the exports cannot be read", "rows: 2"]);
    assert!(!shop.ids("fct_exposures", "response_id").contains(&"R2".to_string()));
}

/// A shop of 60 answers in one region and one in another, which is asked to be forgotten.
#[test]
fn figures_of_few_answers_go_with_an_erased_one() {
    let shop = tempfile::tempdir().expect("a temporary folder");
    let (mut surveys, mut purchases) = (
        "response_id,responded_at,score,order_id\n".to_string(),
        "order_id,ordered_at,promised_at,delivered_at,customer_id,region\n".to_string(),
    );
    for number in 0..61_u32 {
        let (region, day) = match number {
            0 => ("island", 1),
            1..=3 => ("hills", 2),
            _ => ("plain", 3 + number % 20),
        };
        let delivered = if number % 3 == 0 { "2025-05-09" } else { "2025-05-04" };
        purchases += &format!("O{number},2025-05-01,2025-05-05,{delivered},C{number},{region}\n");
        surveys += &format!("R{number},2025-06-{day:02},{},O{number}\n", number % 11);
    }
    fs::write(shop.path().join("surveys.csv"), surveys).expect("written");
    fs::write(shop.path().join("purchases.csv"), purchases).expect("written");
    fs::write(shop.path().join("erasure.csv"), "customer_id\nC0\n").expect("written");
    let config = shop.path().join("aftersale.toml");
    let call = |verb: &str, list: &str| {
        let settings = format!(
            "output = \"out\"\nsegments = [\"region\"]\n{list}[sources.surveys]\nurl = \"surveys.csv\"\n\
             [sources.purchases]\nurl = \"purchases.csv\"\n"
        );
        fs::write(&config, settings).expect("written");
        aftersale_with(&[verb, "--config", text(&config)], &[]).expect(0);
        all_published(&shop.path().join("out"))
    };
    let before = call("run", "");
    let after = call("erase", "[privacy]\nerasure_list = \"erasure.csv\"\n");

    // The island's figures were C0's answer. Others' stay, few as they are: nobody of theirs has gone.
    let cells = |tables: &std::collections::BTreeMap<String, crate::table::Table>, region: &str| {
        tables["rpt_nps"].only("segment", &[region]).rows
    };
    assert_eq!(cells(&before, "island").len(), 2);
    assert_eq!(cells(&after, "island"), Vec::<Vec<String>>::new());
    for region in ["hills", "plain", "all"] {
        assert!(!cells(&before, region).is_empty());
        assert_eq!(cells(&after, region), cells(&before, region), "{region}");
    }
    // Rows of touchpoints stay, since others relate to them; their figures go.
    let impact = |region: &str| after["rpt_touchpoint_impact"].only("segment", &[region]);
    let was = |region: &str| before["rpt_touchpoint_impact"].only("segment", &[region]);
    for region in ["hills", "plain", "all"] {
        assert!(impact(region) == was(region), "{region}");
    }
    let (is, was) = (impact("island"), was("island"));
    assert_eq!(is.rows.len(), was.rows.len());
    let figure = |table: &crate::table::Table, column: &str| {
        let (at, id) = (table.column(column), table.column("touchpoint"));
        table.rows.iter().find(|row| row[id] == "late").map(|row| row[at].clone())
    };
    assert_eq!(figure(&was, "responses").as_deref(), Some("1"));
    for column in ["responses", "exposed_responses", "reach", "detractor_share_exposed", "nps_exposed"] {
        assert_eq!(figure(&is, column).as_deref(), Some(""), "{column}");
    }
    assert_eq!(figure(&is, "label"), figure(&was, "label"));
    for table in ["rpt_touchpoint_trend", "rpt_effects"] {
        assert!(after[table].only("segment", &["island"]).rows.is_empty(), "{table}");
    }
    promise::tidy(&shop.path().join("out")).unwrap_or_else(|broken| panic!("{broken}"));
}

/// A run whose key nobody has any more is named; the others, and copies, are searched all the same.
#[test]
fn a_run_that_cannot_be_searched_keeps_nobody_else() {
    let shop = Shop::new();
    let config = shop.path("aftersale.toml");
    let sources: String =
        FEEDS.iter().map(|(feed, _)| format!("[sources.{feed}]\nurl = \"{feed}.csv\"\n")).collect();
    let call = |privacy: &str, arguments: &[&str]| {
        let settings =
            "output = \"out\"\n[analysis]\nmin_link_rate = 0.0\nmax_rejected_share = 1.0\n[privacy]\n";
        fs::write(&config, format!("{settings}{privacy}\n{sources}")).expect("written");
        let (verb, rest) = arguments.split_first().expect("a verb");
        let key = [("NIGHT_KEY", "a key of no fewer than 32 letters")];
        aftersale_with(&[&[*verb, "--config", text(&config)], rest].concat(), &key)
    };
    fs::write(shop.path("erasure.csv"), FULL_LIST).expect("written");
    call("pseudonym_key = \"NIGHT_KEY\"", &["run", "--as-of", "2025-05-11"]).expect(0);
    let old = latest(&shop.output())["run_id"].as_str().expect("a run").to_string();
    call("", &["run"]).expect(0);
    let outcome = call("erasure_list = \"erasure.csv\"", &["erase"]).expect(74);
    let outcome = outcome.says(&["a run cannot be searched", &old, "all else is done", "hint:"]);
    assert!(!outcome.stderr.contains("rows of the list"), "{}", outcome.told());
    assert_eq!(shop.ids("fct_exposures", "response_id"), ["R1"]);
    let landed = glob::glob(&format!("{}/landed/*.parquet", shop.output().display())).expect("a pattern");
    assert_eq!(landed.count(), 0);
}
