//! Pages that the program made: do their figures equal the tables, and do they stay what they are whatever the
//! exports hold? (How they look, and what a browser makes of them, is asked by `tests/pages`.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;

use crate::program::{Outcome, aftersale, text};
use crate::table::{self, Table, json, run_folder};
use crate::world;

/// The pages that a run's manifest names, by their path.
fn pages(run: &Path) -> BTreeMap<String, String> {
    let manifest = json(&run.join("manifest.json"));
    let files = manifest["files"].as_array().expect("files").iter().filter(|file| file["rows"].is_null());
    let paths = files.map(|file| file["path"].as_str().expect("a path").to_string());
    paths.map(|path| (path.clone(), fs::read_to_string(run.join(path)).expect("a page"))).collect()
}

fn run(config: &Path, output: &Path, further: &[&str]) -> Outcome {
    aftersale(&[&["run", "--config", text(config), "--output", text(output)], further].concat())
}

/// A page's words, without its style and its marks.
fn words(page: &str) -> String {
    let body = page.split("</style>").nth(1).unwrap_or(page);
    let mut words = String::new();
    for piece in body.split('<') {
        words.push_str(piece.split_once('>').map_or(piece, |(_, words)| words));
        words.push(' ');
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number with one decimal as the pages write it.
fn tenths(number: &str) -> String {
    let number: f64 = number.parse().expect("a number");
    let text = format!("{:.1}", number.abs());
    let is_negative = number < 0.0 && text != "0.0";
    if is_negative { format!("−{text}") } else { text }
}

fn classes(answers: &Table) -> [usize; 3] {
    let class = answers.column("nps_class");
    ["promoter", "passive", "detractor"]
        .map(|name| answers.rows.iter().filter(|row| row[class] == name).count())
}

// ---- the sample ------------------------------------------------------------------------------------------------

#[test]
fn figures_on_the_pages_of_the_sample_equal_the_tables() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out");
    aftersale(&["run", "--output", text(&output)]).expect(0);
    let run = run_folder(&output);
    let pages = pages(&run);
    let answers = table::published(&output, "fct_exposures");
    let counted = answers.only("is_counted", &["true"]);
    let page = &pages["leadership.html"];
    let said = words(page);
    assert!(
        said.contains(" do. The response rate is not known: no list of those who were asked is read"),
        "{said}"
    );
    assert!(page.len() < 2_000_000 && said.contains("Sample data"), "{} bytes", page.len());

    // The score of the newest month and of the window, from the answers themselves.
    for (answers, told) in
        [(counted.only("period", &["2026-10"]), "NPS\u{a0}"), (counted.clone(), "The whole window: NPS ")]
    {
        let [promoters, passives, detractors] = classes(&answers);
        let nps = 100.0 * (promoters as f64 - detractors as f64) / (promoters + passives + detractors) as f64;
        let told = format!("{told}{nps:.0} (");
        assert!(
            page.contains(&told),
            "{told:?} is not there: {}",
            said.chars().take(600).collect::<String>()
        );
    }

    // Every touchpoint with its points, as published.
    let impact = table::published(&output, "rpt_touchpoint_impact").only("segment_dimension", &["all"]);
    let effects = page.split("id=\"effects-title\"").nth(1).expect("the table of effects");
    let mut seen = 0;
    for row in &impact.rows {
        let of = |name: &str| row[impact.column(name)].as_str();
        let exposed: u32 = of("exposed_responses").parse().expect("a count");
        // What the model knows under another name has no effect of its own to show.
        let is_another = ["the other side of ", "met by the same answers as "];
        let is_another = is_another.iter().any(|start| of("verdict").starts_with(start));
        if of("verdict").is_empty() || of("verdict") == "not measured" || is_another || exposed < 5 {
            continue;
        }
        let line = effects.split(&format!("<bdi>{}</bdi></th>", of("label"))).nth(1).expect("a line");
        let line = line.split("</tr>").next().unwrap_or_default();
        let cells: Vec<String> = line
            .split("<td")
            .skip(1)
            .map(|cell| words(&format!("</style><td{cell}")).replace('\u{a0}', " "))
            .map(|cell| cell.replace("( ", "(").replace(" )", ")"))
            .collect();
        assert_eq!(cells[0], exposed.to_string(), "{cells:?}");
        if !of("total_nps_points").is_empty() {
            let mut points = tenths(of("total_nps_points"));
            if !of("total_nps_points_low").is_empty() {
                let ends = ["total_nps_points_low", "total_nps_points_high"].map(|name| tenths(of(name)));
                points = format!("{points} ({} to {})", ends[0], ends[1]);
            }
            assert_eq!(cells[2], points, "{cells:?}");
        }
        assert!(cells.iter().any(|cell| cell == of("verdict")), "{} is not in {cells:?}", of("verdict"));
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} touchpoints");

    // A sheet counts the answers of its region, the first of the sample's segments.
    let regions = answers.column("seg_region");
    let names: BTreeSet<&str> =
        answers.rows.iter().map(|row| row[regions].as_str()).filter(|name| *name != "(unknown)").collect();
    let sheets = pages.keys().filter(|path| path.starts_with("stores/") && !path.ends_with("index.html"));
    assert_eq!((sheets.count(), names.contains("north")), (names.len(), true), "{names:?}");
    let of_region = counted.only("seg_region", &["north"]);
    let at = of_region.column("responded_at");
    let is_recent = |row: &&Vec<String>| row[at].as_str() > "2026-08-01T22:59:59.999999Z";
    let recent = of_region.rows.iter().filter(is_recent).cloned().collect();
    let recent = Table { columns: of_region.columns.clone(), rows: recent };
    let [promoters, passives, detractors] = classes(&recent);
    let sheet =
        pages.iter().find(|(path, _)| path.starts_with("stores/north-")).expect("the sheet of the north").1;
    let many = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    let told = format!(
        "Last 13 weeks: {}, {}, {}, {}.",
        many(recent.rows.len(), "answer"),
        many(promoters, "promoter"),
        many(passives, "passive"),
        many(detractors, "detractor")
    );
    assert!(words(sheet).contains(&told), "{told:?} is not in {}", words(sheet));

    // Nobody is named.
    for column in ["customer_id", "response_id", "journey_id"] {
        let place = answers.column(column);
        for id in answers.rows.iter().map(|row| row[place].as_str()).filter(|id| id.len() > 3) {
            let named = pages.iter().find(|(_, page)| page.contains(id));
            assert!(named.is_none(), "{id} stands on {}", named.expect("a page").0);
        }
    }
    drawn_again(folder.path(), &output, &pages);
    frozen(&output);
}

/// Whoever reads a digest in a mail has to be able to open the page.
#[test]
fn digests_lead_to_where_people_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world::write(folder.path(), &world::feeds(300), 1);
    let output = folder.path().join("out");
    let digest = || pages(&run_folder(&output))["digest.txt"].clone();
    run(&config, &output, &[]).expect(0);
    assert!(digest().contains(&format!("The whole report: {}/runs/", text(&output))), "{}", digest());
    let plain = fs::read_to_string(&config).expect("the configuration");
    let url = "[pages]\nurl = \"https://reports.example/a/\"\n[analysis]";
    // Another setting too: where people read changes no result, so there would be nothing to do.
    let other = plain.replace("[analysis]", url).replace("[analysis]", "[analysis]\nmin_cell = 4");
    fs::write(&config, other).expect("written");
    run(&config, &output, &[]).expect(0);
    let run = run_folder(&output);
    let run_id = run.file_name().and_then(|name| name.to_str()).expect("a run's id");
    let told = format!("The whole report: https://reports.example/a/runs/{run_id}/leadership.html");
    assert!(digest().contains(&told), "{}", digest());
    assert!(!pages(&run)["leadership.html"].contains("reports.example"));
    // Wrong places are told as what they are.
    let file = folder.path().join("a file");
    fs::write(&file, "").expect("written");
    aftersale(&["report", "--output", text(&output), "--to", text(&file)])
        .expect(74)
        .says(&["a file stands where a folder is needed"]);
    let nowhere = folder.path().join("nowhere");
    aftersale(&["report", "--output", text(&nowhere)]).expect(64).says(&["nothing has been published"]);
}

