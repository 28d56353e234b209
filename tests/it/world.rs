//! A small made-up shop, dirt included, for tests that ask whether two runs agree; what the numbers
//! should be is asked by the cases.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One feed's export: its header and its rows as lines of CSV.
pub struct Feed {
    pub name: &'static str,
    header: &'static str,
    pub rows: Vec<String>,
}

const SETTINGS: &str = r#"timezone = "Europe/Madrid"
segments = ["region", "sales_channel"]

[analysis]
max_rejected_share = 1.0
"#;

/// The configuration for feeds that lie under `place`, a folder or a URL.
pub fn configuration(place: &str) -> String {
    let mut text = SETTINGS.to_string();
    for name in ["surveys", "purchases", "tickets", "ticket_events", "interactions"] {
        let _ = write!(text, "\n[sources.{name}]\nurl = \"{place}/{name}/\"\nformat = \"csv\"\n");
    }
    text
}

/// Writes each feed's rows, dealt among so many files, and the configuration; returns its path.
pub fn write(folder: &Path, feeds: &[Feed], files: usize) -> PathBuf {
    for feed in feeds {
        let place = folder.join("given").join(feed.name);
        fs::create_dir_all(&place).expect("a folder can be made");
        for file in 0..files {
            let rows = feed.rows.iter().skip(file).step_by(files).map(String::as_str);
            let lines: Vec<&str> = std::iter::once(feed.header).chain(rows).collect();
            fs::write(place.join(format!("{file:03}.csv")), lines.join("\n") + "\n")
                .expect("a file can be written");
        }
    }
    let config = folder.join("aftersale.toml");
    fs::write(&config, configuration("given")).expect("a file can be written");
    config
}

/// The shop's exports: the same for the same number of purchases.
pub fn feeds(purchases: u32) -> Vec<Feed> {
    let mut luck = ChaCha8Rng::seed_from_u64(u64::from(purchases));
    let mut surveys = Feed {
        name: "surveys",
        header: "response_id,responded_at,score,customer_id,order_id,survey_kind,weight,comment",
        rows: vec![
            "R-late,2025-06-01 10:00,11,C1,,transactional,,".into(),
            "R-2099,2099-06-01 10:00,9,C1,,transactional,,".into(),
            "R-ragged,2025-06-01 10:00".into(),
            "R-twice,2025-06-01 10:00,3,C1,,transactional,,".into(),
            "R-twice,2025-06-01 10:00,8,C1,,transactional,,".into(),
            "R-unknown,2025-06-01 10:00,8,C1,O-none,transactional,,".into(),
            "R-nobody,2025-06-01 10:00,8,,,transactional,,".into(),
            "R-same,2025-06-02 10:00,8,C2,,transactional,1.5,\"two\nlines\"".into(),
            "R-same,2025-06-02 10:00,8,C2,,transactional,1.5,\"two\nlines\"".into(),
            "R-soon,2024-12-01 10:00,8,,O1,transactional,,".into(),
        ],
    };
    let mut sold = Feed {
        name: "purchases",
        header: "order_id,ordered_at,customer_id,promised_at,delivered_at,damaged,amount,currency,region,sales_channel",
        rows: vec!["O-bad,soon,C3,,,,,,,".into(), ",2025-05-01,C3,,,,,,,".into()],
    };
    let mut tickets = Feed {
        name: "tickets",
        header: "ticket_id,opened_at,customer_id,order_id,updated_at,first_replied_at,solved_at,reopens,replies,channel",
        rows: Vec::new(),
    };
    let mut events = Feed { name: "ticket_events", header: "ticket_id,occurred_at,event", rows: Vec::new() };
    let mut contacts = Feed {
        name: "interactions",
        header: "interaction_id,occurred_at,kind,customer_id,order_id,initiated_by,outcome,due_at,ended_at",
        rows: Vec::new(),
    };
    for number in 1..=purchases {
        let customer = match luck.random_range(0..20) {
            0 => String::new(),
            _ => format!("C{}", luck.random_range(1..=purchases.div_ceil(2))),
        };
        // Hours since the year began; few different ones, so that there are ties.
        let ordered = 24 * luck.random_range(0..120) + 10;
        let delivered = ordered + 24 * luck.random_range(1..15);
        let answered = ordered + 24 * luck.random_range(5..30);
        sold.rows.push(format!(
            "O{number},{},{customer},{},{},{},{}.{:02},EUR,{},{}",
            hour(ordered),
            &hour(ordered + 24 * 8)[..10],
            if luck.random_bool(0.95) { hour(delivered) } else { String::new() },
            if luck.random_bool(0.05) { "yes" } else { "no" },
            luck.random_range(5..500),
            luck.random_range(0..100),
            ["north", "south", "", "islands"][luck.random_range(0..4)],
            ["web", "shop"][luck.random_range(0..2)],
        ));
        let order = if luck.random_bool(0.7) { format!("O{number}") } else { String::new() };
        if luck.random_bool(0.6) {
            surveys.rows.push(format!(
                "R{number},{},{},{customer},{order},transactional,{}.5,",
                hour(answered),
                luck.random_range(0..=10),
                luck.random_range(0..3)
            ));
        }
        if luck.random_bool(0.4) {
            let opened = ordered + luck.random_range(24..600);
            let (replied, solved) = (opened + luck.random_range(1..60), opened + luck.random_range(60..200));
            let reopens = luck.random_range(0..2);
            tickets.rows.push(format!(
                "T{number},{},{customer},{order},{},{},{},{reopens},{},{}",
                hour(opened),
                hour(solved),
                hour(replied),
                hour(solved),
                luck.random_range(1..4),
                ["mail", "phone"][luck.random_range(0..2)]
            ));
            if luck.random_bool(0.5) {
                for (event, at) in [("replied", replied), ("solved", solved), ("reopened", solved + 50)] {
                    if event != "reopened" || reopens > 0 {
                        events.rows.push(format!("T{number},{},{event}", hour(at)));
                    }
                }
            }
        }
        if luck.random_bool(0.5) {
            let at = ordered + luck.random_range(24..600);
            let kind = ["follow_up", "call", "invoice", "billing_error", "repair", "offer", "visit"]
                [luck.random_range(0..7)];
            contacts.rows.push(format!(
                "I{number},{},{kind},{customer},{order},{},{},{},{}",
                hour(at),
                ["company", "customer"][luck.random_range(0..2)],
                ["done", "abandoned"][luck.random_range(0..2)],
                &hour(at + 48)[..10],
                hour(at + luck.random_range(10..100))
            ));
        }
    }
    vec![surveys, sold, tickets, events, contacts]
}

/// An hour of 2025 as an export writes it.
fn hour(hours: u32) -> String {
    let start = chrono::NaiveDate::from_ymd_opt(2025, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
    let at = start.expect("a day") + chrono::TimeDelta::hours(i64::from(hours));
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
