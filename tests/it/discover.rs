//! `aftersale init --from`: a configuration proposed for exports that nobody has described.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::program::{Outcome, aftersale, command, exit_code, text};

fn write(folder: &Path, name: &str, lines: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
    fs::write(path, lines).expect("written");
}

fn check(folder: &Path, proposal: &str) -> Outcome {
    let config = folder.join("aftersale.toml");
    fs::write(&config, proposal).expect("written");
    aftersale(&["check", "--config", text(&config)])
}

/// Names of a stranger's choice: two tables that can be told, and a score that cannot.
fn lake(folder: &Path) {
    write(
        folder,
        "lake/orders/2025-01.csv",
        "Order No,Customer,Order Date,Delivered on,Region,Remark\n\
         1001,C1,2025-01-02 10:00,2025-01-05,North,please ring twice at the door of the house\n\
         1002,C2,2025-01-03 11:00,2025-01-09,South,\n",
    );
    write(
        folder,
        "lake/orders/2025-02.csv",
        "Order No,Customer,Order Date,Delivered on,Region,Remark\n1003,C3,2025-02-03 11:00,,South,\n",
    );
    write(folder, "lake/orders/_SUCCESS", "");
    write(
        folder,
        "lake/nps/answers.csv",
        "Response ID,Submitted,Customer,E-Mail,Q1,Q2\n\
         R1,2025-01-20 09:00,C1,ann@example.com,9,It was all right in the end\n\
         R2,2025-01-21 09:00,C2,bo@example.com,2,late\n\
         R3,2025-02-21 09:00,C3,cy@example.com,10,\n",
    );
    write(folder, "lake/prices.csv", "colour,price\nred,3\n");
}

#[test]
fn a_stranger_fills_one_gap_and_is_done() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    let proposal = aftersale(&["init", "--from", text(&folder.path().join("lake"))]).expect(0).stdout;
    for line in [
        "lake/orders/\"\nformat = \"csv\"\n",
        "order_id = \"Order No\"           # 1001 | 1002 | 1003",
        "ordered_at = \"Order Date\"       # 2025-01-02 10:00 | 2025-01-03 11:00 | 2025-02-03 11:00",
        "delivered_at = \"Delivered on\"",
        "segments = [\"region\"]",
        "# ? score: which column is it? perhaps \"Q1\" (9 | 2 | 10)\n# score = \"\"\n",
        "# ? its times have no zone",
        "# not found: ",
        "prices.csv (1 object; 1 rows of them were looked at): which feed is it?",
        "_SUCCESS (empty)",
    ] {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
    for secret in ["ann@", "house", "in the end"] {
        assert!(!proposal.contains(secret), "{secret} is shown:\n{proposal}");
    }

    // It can be read as it is, and is refused for its gap and nothing else.
    check(folder.path(), &proposal).expect(78).says(&["nothing is mapped to the column `score`", "hint:"]);
    let outcome = check(folder.path(), &proposal.replace("# score = \"\"", "score = \"Q1\"")).expect(0);
    assert!(outcome.stdout.contains("100.0%: 3 latest_purchase"), "{}", outcome.told());
}

/// Packed exports are looked into like others, whatever their names say.
#[test]
fn compressed_exports_are_recognised() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    let lake = folder.path().join("lake");
    let answers = fs::read(lake.join("nps/answers.csv")).expect("an export");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&answers).expect("in memory");
    fs::remove_file(lake.join("nps/answers.csv")).expect("removed");
    fs::write(lake.join("nps/answers.csv.gz"), gzip.finish().expect("in memory")).expect("written");
    for month in ["orders/2025-01.csv", "orders/2025-02.csv"] {
        let plain = fs::read(lake.join(month)).expect("an export");
        fs::write(lake.join(month), zstd::encode_all(&plain[..], 1).expect("in memory")).expect("written");
    }
    let proposal = aftersale(&["init", "--from", text(&lake)]).expect(0).stdout;
    for line in ["order_id = \"Order No\"           # 1001 | 1002 | 1003", "perhaps \"Q1\" (9 | 2 | 10)"] {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
    check(folder.path(), &proposal.replace("# score = \"\"", "score = \"Q1\"")).expect(0);
}

/// Neither a damaged file nor what an earlier run has published keeps the exports from being mapped.
#[test]
fn damaged_files_and_own_output_are_passed_by() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    write(folder.path(), "lake/odd/x.parquet", "PAR1xxxxPAR1");
    write(folder.path(), "lake/out/latest.json", "{}");
    write(
        folder.path(),
        "lake/out/runs/a/fct_exposures/part.csv",
        "response_id,responded_at,score,order_id\nR1,2025-01-20,9,O1\n",
    );
    let proposal = aftersale(&["init", "--from", text(&folder.path().join("lake"))]).expect(0).stdout;
    for line in ["lake/odd/ (a Parquet file is damaged", "out/ (published by this program)", "perhaps \"Q1\""]
    {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
    assert!(!proposal.contains("fct_exposures"), "{proposal}");
}