/// The same run gives the same pages.
fn drawn_again(folder: &Path, output: &Path, pages: &BTreeMap<String, String>) {
    let to = folder.join("again");
    let told = aftersale(&["report", "--output", text(output), "--to", text(&to)]).expect(0);
    assert_eq!(told.stdout.trim_end(), text(&to.join("leadership.html")));
    for (path, page) in pages {
        let again = fs::read_to_string(to.join(path)).expect("the page drawn again");
        assert!(again == *page, "{path} is another page when drawn again");
    }
    let told = aftersale(&["report", "--output", text(output)]).expect(0).stdout;
    assert!(told.contains("redrawn/2026-10-31-") && Path::new(told.trim_end()).exists(), "{told}");
}

/// A month stays as it was shown; what is different later is listed.
fn frozen(output: &Path) {
    let freeze = |period: &str| aftersale(&["report", "--output", text(output), "--period", period]);
    let path = PathBuf::from(freeze("2026-10").expect(0).stdout.trim_end());
    assert!(path.ends_with("board/2026-10.html"));
    let first = fs::read_to_string(&path).expect("a frozen page");
    assert!(words(&first).contains("October 2026, frozen as known on 31 October 2026"), "{}", words(&first));
    freeze("2026-10").expect(0);
    assert!(fs::read_to_string(&path).expect("the page") == first, "looking again changes nothing");

    let kept = path.with_extension("json");
    let mut figures = json(&kept);
    assert_eq!((figures["form"].as_u64(), figures["period"].as_str()), (Some(1), Some("2026-10")));
    let nps = figures["figures"][0]["value"].as_f64().expect("a score") - 2.0;
    figures["figures"][0]["value"] = nps.into();
    fs::write(&kept, figures.to_string()).expect("written");
    // As another version may have drawn it: what it showed stays.
    let other = first.replace("</h1>", " as another version told it</h1>");
    fs::write(&path, &other).expect("written");
    freeze("2026-10").expect(0).says(&["different today: 1"]);
    let page = fs::read_to_string(&path).expect("the page");
    assert!(page.starts_with(other.split("<div class=\"restated\">").next().expect("a beginning")));
    let restated = words(&page);
    let told = format!(
        "October 2026 NPS {} {} as known on 2026-10-31",
        tenths(&nps.to_string()),
        tenths(&(nps + 2.0).to_string())
    );
    assert!(restated.contains(&told), "{told:?} is not there");

    // What was frozen by an earlier version: all that the page had been told.
    let page = serde_json::json!({
        "run": {"run_id": "an-old-run", "as_of": "2026-10-31"},
        "change": {"nps": [{"period": "2026-10", "nps": nps, "responses": 1}], "trends": []},
    });
    fs::write(&kept, page.to_string()).expect("written");
    freeze("2026-10").expect(0).says(&["frozen from run an-old-run; different today: 2"]);

    // All but the score would be of October.
    freeze("2026-09").expect(64).says(&["2026-10", "hint:", "aftersale run --as-of 2026-09-30", "--run"]);
    assert!(!path.with_file_name("2026-09.html").exists());
    freeze("2031-01").expect(64).says(&["2031-01", "hint:", "not over in this run"]);
    freeze("../../x").expect(64).says(&["no period", "2026-10"]);
    fs::write(&kept, "{}").expect("written");
    freeze("2026-10").expect(74).says(&["2026-10.json", "hint:"]);
    fs::write(&kept, page.to_string()).expect("written");
    fs::remove_file(&path).expect("the page is gone");
    freeze("2026-10").expect(74).says(&["2026-10.html", "hint:"]);
}

