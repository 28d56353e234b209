//! Answers as Qualtrics exports them: the whole survey each night, in choice texts.
//!
//! Three header rows (names, questions, import ids), clocks of the account's zone, which only the third
//! row names, previews of the survey's makers and answers broken off half-way between the real ones.

use chrono::DateTime;
use chrono_tz::America::New_York;
use csv::Writer;
use serde_json::json;

use super::super::exports::{Opener, unwritten};
use super::super::journey::Answer;
use super::super::model::Class;
use super::super::{File, Result};
use super::{Night, RENAMED_ON, Response, email, order_name};

/// Name, question and import id of each column; the three that follow are the survey's own.
const METADATA: [(&str, &str, &str); 17] = [
    ("StartDate", "Start Date", "startDate"),
    ("EndDate", "End Date", "endDate"),
    ("Status", "Response Type", "status"),
    ("IPAddress", "IP Address", "ipAddress"),
    ("Progress", "Progress", "progress"),
    ("Duration (in seconds)", "Duration (in seconds)", "duration"),
    ("Finished", "Finished", "finished"),
    ("RecordedDate", "Recorded Date", "recordedDate"),
    ("ResponseId", "Response ID", "_recordId"),
    ("RecipientLastName", "Recipient Last Name", "recipientLastName"),
    ("RecipientFirstName", "Recipient First Name", "recipientFirstName"),
    ("RecipientEmail", "Recipient Email", "recipientEmail"),
    ("ExternalReference", "External Data Reference", "externalDataReference"),
    ("LocationLatitude", "Location Latitude", "locationLatitude"),
    ("LocationLongitude", "Location Longitude", "locationLongitude"),
    ("DistributionChannel", "Distribution Channel", "distributionChannel"),
    ("UserLanguage", "User Language", "userLanguage"),
];
const ZONE: &str = "America/New_York";
/// A preview and a broken-off answer stand before one of so many answers each.
const NOISE_ONE_IN: u64 = 20;

pub(super) struct Responses {
    file: Writer<File>,
}

/// What differs from answer to answer but for its times and its id.
#[derive(Default)]
struct Row {
    status: &'static str,
    is_finished: bool,
    email: String,
    channel: &'static str,
    group: &'static str,
    score: String,
    comment: String,
    order: String,
}

impl Responses {
    pub fn new(opener: &mut Opener, night: Night) -> Result<Self> {
        let path = format!("exports/qualtrics/{}/responses.csv", night.day);
        let mut file = Writer::from_writer(opener.open(path)?);
        let tag = if night.number < RENAMED_ON { "Q1" } else { "NPS" };
        let questions = [
            (format!("{tag}_NPS_GROUP"), "How likely are you to recommend us? - Group", "QID1_NPS_GROUP"),
            (tag.to_owned(), "How likely are you to recommend us?", "QID1"),
            ("Q2".to_owned(), "What is the main reason for your score?", "QID2_TEXT"),
            ("order_id".to_owned(), "order_id", "order_id"),
        ];
        let metadata = METADATA.map(|(name, question, id)| (name.to_owned(), question, id));
        let columns: Vec<_> = metadata.into_iter().chain(questions).collect();
        let write = |file: &mut Writer<File>, cells: Vec<String>| {
            file.write_record(cells).map_err(unwritten("qualtrics"))
        };
        write(&mut file, columns.iter().map(|(name, _, _)| name.clone()).collect())?;
        write(&mut file, columns.iter().map(|(_, question, _)| (*question).to_owned()).collect())?;
        let ids = columns.iter().map(|(_, _, id)| match *id {
            "startDate" | "endDate" | "recordedDate" => json!({"ImportId": id, "timeZone": ZONE}).to_string(),
            id => json!({"ImportId": id}).to_string(),
        });
        write(&mut file, ids.collect())?;
        Ok(Responses { file })
    }

    pub fn write(&mut self, response: &Response, answer: &Answer) -> Result<()> {
        let (number, ended) = (response.number, response.journey.responded);
        let nothing = Row { status: "IP Address", is_finished: true, ..Row::default() };
        match number % NOISE_ONE_IN {
            0 => {
                let preview = Row {
                    status: "Survey Preview",
                    channel: "preview",
                    group: "Promoter",
                    score: "10".to_owned(),
                    ..nothing
                };
                self.row(ended - 60, &format!("R_P{number:07}"), preview)?;
            }
            1 => {
                let broken_off = Row {
                    is_finished: false,
                    channel: "anonymous",
                    group: "Detractor",
                    score: "0".to_owned(),
                    ..nothing
                };
                self.row(ended - 90, &format!("R_U{number:07}"), broken_off)?;
            }
            _ => {}
        }
        let real = Row {
            status: "IP Address",
            is_finished: true,
            // Addresses stand here as they were imported.
            email: if answer.names_customer { email(response.customer) } else { String::new() },
            channel: match response.journey.mode {
                "mail" => "email",
                "phone" => "sms",
                _ => "anonymous",
            },
            group: match answer.class {
                Class::Promoter => "Promoter",
                Class::Passive => "Passive",
                Class::Detractor => "Detractor",
            },
            score: answer.score.to_string(),
            comment: answer.comment.clone(),
            order: if answer.names_order { order_name(response.order) } else { String::new() },
        };
        self.row(ended, &format!("R_{number:08}"), real)
    }

    fn row(&mut self, ended: i64, id: &str, row: Row) -> Result<()> {
        let started = ended - 95;
        let record = [
            clock(started),
            clock(ended),
            row.status.to_owned(),
            "192.0.2.7".to_owned(),
            if row.is_finished { "100" } else { "45" }.to_owned(),
            (ended - started).to_string(),
            if row.is_finished { "True" } else { "False" }.to_owned(),
            clock(ended),
            id.to_owned(),
            String::new(),
            String::new(),
            row.email,
            String::new(),
            String::new(),
            String::new(),
            row.channel.to_owned(),
            "EN".to_owned(),
            row.group.to_owned(),
            row.score,
            row.comment,
            row.order,
        ];
        self.file.write_record(record).map_err(unwritten("qualtrics"))
    }

    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(unwritten("qualtrics"))
    }
}

/// What the clocks of the account's zone show.
fn clock(when: i64) -> String {
    let utc = DateTime::from_timestamp(when, 0).expect("a time of this world");
    utc.with_timezone(&New_York).format("%Y-%m-%d %H:%M:%S").to_string()
}