#[test]
fn what_looks_like_nothing_is_left_as_a_question() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "lake/prices.csv", "colour,price\nred,3\n");
    let proposal =
        aftersale(&["init", "--from", text(&folder.path().join("lake/prices.csv"))]).expect(0).stdout;
    assert!(proposal.contains("# ? where are the answers?"), "{proposal}");
    check(folder.path(), &proposal).expect(78).says(&["sources", "hint:"]);

    aftersale(&["init", "--from", text(&folder.path().join("nowhere"))])
        .expect(64)
        .says(&["nothing lies at this address", "hint:"]);
    aftersale(&["init", "--from", "x", "--preset", "olist"]).expect(64);
}

/// Paths are written as they were asked for: the file will stand where the command was run.
#[test]
fn addresses_are_relative_where_they_were_given_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    let output = command(&["init", "--from", "lake/orders/", "lake/nps/*.csv"], &[])
        .current_dir(folder.path())
        .output();
    let output = output.expect("the program starts");
    assert_eq!(exit_code(output.status), 0);
    let proposal = String::from_utf8(output.stdout).expect("text");
    assert!(
        proposal.contains("url = \"lake/orders/\"") && proposal.contains("url = \"lake/nps/answers.csv\""),
        "{proposal}"
    );
    check(folder.path(), &proposal.replace("# score = \"\"", "score = \"Q1\"")).expect(0);
}

/// The sample of the program, in Parquet and CSV, named as ours: nothing is left to ask.
#[test]
fn exports_named_as_ours_need_no_answer() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
    let places: Vec<String> = ["surveys", "purchases", "tickets", "interactions"]
        .iter()
        .map(|feed| format!("{}/", sample.join(feed).display()))
        .collect();
    let mut arguments = vec!["init", "--from"];
    arguments.extend(places.iter().map(String::as_str));
    let proposal = aftersale(&arguments).expect(0).stdout;
    for feed in ["surveys", "purchases", "tickets", "interactions"] {
        assert!(proposal.contains(&format!("[sources.{feed}]\n")), "{feed}\n{proposal}");
    }
    assert!(!proposal.contains("which column is it?"), "{proposal}");
}

/// A lake of another's making: a German shop's monthly dumps, each night's changed tickets, US dates, words
/// for what was done that nobody else uses. None of its files is called after what it holds.
fn foreign_lake(folder: &Path, erp: &str, desk: &str, voc: &str, calls: &str) {
    for (month, rows) in [
        (
            "2026-09",
            "O1;C1;ann@kunde.example;27.09.2026 16:01;02.10.2026;01.10.2026 12:44;;24,95;EUR;s21;Österreich;Mode\n\
             O2;C2;bo@kunde.example;28.09.2026 12:08;05.10.2026;05.10.2026 17:05;14.10.2026 23:41;61,80;EUR;s04;Nord;Bücher\n",
        ),
        ("2026-10", "O3;C3;cy@kunde.example;08.10.2026 07:59;14.10.2026;;;1.018,25;EUR;s02;Süd;Mode\n"),
    ] {
        let header = "Auftragsnummer;Kundennr;E-Mail;Auftragsdatum;Zugesagt am;Zugestellt am;Retoure am;Betrag;Währung;\
                      Filiale;Region;Warengruppe\n";
        let latin: Vec<u8> = (header.to_string() + rows).chars().map(|c| c as u8).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&latin).expect("in memory");
        let path = folder.join(format!("{erp}_{month}.csv.gz"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, gzip.finish().expect("in memory")).expect("written");
    }
    let ticket = |number: u32, modified: u64, resolved: &str, state: &str| {
        format!(
            "{{\"number\":\"T{number}\",\"requester\":{{\"email\":\"c{number}@kunde.example\"}},\
             \"custom\":{{\"order_ref\":\"O{number}\"}},\"created\":1790000000000,\"modified\":{modified},\
             \"first_response\":1790003000000,\"resolved\":{resolved},\"reopen_count\":0,\"reply_count\":1,\
             \"assignment_changes\":1,\"source\":\"email\",\"type\":\"damage\",\"group\":\"logistics\",\
             \"state\":\"{state}\"}}\n"
        )
    };
    let nights = [
        (
            "2026-10-29",
            ticket(1, 1_790_010_000_000, "null", "ok") + &ticket(2, 1_790_020_000_000, "null", "ok"),
        ),
        ("2026-10-30", ticket(1, 1_790_030_000_000, "1790030000000", "ok")),
        ("2026-10-31", ticket(2, 1_790_040_000_000, "null", "deleted")),
    ];
    for (day, lines) in nights {
        write(folder, &format!("{desk}/dt={day}/changes.ndjson"), &lines);
    }
    write(
        folder,
        voc,
        "Answer ID,Sent,Completed,Customer e-mail,Order,How likely are you to recommend us?,\
         What is the reason for your score?,Device,Campaign\n\
         R1,10/14/2026 10:45,10/15/2026 19:33,ann@kunde.example,O1,9,\"All good, thank you\",web,after sales\n\
         R2,10/16/2026 11:35,10/20/2026 14:03,bo@kunde.example,O2,0,,phone,after sales\n\
         R3,10/17/2026 11:12,10/21/2026 13:49,cy@kunde.example,,10,late,web,after sales\n",
    );
    write(
        folder,
        calls,
        "id,when,what,cust,order,medium,direction,result,team,promised_until,cost_eur\n\
         I1,2026-10-02 14:20:46,COURTESY,C1,O1,phone,out,answered,customer care,,3.10\n\
         I2,2026-10-03 07:53:21,INVOICE,C2,O2,email,out,,,,\n\
         I3,2026-10-04 20:45:05,CALL,C3,O3,phone,in,unanswered,customer care,2026-10-09 18:00:00,4.20\n",
    );
}