// ---- other worlds ------------------------------------------------------------------------------------------------

#[test]
fn pages_do_not_depend_on_threads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world::write(folder.path(), &world::feeds(3_000), 2);
    let mut first: Option<BTreeMap<String, String>> = None;
    for threads in ["1", "4"] {
        let output = folder.path().join(format!("out-{threads}"));
        run(&config, &output, &["--threads", threads]).expect(0);
        let run = run_folder(&output);
        let run_id = run.file_name().and_then(|name| name.to_str()).expect("a run's id").to_string();
        let place = text(&output).to_string();
        let told: BTreeMap<String, String> = pages(&run)
            .into_iter()
            .map(|(path, page)| (path, page.replace(&run_id, "RUN").replace(&place, "OUT")))
            .collect();
        assert!(told.len() >= 7, "{:?}", told.keys());
        let first = first.get_or_insert_with(|| told.clone());
        for (path, page) in &told {
            assert!(first[path] == *page, "{path} on {threads} threads");
        }
    }
}

const HOSTILE: [&str; 10] = [
    "<script>window.hostile = 1</script>",
    "\"><img src=x onerror=window.hostile=2>",
    "</bdi></p></section></main><h1>Owned</h1>",
    "</style><style>body{display:none}</style>",
    "{{ 7 * 7 }} {% include 'x' %}",
    "\u{202e}right to left \u{2066}",
    "../../etc/passwd",
    "<iframe srcdoc=\"<script>parent.hostile=9</script>\">",
    "[click](javascript:window.hostile=11) **bold** | a | b |",
    "W",
];

