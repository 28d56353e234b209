use std::io;
use std::sync::{Arc, Mutex};

use super::model::TABLE;
use super::truth::Whose;
use super::*;
use crate::error::Error;

type Files = BTreeMap<String, Vec<u8>>;

/// A file in memory, put in its place when it is flushed.
struct Page(String, Vec<u8>, Arc<Mutex<Files>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.2.lock().unwrap().insert(self.0.clone(), self.1.clone());
        Ok(())
    }
}

fn written(purchases: u64, seed: u64, dirty: bool) -> (Summary, Files) {
    let files = Arc::new(Mutex::new(Files::new()));
    let mut open = |path: &str| Ok(Box::new(Page(path.to_owned(), vec![], files.clone())) as File);
    let summary = generate(&World { purchases, seed, dirty, ..Default::default() }, &mut open).unwrap();
    let files = files.lock().unwrap().clone();
    (summary, files)
}

/// The rows of a feed's CSV files, sorted; bytes that are no text become `?`.
fn rows(files: &Files, folder: &str) -> Vec<Vec<String>> {
    let feed = files.iter().filter(|(path, _)| path.starts_with(folder));
    let mut rows: Vec<_> = feed
        .flat_map(|(_, bytes)| {
            csv::ReaderBuilder::new().flexible(true).from_reader(&bytes[..]).into_byte_records()
        })
        .map(|row| {
            row.unwrap().iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect::<Vec<_>>()
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn a_seed_makes_one_world() {
    let (summary, files) = written(1_100, 1, false);
    assert_eq!((&summary, &files), (&written(1_100, 1, false).0, &written(1_100, 1, false).1));
    assert_ne!(files, written(1_100, 2, false).1);
    assert_eq!(summary.purchases, 1_100);
    assert_eq!(summary.files.len(), files.len());
    assert_eq!(rows(&files, "surveys").len() as u64, summary.answers.iter().sum::<u64>());
    assert_eq!(rows(&files, "interactions").len() as u64, summary.interactions);
    assert!(files.contains_key("purchases/part-00001.parquet"));
    assert_eq!(written(0, 1, false), Default::default());
}

fn lake(purchases: u64, seed: u64) -> (Summary, Files) {
    let files = Arc::new(Mutex::new(Files::new()));
    let mut open = |path: &str| Ok(Box::new(Page(path.to_owned(), vec![], files.clone())) as File);
    let summary = generate_exports(&World { purchases, seed, ..Default::default() }, &mut open).unwrap();
    let files = files.lock().unwrap().clone();
    (summary, files)
}

/// The rows of a JSON array in all pages of a folder, as key and text.
fn pages(files: &Files, folder: &str, array: &str) -> Vec<(u64, String)> {
    let pages = files.iter().filter(|(path, _)| path.starts_with(folder));
    let rows = pages.flat_map(|(_, bytes)| {
        let page: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        page[array].as_array().unwrap().clone()
    });
    rows.map(|row| (row["id"].as_u64().unwrap(), row.to_string())).collect()
}

#[test]
fn a_lake_is_delivered_night_after_night() {
    let (summary, files) = lake(9_000, 1);
    assert_eq!(lake(300, 1), lake(300, 1));
    assert_eq!(summary.purchases, 9_000);
    assert_eq!(summary.files.len(), files.len());
    let nights = nights();
    assert_eq!(nights, ["2026-10-27", "2026-10-28", "2026-10-29", "2026-10-30", "2026-10-31"]);

    // On the last night all of the world is told of, as in its plain exports.
    let (world, _) = written(9_000, 1, false);
    assert_eq!((summary.tickets, summary.answers), (world.tickets, world.answers));
    let plain = |night: usize, feed: &str| rows(&files, &format!("plain/{}/{feed}.csv", nights[night]));
    assert_eq!(plain(4, "purchases").len(), 9_000);
    let deleted = summary.planted["deleted_tickets"] as usize;
    assert_eq!(plain(4, "tickets").len(), summary.tickets as usize - deleted);

    // Changed tickets come again, deleted ones as such, and nothing that did not change.
    let told: Vec<_> = nights
        .iter()
        .map(|night| pages(&files, &format!("exports/zendesk/tickets/{night}/"), "tickets"))
        .collect();
    let (again, new): (Vec<_>, Vec<_>) =
        told[1..].iter().flatten().partition(|(id, _)| told[0].iter().any(|(known, _)| known == id));
    assert!(again.len() > deleted && !new.is_empty(), "{} again, {} new", again.len(), new.len());
    assert!(again.len() < told[0].len() / 5, "{} of {} come again", again.len(), told[0].len());
    let gone = |night: usize| told[night].iter().filter(|(_, row)| row.contains("\"deleted\"")).count();
    assert_eq!([gone(0), gone(1), gone(2)], [0, 0, deleted]);

    // Late answers are about days whose deliveries lacked them.
    let late = summary.planted["answers_that_arrive_late"];
    let answered_before =
        |night: usize, day: &str| plain(night, "surveys").iter().filter(|row| row[4].as_str() < day).count();
    let of_two_days = |night| answered_before(night, "2026-10-28T23:00:00Z");
    let (at_once, later) = (of_two_days(1), of_two_days(3));
    assert!(late >= 2 && later > at_once, "{late} late; of two days {at_once}, and {later} two nights later");

    // Three header rows, and another name for the question from the fourth night on.
    let survey = |night: usize| rows(&files, &format!("exports/qualtrics/{}/", nights[night]));
    let header = |night: usize| {
        let path = format!("exports/qualtrics/{}/responses.csv", nights[night]);
        String::from_utf8_lossy(&files[&path]).lines().next().unwrap().to_owned()
    };
    assert!(header(2).contains(",Q1_NPS_GROUP,Q1,") && header(3).contains(",NPS_NPS_GROUP,NPS,"));
    let real = survey(4).iter().filter(|row| row[8].starts_with("R_0")).count();
    assert_eq!(real, plain(4, "surveys").len());
    assert!(survey(4).len() > real + 2, "previews and broken-off answers");

    // A row per line item, and each order's own fields once.
    let orders = rows(&files, &format!("exports/shopify/orders/{}/", nights[4]));
    assert_eq!(orders.iter().filter(|row| !row[11].is_empty()).count(), 9_000);
    assert_eq!(orders.len(), 3_000 * (2 + 3 + 1), "two, three and one, in turn");
}

#[test]
fn a_file_that_cannot_be_opened_stops_it() {
    let mut open = |_: &str| Err(Error::io("disk full"));
    let error = generate(&World { purchases: 10, seed: 1, ..Default::default() }, &mut open).unwrap_err();
    assert_eq!(error.message(), "disk full");
}

/// Every bad row is counted, and taking it away leaves the clean world.
#[test]
fn dirt_is_counted_and_only_added() {
    let (clean_summary, clean) = written(2_000, 1, false);
    let (summary, dirty) = written(2_000, 1, true);
    let (clean, all) = (rows(&clean, "surveys"), rows(&dirty, "surveys"));
    assert_eq!(summary.answers, clean_summary.answers);
    assert!(clean_summary.planted.is_empty());

    let good = |row: &&Vec<String>| row[0].starts_with("R0");
    let mut kept: Vec<_> = all.iter().filter(good).cloned().collect();
    let with_duplicates = kept.len();
    kept.dedup();
    let bad: Vec<_> = all.iter().filter(|row| !good(row)).collect();
    let count = |test: &dyn Fn(&Vec<String>) -> bool| bad.iter().filter(|row| test(row)).count();
    let seen = [
        ("before_purchase", count(&|row| row.len() == 9 && row[5].is_empty())),
        ("cost_unreadable", rows(&dirty, "interactions").iter().filter(|row| row[11] == "x").count()),
        (
            "duplicate_conflicting",
            bad.windows(2).filter(|two| two[0][0] == two[1][0] && !two[0][0].is_empty()).count() * 2,
        ),
        ("duplicate_identical", with_duplicates - kept.len()),
        ("field_missing", count(&|row| row.len() == 8)),
        ("key_missing", count(&|row| row[0].is_empty())),
        ("not_utf8", count(&|row| row.last().unwrap().contains('\u{fffd}'))),
        ("score_missing", count(&|row| row[7].is_empty())),
        ("score_out_of_scale", count(&|row| row[7] == "11")),
        ("score_unreadable", count(&|row| row[7] == "abc")),
        ("sent_at_unreadable", kept.iter().filter(|row| row[5] == "n/a").count()),
        ("time_implausible", count(&|row| row[6].starts_with("2099"))),
        ("time_unreadable", count(&|row| row[6] == "soon")),
    ];
    assert_eq!(summary.planted, seen.map(|(kind, rows)| (kind, rows as u64)).into());
    assert!(seen.iter().all(|(_, rows)| *rows >= 2), "{seen:?}");

    assert_eq!(kept.len(), clean.len());
    let changed = kept.iter().zip(&clean).filter(|(kept, clean)| kept != clean).count();
    assert_eq!(changed, 2, "the unreadable invitation times");
}

#[test]
fn the_table_is_in_the_order_of_its_causes() {
    for (place, (cause, _)) in TABLE.iter().enumerate() {
        assert_eq!(*cause as usize, place);
    }
    let total: f64 = Met::base().probabilities().iter().sum();
    assert!((total - 1.0).abs() < 1e-12);
}

/// 60,000 purchases: shares that look like a shop's, and raw differences with the planted signs.
#[test]
fn the_shop_looks_real() {
    let world = World { seed: 3, ..Default::default() };
    let journeys: Vec<_> =
        (1..=33_500).flat_map(|customer| journey::of_customer(&world, customer, 9)).collect();
    let delivered = journeys.iter().filter(|journey| journey.delivered.is_some()).count();
    let late = journeys.iter().filter(|journey| journey.met.has(Cause::Late)).count();
    let share = late as f64 / delivered as f64;
    assert!((0.15..0.20).contains(&share), "late among delivered: {share}");

    let answers: Vec<_> = journeys.iter().filter_map(|j| Some((j.met, j.answer.as_ref()?.class))).collect();
    let share = answers.len() as f64 / journeys.len() as f64;
    assert!((0.33..0.37).contains(&share), "answering: {share}");
    let of = |class: Class, test: &dyn Fn(Met) -> bool| {
        let among: Vec<_> = answers.iter().filter(|(met, _)| test(*met)).collect();
        among.iter().filter(|(_, other)| *other == class).count() as f64 / among.len() as f64
    };
    let nps = 100.0 * (of(Class::Promoter, &|_| true) - of(Class::Detractor, &|_| true));
    assert!((25.0..35.0).contains(&nps), "NPS: {nps}");

    use Cause::*;
    let parts = [(VeryLate, Late), (Reopened, TicketOpened), (RepeatRepair, Repair), (RefundSlow, Returned)];
    for (part, whole) in parts {
        assert!(answers.iter().all(|(met, _)| met.has(whole) || !met.has(part)), "{part:?}");
    }
    let ratio = |cause: Cause, among: &dyn Fn(Met) -> bool| {
        let with = of(Class::Detractor, &|met| met.has(cause) && among(met));
        with / of(Class::Detractor, &|met| !met.has(cause) && among(met))
    };
    for cause in
        [Late, NotDelivered, Damaged, BillingError, TicketOpened, SlowFirstReply, Reopened, Unanswered]
    {
        assert!(ratio(cause, &|_| true) > 1.3, "{cause:?}");
    }
    assert!(ratio(FollowUp, &|_| true) < 0.85);
    // Returns go along with what drives detractors, and drive none.
    assert!(ratio(Returned, &|_| true) > 1.1);
    let calm = |met: Met| !met.has(Late) && !met.has(NotDelivered) && !met.has(Damaged);
    assert!((0.85..1.15).contains(&ratio(Returned, &calm)));

    // The classes come from `probabilities`: within four standard errors, for whoever met what.
    for cause in TABLE.map(|(cause, _)| cause) {
        let met: Vec<_> = answers.iter().filter(|(met, _)| met.has(cause)).collect();
        let expected: f64 = met.iter().map(|(met, _)| met.probabilities()[2]).sum();
        let seen = met.iter().filter(|(_, class)| *class == Class::Detractor).count() as f64;
        assert!((seen - expected).abs() < 4.0 * expected.sqrt() + 1.0, "{cause:?}: {seen}, not {expected}");
    }
}

/// Returns go along with lateness and do nothing; lateness works through tickets too.
#[test]
fn the_truth_tells_what_was_planted() {
    let ordinary = World { purchases: 20_000, seed: 3, ..Default::default() };
    let truth = truth::of_world(&ordinary, truth::Plan::read().unwrap(), Whose::Answered, 20_000);
    let of = |id: &str| truth.touchpoints[id];
    assert!(truth.responses > 5_000, "{}", truth.responses);
    assert!(of("returned").exposed > 100, "{:?}", of("returned"));
    assert_eq!(of("returned").total.nps_points, 0.0);
    assert_eq!(of("returned").direct.avoidable_detractors, 0.0);
    let late = of("late");
    assert!(late.total.nps_points > late.direct.nps_points && late.direct.nps_points > 1.0, "{late:?}");
    assert!(of("follow_up_received").total.nps_points < -0.5);
    // A share of the exposed times the exposed is their sum.
    let exposed = late.exposed as f64;
    assert!((late.total.risk_difference * exposed - late.total.avoidable_detractors).abs() < 1e-9);

    let null = World { twists: Twists { is_null: true, ..Default::default() }, ..ordinary };
    let truth = truth::of_world(&null, truth::Plan::read().unwrap(), Whose::Answered, 20_000);
    assert!(truth.touchpoints.values().all(|effects| effects.total.nps_points == 0.0));
    assert!(truth.touchpoints["late"].exposed > 100);
}

/// Each switch changes the world, and only its own part of it.
#[test]
fn twists_do_what_they_say() {
    let base = World { purchases: 4_000, seed: 5, ..Default::default() };
    let summary = |twists: Twists| {
        let mut open = |_: &str| Ok(Box::new(io::sink()) as File);
        generate(&World { twists, ..base }, &mut open).unwrap()
    };
    let ordinary = summary(Twists::default());
    let none = Twists::default();
    let share = |summary: &Summary| summary.answers[2] as f64 / summary.answers.iter().sum::<u64>() as f64;
    assert!(share(&summary(Twists { is_null: true, ..none })) < share(&ordinary) - 0.03);
    assert!(summary(Twists { has_grumpy_customers: true, ..none }).tickets > ordinary.tickets * 11 / 10);
    assert!(share(&summary(Twists { response: Response::ByClass, ..none })) > share(&ordinary) + 0.05);
    let by_tickets = summary(Twists { response: Response::ByTickets, ..none });
    assert_eq!(by_tickets.tickets > 0, by_tickets.answers != ordinary.answers);
    for twists in [
        Twists { has_survey_lag: true, ..none },
        Twists { store_effect_sd: 1.0, ..none },
        Twists { store_week_sd: 1.0, ..none },
    ] {
        let twisted = summary(twists);
        assert_ne!(twisted.answers, ordinary.answers, "{twists:?}");
        assert_eq!(twisted.purchases, ordinary.purchases);
    }
}