/// What must stand in the proposal of that lake, wherever its files lie.
const FOREIGN: &[&str] = &[
    // surveys
    "timestamp_formats = [\"%m/%d/%Y %H:%M\"]\n# ? its times have no zone",
    "response_id = \"Answer ID\" ",
    "responded_at = \"Completed\" ",
    "score = \"How likely are you to recommend us?\" ",
    " # 9 | 0 | 10\n",
    "email = \"Customer e-mail\" ",
    "order_id = \"Order\" ",
    "mode = \"Device\" ",
    "comment = \"What is the reason for your score?\" ",
    "sent_at = \"Sent\" ",
    "# ? survey_kind: perhaps \"Campaign\" (after sales)\n# survey_kind = \"Campaign\"\n",
    // purchases
    "delimiter = \";\"\nencoding = \"latin-1\"\ntimestamp_formats = [\"%d.%m.%Y %H:%M\", \"%d.%m.%Y\"]\n\
     decimal = \",\"\n# ? its times have no zone",
    "order_id = \"Auftragsnummer\" ",
    "ordered_at = \"Auftragsdatum\" ",
    "customer_id = \"Kundennr\" ",
    "email = \"E-Mail\" ",
    "promised_at = \"Zugesagt am\" ",
    "delivered_at = \"Zugestellt am\" ",
    "returned_at = \"Retoure am\" ",
    "amount = \"Betrag\" ",
    "currency = \"Währung\" ",
    "store_id = \"Filiale\" ",
    "region = \"Region\" ",
    "product_category = \"Warengruppe\"   # Mode | Bücher\n",
    // tickets
    "timestamp_formats = [\"epoch_milliseconds\"]\nmode = \"upsert\" ",
    "\nkey = \"number\"\nversion = \"modified\"\ndeleted_when = \"lower(\\\"state\\\") = 'deleted'\" ",
    "ticket_id = \"number\" ",
    "opened_at = \"created\" ",
    "email = \"requester.email\" ",
    "order_id = \"custom.order_ref\" ",
    "updated_at = \"modified\" ",
    "first_replied_at = \"first_response\" ",
    "solved_at = \"resolved\" ",
    "reopens = \"reopen_count\" ",
    "replies = \"reply_count\" ",
    "transfers = \"assignment_changes\" ",
    "channel = \"source\" ",
    "category = \"type\" ",
    "team = \"group\" ",
    // interactions
    "words.initiated_by = { in = \"customer\", out = \"company\" }   # ? ",
    "# words.kind = { COURTESY = \"?\" }\n",
    "interaction_id = \"id\" ",
    "occurred_at = \"when\" ",
    "kind = \"what\" ",
    "customer_id = \"cust\" ",
    "order_id = \"order\" ",
    "channel = \"medium\" ",
    "initiated_by = \"direction\" ",
    "outcome = \"result\" ",
    "team = \"team\" ",
    "due_at = \"promised_until\" ",
    "cost = \"cost_eur\" ",
];