/// Names, labels and comments are data, whatever they hold.
#[test]
fn hostile_text_stays_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let csv = |name: &str, rows: Vec<Vec<String>>| {
        let mut writer = csv::Writer::from_path(folder.path().join(name)).expect("a file");
        rows.iter().for_each(|row| writer.write_record(row).expect("a row"));
        writer.flush().expect("written");
    };
    let line = |fields: &[&str]| fields.iter().map(|field| (*field).to_string()).collect::<Vec<String>>();
    let mut surveys = vec![line(&["response_id", "responded_at", "score", "order_id", "comment"])];
    let mut purchases = vec![line(&[
        "order_id",
        "ordered_at",
        "customer_id",
        "promised_at",
        "delivered_at",
        "store_id",
        "currency",
        "amount",
    ])];
    for number in 0..1_200usize {
        let (store, is_late) = (HOSTILE[number % HOSTILE.len()], number % 3 == 0);
        let score = if is_late && number % 4 != 0 { number % 6 } else { 9 + number % 2 };
        let (order, response) = (format!("O{number}"), format!("R{number}"));
        let comment = format!("{} the parcel came and it was late", HOSTILE[(number / 7) % HOSTILE.len()]);
        let day = |from: usize| format!("2025-06-{:02} 10:00", 1 + (from % 25));
        surveys.push(line(&[
            &response,
            &format!("2025-07-{:02} 10:00", 1 + number % 28),
            &score.to_string(),
            &order,
            &comment,
        ]));
        let delivered = if is_late { day(number + 4) } else { day(number + 1) };
        purchases.push(line(&[
            &order,
            &day(number),
            &format!("C{number}"),
            &day(number + 2)[..10],
            &delivered,
            store,
            "<b>EUR",
            "10",
        ]));
    }
    csv("surveys.csv", surveys);
    csv("purchases.csv", purchases);
    let config = folder.path().join("aftersale.toml");
    let label = "<script>window.hostile = 12</script>";
    fs::write(
        &config,
        format!(
            "segments = [\"store_id\"]\n[analysis]\nmax_rejected_share = 1.0\n[sources.surveys]\nurl = \"surveys.csv\"\n\
             [sources.purchases]\nurl = \"purchases.csv\"\n[[touchpoints]]\nid = \"hostile\"\nlabel = '''{label}'''\n\
             stage = \"delivery\"\nrole = \"lever\"\nfeed = \"purchases\"\nwhen = \"delivered_at > promised_at\"\n\
             owner = '''{label}'''\naction = '''{label}'''\n"
        ),
    )
    .expect("written");
    let output = folder.path().join("out");
    run(&config, &output, &[]).expect(0);
    let pages = pages(&run_folder(&output));
    assert!(pages.len() >= 5 + HOSTILE.len(), "{:?}", pages.keys());
    for (path, page) in &pages {
        let name = path.rsplit('/').next().expect("a name");
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c)),
            "{path}"
        );
        if path.ends_with(".html") {
            for sign in ["<script", "<img", "<iframe", "<h1>Owned", "onerror=window.hostile=2>"] {
                assert!(!page.contains(sign), "{sign} stands on {path}");
            }
            assert_eq!(page.matches("<style").count(), 1, "{path}");
            assert!(!page.contains("49 {%"), "{path} works out what it is told");
        } else {
            // Markdown's own escapes aside.
            let is_safe = !page.replace("\\<", "").contains("<script");
            assert!(is_safe || path.ends_with(".txt"), "{path}: {page}");
        }
    }
    assert!(
        pages["leadership.html"].contains("&lt;script&gt;window.hostile = 12"),
        "the label is shown as it is"
    );
}

