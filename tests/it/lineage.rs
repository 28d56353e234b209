//! OpenLineage events of runs, as listeners get them: by POST, and as lines of a file.
//!
//! What the specification (2-0-2) asks of an event is written down here by hand.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::Value;

use crate::program::{aftersale_with, text};
use crate::world;

/// An address that answers with this status; what it is sent comes out of the channel: head and event.
fn listener(status: &'static str) -> (String, mpsc::Receiver<(String, Value)>) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/api/v1/lineage", socket.local_addr().expect("an address"));
    let (sender, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            let event = loop {
                let Ok(length @ 1..) = stream.read(&mut piece) else { break None };
                bytes.extend_from_slice(&piece[..length]);
                let sent = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = sent.split_once("\r\n\r\n")
                    && let Ok(event) = serde_json::from_str(body)
                {
                    break Some((head.to_lowercase(), event));
                }
            };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if let Some(event) = event {
                let _ = sender.send(event);
            }
        }
    });
    (address, heard)
}

/// What the specification asks for.
fn problems(event: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut ask = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_string());
        }
    };
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let is_uri = |value: &Value| value.as_str().is_some_and(|text| url::Url::parse(text).is_ok());
    let time = event["eventTime"].as_str().unwrap_or_default();
    ask(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "eventTime is a date-time");
    ask(is_uri(&event["producer"]) && is_uri(&event["schemaURL"]), "producer and schemaURL are URIs");
    ask(
        ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
            .contains(&event["eventType"].as_str().unwrap_or_default()),
        "eventType is one of those",
    );
    let run = event["run"]["runId"].as_str().unwrap_or_default();
    let lengths: Vec<usize> = run.split('-').map(str::len).collect();
    let is_hex = run.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    ask(lengths == [8, 4, 4, 4, 12] && is_hex, "run.runId is a UUID");
    ask(is_text(&event["job"]["namespace"]) && is_text(&event["job"]["name"]), "the job is named");
    let mut facets = vec![&event["run"]["facets"], &event["job"]["facets"]];
    for side in ["inputs", "outputs"] {
        let Some(sets) = event[side].as_array() else {
            ask(false, "inputs and outputs are lists");
            continue;
        };
        for set in sets {
            ask(is_text(&set["namespace"]) && is_text(&set["name"]), "each data set is named");
            facets.push(&set["facets"]);
        }
    }
    for facet in facets.into_iter().filter_map(Value::as_object).flat_map(|facets| facets.values()) {
        ask(is_uri(&facet["_producer"]) && is_uri(&facet["_schemaURL"]), "each facet says who and what");
    }
    problems
}

#[test]
fn listeners_hear_how_each_run_began_and_ended() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world::write(folder.path(), &world::feeds(40), 1);
    let settings = fs::read_to_string(&config).expect("read");
    let (address, heard) = listener("200 OK");
    let path = folder.path().join("events.ndjson");
    let run = |events: &str, further: &str, code: i32| {
        let lineage = format!(
            "output = \"out\"\n{settings}\n{further}[lineage]\nevents = \"{events}\"\njob = \"nightly\"\n"
        );
        fs::write(&config, lineage).expect("written");
        aftersale_with(&["run", "--config", text(&config)], &[("OPENLINEAGE_API_KEY", "the-key")])
            .expect(code)
    };
    let published = run(&address, "", 0);
    run(&address, "", 0);
    run(&address, "[retention]\nmin_age_days = 1\n", 0);
    let broken = "[sources.identities]\nurl = \"nowhere.csv\"\n";
    run(&address, broken, 78);
    let events: Vec<(String, Value)> = heard.try_iter().collect();
    let kinds: Vec<&str> = events.iter().filter_map(|(_, event)| event["eventType"].as_str()).collect();
    assert_eq!(kinds, ["START", "COMPLETE", "START", "COMPLETE", "START", "COMPLETE", "START", "FAIL"]);
    for (head, event) in &events {
        assert_eq!(problems(event), Vec::<String>::new(), "{event:#}");
        assert!(
            head.contains("authorization: bearer the-key") && head.contains("post /api/v1/lineage"),
            "{head}"
        );
        assert_eq!(
            (&event["job"]["name"], event["inputs"].as_array().map(Vec::len)),
            (
                &"nightly".into(),
                Some(if event["eventType"] == "FAIL" || event == &events[6].1 { 6 } else { 5 })
            )
        );
    }
    for pair in events.chunks(2) {
        assert_eq!(pair[0].1["run"]["runId"], pair[1].1["run"]["runId"]);
    }
    assert_ne!(events[0].1["run"]["runId"], events[2].1["run"]["runId"]);
    let outputs = events[1].1["outputs"].as_array().expect("a list");
    assert!(
        outputs.iter().any(|set| set["name"].as_str().is_some_and(|name| name.ends_with("/out/rpt_nps")))
    );
    let run_id = published.stdout.trim().rsplit('/').next().expect("an id").to_string();
    assert!(outputs.iter().all(|set| set["facets"]["version"]["datasetVersion"] == run_id.as_str()));
    assert_eq!(events[3].1["outputs"], Value::Array(Vec::new()), "nothing was to be done");
    assert!(events[7].1["run"]["facets"]["errorMessage"]["message"].is_string());

    // A file gets lines.
    run(text(&path), "", 0);
    let lines = fs::read_to_string(&path).expect("events");
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| problems(event).is_empty()));
    let mut wrong = events[0].clone();
    wrong["run"]["runId"] = "42".into();
    assert_eq!(problems(&wrong), ["run.runId is a UUID"]);

    // Nobody who listens, or somebody who refuses, keeps no run from being published.
    let (refusing, _heard) = listener("403 Forbidden");
    for (place, said) in
        [(refusing.as_str(), "refuses the event"), ("http://127.0.0.1:9/x", "cannot be reached")]
    {
        let outcome = run(place, "", 0).says(&["a lineage event could not be delivered", said]);
        assert!(!outcome.stderr.contains("the-key"), "{}", outcome.told());
    }
    run("ftp://host/x", "", 78);
}