#[test]
fn a_lake_of_anothers_making_is_recognised_by_what_it_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    foreign_lake(
        folder.path(),
        "lake/erp/auftraege",
        "lake/servicedesk",
        "lake/voc/answers_all.csv",
        "lake/callcentre/contacts.csv",
    );
    let lake = folder.path().join("lake");
    let proposal = aftersale(&["init", "--from", text(&lake)]).expect(0).stdout;
    for line in FOREIGN {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
    assert_eq!(proposal.matches("# ? its times have no zone").count(), 3, "{proposal}");
    // Nothing is left to ask before a check.
    let told = check(folder.path(), &proposal).expect(0);
    assert_eq!(told.stdout.matches("rejected  0\n").count(), 4, "{}", told.told());

    // From another folder on, the same is found.
    for part in ["erp", "servicedesk", "voc", "callcentre"] {
        let alone = aftersale(&["init", "--from", text(&lake.join(part))]).expect(0).stdout;
        // But for the scale, which the answers tell.
        let alone = alone.split_once("\n# ---- ").expect("a feed").1;
        for line in alone.lines().filter(|line| line.contains(" = \"") && !line.contains("url = ")) {
            assert!(proposal.contains(line), "{part}: {line}\n--- is not in\n{proposal}");
        }
        assert!(alone.contains("\n[sources."), "{part}\n{alone}");
    }
}

/// Where neither files nor folders are called after anything, columns and values tell.
#[test]
fn names_of_files_are_not_needed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    foreign_lake(folder.path(), "x/a/all", "x/b", "x/c/all.csv", "x/d/all.csv");
    let proposal = aftersale(&["init", "--from", text(&folder.path().join("x"))]).expect(0).stdout;
    for line in FOREIGN {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
}

/// What cannot be told is printed as a comment with all that was found out; only the feed and its columns
/// are open.
#[test]
fn a_table_that_is_not_recognised_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut lines = String::from("Kürzel;Stand;Wert;Art\n");
    for row in 1..20 {
        lines.push_str(&format!(
            "k{row};{row:02}.01.2026;{row},5;{}\n",
            if row % 2 == 0 { "rot" } else { "grün" }
        ));
    }
    let latin: Vec<u8> = lines.chars().map(|c| c as u8).collect();
    fs::create_dir_all(folder.path().join("lake")).expect("a folder can be made");
    fs::write(folder.path().join("lake/kurse.csv"), latin).expect("written");
    let proposal =
        aftersale(&["init", "--from", text(&folder.path().join("lake/kurse.csv"))]).expect(0).stdout;
    write(folder.path(), "lake/orders/paid.csv", "order_id,currency,how\n1,EUR,card\n1,EUR,cash\n");
    let guess = aftersale(&["init", "--from", text(&folder.path().join("lake/orders"))]).expect(0).stdout;
    for line in [
        "which feed is it? The best guess is purchases.",
        "\n# [sources.purchases]\n# url = ",
        "\n# ? \"order_id\" comes again",
        "\n# order_id = \"order_id\"   # 1\n",
        "\n# ? ordered_at: which column is it?",
        "# ? where are the purchases? Perhaps in ",
    ] {
        assert!(guess.contains(line), "{line}\n--- is not in\n{guess}");
    }
    assert!(!guess.contains("\n[sources."), "{guess}");
    for line in [
        "lake/kurse.csv\"\n# format = \"csv\"\n# delimiter = \";\"\n# encoding = \"latin-1\"\n\
         # timestamp_formats = [\"%d.%m.%Y\"]\n# decimal = \",\"\n# ? its times have no zone",
        "#   \"Kürzel\"  k1 | k2 | k3\n",
        "#   \"Art\"     grün | rot\n",
    ] {
        assert!(proposal.contains(line), "{line}\n--- is not in\n{proposal}");
    }
    assert!(!proposal.contains("\n[sources."), "{proposal}");
}

/// The same set again each day is a snapshot; where it only grows from day to day nothing is said.
#[test]
fn the_same_rows_each_day_are_a_snapshot() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lake(folder.path());
    let answers = fs::read_to_string(folder.path().join("lake/nps/answers.csv")).expect("an export");
    fs::remove_file(folder.path().join("lake/nps/answers.csv")).expect("removed");
    for (day, more) in [("01", ""), ("02", "R4,2025-03-01 10:00,C1,ann@example.com,3,\n")] {
        write(folder.path(), &format!("lake/nps/2025-03-{day}/answers.csv"), &(answers.clone() + more));
    }
    let location = folder.path().join("lake");
    let proposal = aftersale(&["init", "--from", text(&location)]).expect(0).stdout;
    assert!(proposal.contains("\nmode = \"snapshot\" "), "{proposal}");
    assert!(!proposal.contains("upsert"), "{proposal}");
    let told = check(folder.path(), &proposal.replace("# score = \"\"", "score = \"Q1\"")).expect(0);
    assert!(told.stdout.contains("100.0%: 4 latest_purchase"), "{}", told.told());
}