#[test]
fn few_answers_show_no_score() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows = |n: usize| (0..n).map(|n| format!("R{n},2025-05-{:02},3,O{n}\n", 10 + n)).collect::<String>();
    fs::write(
        folder.path().join("surveys.csv"),
        format!("response_id,responded_at,score,order_id\n{}", rows(4)),
    )
    .expect("written");
    let orders: String = (0..9).map(|n| format!("O{n},2025-05-01,S1\n")).collect();
    fs::write(folder.path().join("purchases.csv"), format!("order_id,ordered_at,store_id\n{orders}"))
        .expect("written");
    let config = folder.path().join("aftersale.toml");
    let configuration = |further: &str| {
        format!(
            "segments = [\"store_id\"]\n{further}\n[sources.surveys]\nurl = \"surveys.csv\"\n[sources.purchases]\nurl = \"purchases.csv\"\n"
        )
    };
    fs::write(&config, configuration("")).expect("written");
    let output = folder.path().join("out");
    run(&config, &output, &[]).expect(0);
    let drawn = pages(&run_folder(&output));
    let page = words(&drawn["leadership.html"]);
    assert!(page.contains("Too few answers to show a score") && !page.contains("−100"), "{page}");
    // Nothing but the last part, and nothing anywhere that the four could be told by: all are detractors.
    for part in ["cost", "gain", "where", "change", "stages", "voices"] {
        assert!(!drawn["leadership.html"].contains(&format!("<section id=\"{part}\"")), "{part}");
    }
    for digest in ["digest.md", "digest.txt"] {
        let digest = &drawn[digest];
        assert!(digest.contains("Too few answers") && !digest.contains("100"), "{digest}");
    }
    // With a lower bar it is told.
    fs::write(&config, configuration("[analysis]\nmin_cell = 1")).expect("written");
    run(&config, &output, &[]).expect(0);
    let page = words(&pages(&run_folder(&output))["leadership.html"]);
    assert!(page.contains("NPS −100, but from 4 answers"), "{page}");
}

/// Whoever waits for a call is counted on the page, and listed on the sheet of their region, without a name;
/// of a run that makes no list the page says so.
#[test]
fn customers_to_win_back_are_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world::write(folder.path(), &world::feeds(300), 1);
    let output = folder.path().join("out");
    run(&config, &output, &[]).expect(0);
    let run = run_folder(&output);
    let drawn = || {
        let to = folder.path().join("again");
        aftersale(&["report", "--output", text(&output), "--to", text(&to)]).expect(0);
        let sheets =
            fs::read_dir(to.join("stores")).expect("sheets").map(|file| file.expect("a sheet").path());
        let sheets = sheets.map(|file| words(&fs::read_to_string(file).expect("a sheet")));
        let read = |name: &str| fs::read_to_string(to.join(name)).expect("a page");
        (words(&read("leadership.html")), read("digest.txt"), sheets.collect::<Vec<String>>())
    };
    let (page, digest, sheets) = drawn();
    assert!(page.contains("No follow-up list was made with this run."), "{page}");
    assert!(!digest.contains("To win back"), "a line that says nothing: {digest}");
    assert!(!page.contains("To win back"), "{page}");
    assert!(sheets.iter().all(|sheet| !sheet.contains("Call by")), "{sheets:?}");

    // Three detractors: one waits since 9 days and is overdue, one since 2, one has been called.
    let answers = table::published(&output, "fct_exposures").only("is_counted", &["true"]);
    let id = answers.column("response_id");
    let region = answers.column("seg_region");
    let known = answers.rows.iter().filter(|row| !row[region].starts_with('('));
    let ids: Vec<&str> = known.map(|row| row[id].as_str()).take(3).collect();
    let as_of = answers.rows[0][answers.column("as_of")].as_str();
    let as_of = chrono::DateTime::parse_from_rfc3339(as_of).expect("an instant").timestamp_micros();
    let days = |days: i64| as_of - days * 86_400_000_000;
    let texts = |values: [&str; 3]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let times = |values: [i64; 3]| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone("UTC"))
    };
    let list = RecordBatch::try_from_iter([
        ("follow_up_id", texts(["case-one", "case-two", "case-three"])),
        ("response_id", texts([ids[0], ids[1], ids[2]])),
        ("customer_id", texts(["Erika", "Erika", "Erika"])),
        ("nps_class", texts(["detractor"; 3])),
        ("status", texts(["open", "new", "contacted"])),
        ("score", Arc::new(Int64Array::from(vec![2, 5, 0])) as ArrayRef),
        ("responded_at", times([days(9), days(2), days(20)])),
        ("due_at", times([days(7), days(-1), days(18)])),
        ("as_of", times([as_of; 3])),
        ("reason_1", texts(["Parcel came late", "", "The bill was wrong"])),
    ]);
    publish_beside(&run, "rpt_follow_ups", &list.expect("a list"));
    let team = |values: [i64; 3]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let weeks = RecordBatch::try_from_iter([
        ("week", texts(["2025-W20", "2025-W21", "window"])),
        ("team", texts(["desk", "desk", "all"])),
        ("detractors", team([12, 8, 20])),
        ("contacted", team([9, 6, 15])),
        ("contacted_in_time", team([5, 5, 10])),
        ("closed", team([6, 4, 10])),
        ("median_hours", Arc::new(Float64Array::from(vec![30.0, 40.0, 36.0])) as ArrayRef),
    ]);
    publish_beside(&run, "rpt_closed_loop", &weeks.expect("weeks"));
    let (page, digest, sheets) = drawn();
    for told in [
        "2 detractors wait for a call; the oldest for 9 days",
        "2 waiting for a call",
        "1 past their date",
        "50% of cases were called in time of 20 cases that were due",
        "1.5 days until the call; half were faster of 15 calls made",
        "50% of cases are closed: solved, or no contact wanted 10 of 20",
    ] {
        assert!(page.contains(told), "{told:?} is not in {page}");
    }
    assert!(digest.contains("2 detractors wait for a call, the oldest for 9 days"), "{digest}");
    let of = |case: &str| sheets.iter().filter(|sheet| sheet.contains(case)).count();
    assert_eq!(["case-one", "case-two", "case-three"].map(of), [1, 1, 0], "{sheets:?}");
    assert!(sheets.iter().any(|sheet| sheet.contains("overdue") && sheet.contains("Parcel came late")));
    assert!(!page.contains("Erika") && sheets.iter().all(|sheet| !sheet.contains("Erika")));
}

/// One more table of a published run.
fn publish_beside(run: &Path, table: &str, rows: &RecordBatch) {
    let path = format!("{table}/part-00000.parquet");
    fs::create_dir(run.join(table)).expect("a folder");
    let file = fs::File::create(run.join(&path)).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a writer");
    writer.write(rows).expect("rows");
    writer.close().expect("a footer");
    let mut manifest = json(&run.join("manifest.json"));
    let like = manifest["files"].as_array().expect("files").iter().find(|file| !file["rows"].is_null());
    let mut entry = like.expect("a table").clone();
    entry["path"] = path.clone().into();
    entry["rows"] = rows.num_rows().into();
    entry["bytes"] = fs::metadata(run.join(&path)).expect("the file").len().into();
    manifest["files"].as_array_mut().expect("files").push(entry);
    fs::write(run.join("manifest.json"), manifest.to_string()).expect("written");
}

/// Sheets are for one of the dimensions that reports are broken down by.
#[test]
fn sheets_follow_their_dimension() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world::write(folder.path(), &world::feeds(300), 1);
    let plain = fs::read_to_string(&config).expect("the configuration");
    let with = |dimension: &str| {
        fs::write(
            &config,
            plain.replace("[analysis]", &format!("[sheets]\ndimension = \"{dimension}\"\n[analysis]")),
        )
        .expect("written");
    };
    let output = folder.path().join("out");
    with("sales_channel");
    run(&config, &output, &[]).expect(0);
    let sheets: Vec<String> =
        pages(&run_folder(&output)).into_keys().filter(|path| path.starts_with("stores/")).collect();
    assert_eq!(sheets.len(), 3, "{sheets:?}");
    assert!(sheets.iter().any(|path| path.starts_with("stores/web-")), "{sheets:?}");
    with("regoin");
    run(&config, &output, &[]).expect(78).says(&["regoin", "did you mean `region`?", "aftersale.toml:"]);
}
