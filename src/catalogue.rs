//! The touchpoint catalogue: what a customer can meet, as data.
//!
//! The built-in entries stand in `queries/touchpoints.toml`; the run's configuration adds its own or
//! replaces one by its id. Conditions are SQL over one event as it stood at the answer; they are parsed
//! and type-checked before anything is computed (see `exposures`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::{Config, nearest};
use crate::error::{Error, Result};
use crate::queries;

/// The journey's stages, in order.
pub const STAGES: [&str; 7] = ["purchase", "delivery", "billing", "care", "support", "returns", "repair"];

/// The feeds whose events can be touchpoints.
pub const FEEDS: [&str; 3] = ["purchases", "tickets", "interactions"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Can be acted on; ranked and given actions.
    Lever,
    /// A sign of something earlier.
    Symptom,
    Context,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Lever => "lever",
            Role::Symptom => "symptom",
            Role::Context => "context",
        }
    }
}

/// One entry, as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    label: String,
    stage: String,
    role: Role,
    feed: Option<String>,
    kind: Option<String>,
    when: Option<String>,
    undecided: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    having: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    factor: Option<String>,
    within: Option<String>,
    #[serde(default)]
    after: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_side_of: Option<String>,
    #[serde(default)]
    failure: bool,
    failures: Option<String>,
    fact: Option<String>,
    owner: Option<String>,
    action: Option<String>,
}

/// One touchpoint, as meant.
#[derive(Debug, Clone)]
pub struct Touchpoint {
    pub id: String,
    pub label: String,
    pub stage: String,
    pub role: Role,
    pub meets: Meets,
    /// States of one factor exclude each other; the first in catalogue order holds.
    pub factor: Option<String>,
    pub within: Option<String>,
    pub after: Vec<String>,
    /// It is the absence of that touchpoint, which the model has in its place.
    pub other_side_of: Option<String>,
    /// What keeps it undecided: where that is undone, "too early to tell" is undone with it.
    pub waits_for: Option<String>,
    /// Counts towards the failures met.
    pub is_failure: bool,
    pub fact: Option<String>,
    pub owner: Option<String>,
    pub action: Option<String>,
    /// Its place among the configuration's `[[touchpoints]]`, from 0; none: it is built in.
    pub written_at: Option<usize>,
    /// Of the definition: what decides who has met it. A changed one breaks the touchpoint's history.
    pub hash: String,
}

/// How an answer comes to have met a touchpoint.
#[derive(Debug, Clone)]
pub enum Meets {
    Events(Events),
    /// By the number of failures among the other touchpoints.
    Failures {
        least: u32,
        most: Option<u32>,
    },
}

/// Met by events of one feed.
#[derive(Debug, Clone)]
pub struct Events {
    pub feed: String,
    /// Only interactions of this kind; an export that never holds it does not measure the touchpoint.
    pub kind: Option<String>,
    /// SQL, boolean, over one event.
    pub when: String,
    /// SQL, boolean: the event's clock has not run yet.
    pub undecided: Option<String>,
    /// How many such events it takes.
    pub count: u32,
    /// (feed, column) pairs that the export must hold.
    pub needs: Vec<(String, String)>,
    /// The event's column that says when it was met; none for an absence.
    pub at: Option<String>,
    /// The column that says since when it could do what it does, where that is not `at`.
    pub since: Option<String>,
}

/// The catalogue of a run, in order.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub touchpoints: Vec<Touchpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    touchpoints: Vec<toml::Table>,
}

impl Catalogue {
    /// The built-in entries alone.
    ///
    /// # Errors
    /// `Kind::Internal` where they are wrong.
    pub fn built_in() -> Result<Catalogue> {
        let built_in: File = toml::from_str(queries::catalogue()?)
            .map_err(|e| Error::internal("the built-in catalogue is wrong").caused_by(e))?;
        let meant = |table| written(table).and_then(|entry| meant(entry, None));
        Ok(Catalogue { touchpoints: built_in.touchpoints.iter().map(meant).collect::<Result<_>>()? })
    }

    /// The built-in entries, the configuration's in place of those with the same id, and its further ones.
    ///
    /// # Errors
    /// `Kind::Config` with the touchpoint's id and a way out.
    pub fn read(config: &Config) -> Result<Catalogue> {
        let mut entries: Vec<Touchpoint> = Vec::new();
        if !config.own_catalogue_only {
            entries = Catalogue::built_in()?.touchpoints;
        }
        let mut own = BTreeSet::new();
        for (place, table) in config.touchpoints.iter().enumerate() {
            let at_line = |e: Error| e.with("file", config.place(&format!("touchpoints.{place}")));
            let entry = written(table).and_then(|entry| meant(entry, Some(place))).map_err(at_line)?;
            if !own.insert(entry.id.clone()) {
                let twice = refuse(&entry.id, "the touchpoint is written twice", "keep one of them");
                return Err(at_line(twice));
            }
            match entries.iter_mut().find(|other| other.id == entry.id) {
                Some(other) => *other = entry,
                None => entries.push(entry),
            }
        }
        if entries.is_empty() {
            return Err(Error::config("the catalogue has no touchpoints")
                .hint("add [[touchpoints]], or leave `catalogue = \"replace\"` out"));
        }
        let catalogue = Catalogue { touchpoints: entries };
        catalogue.check().map_err(|wrong| {
            let refused = refuse(&wrong.at.id, &wrong.message, &wrong.hint);
            match wrong.at.written_at {
                Some(place) => refused.with("file", config.place(&format!("touchpoints.{place}"))),
                None => refused,
            }
        })?;
        Ok(catalogue)
    }

    pub fn get(&self, id: &str) -> Option<&Touchpoint> {
        self.touchpoints.iter().find(|touchpoint| touchpoint.id == id)
    }

    /// How many wider touchpoints this one is part of.
    pub fn depth(&self, touchpoint: &Touchpoint) -> usize {
        let mut depth = 0;
        let mut at = touchpoint.within.as_deref();
        while let Some(wider) = at.and_then(|id| self.get(id)) {
            depth += 1;
            at = wider.within.as_deref();
        }
        depth
    }

    /// Relations name touchpoints that exist, lead nowhere in a circle, and parts stay in their stage.
    fn check(&self) -> Result<(), Wrong<'_>> {
        let ids: Vec<&str> = self.touchpoints.iter().map(|t| t.id.as_str()).collect();
        let mut by_factor: BTreeMap<&str, &Touchpoint> = BTreeMap::new();
        for touchpoint in &self.touchpoints {
            let wrong =
                |message: String, hint: &str| Err(Wrong { at: touchpoint, message, hint: hint.into() });
            let inside =
                || touchpoint.within.iter().chain(&touchpoint.after).chain(&touchpoint.other_side_of);
            for name in inside().chain(&touchpoint.waits_for) {
                let Some(other) = self.get(name) else {
                    let hint = match nearest(name, &ids) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "name another touchpoint of the catalogue".into(),
                    };
                    return wrong(format!("it refers to `{name}`, which is not there"), &hint);
                };
                if other.stage != touchpoint.stage && inside().any(|own| own == name) {
                    return Err(other_stage(touchpoint, other));
                }
            }
            self.check_waiting(touchpoint)?;
            let mut at = Some(touchpoint);
            for _ in 0..=ids.len() {
                at = at.and_then(|t| t.within.as_deref()).and_then(|id| self.get(id));
            }
            if at.is_some() {
                return wrong("it is part of itself".into(), "break the circle of `within`");
            }
            let side = touchpoint.other_side_of.as_deref().and_then(|id| self.get(id));
            if side.is_some_and(|side| side.id == touchpoint.id || side.other_side_of.is_some()) {
                return wrong(
                    "it is the other side of something that is itself the other side of something".into(),
                    "of two sides of one thing one stands in the model: write `other_side_of` at the other",
                );
            }
            if let Some(factor) = &touchpoint.factor {
                let first = by_factor.entry(factor).or_insert(touchpoint);
                if first.stage != touchpoint.stage || first.within != touchpoint.within {
                    let (own, other) = own_first(touchpoint, first);
                    return Err(Wrong {
                        at: own,
                        message: format!(
                            "it shares the factor `{factor}` with `{}`, which differs in `stage` or `within`",
                            other.id
                        ),
                        hint: "states that exclude each other belong to one stage and one wider touchpoint"
                            .into(),
                    });
                }
            }
        }
        self.check_order()
    }

    /// What waits for something is undecided at times, and what it waits for is not later than itself.
    fn check_waiting<'a>(&'a self, touchpoint: &'a Touchpoint) -> Result<(), Wrong<'a>> {
        let Some(other) = touchpoint.waits_for.as_deref().and_then(|id| self.get(id)) else { return Ok(()) };
        let place = |of: &Touchpoint| STAGES.iter().position(|stage| *stage == of.stage);
        let is_undecided = matches!(&touchpoint.meets, Meets::Events(events) if events.undecided.is_some());
        let (message, hint) = if other.id == touchpoint.id {
            ("it waits for itself".to_string(), "name what keeps it undecided")
        } else if !is_undecided {
            let message = format!("it waits for `{}`, but is never undecided", other.id);
            (message, "say in `undecided` when it cannot be told yet, or leave `waits_for` out")
        } else if place(other) > place(touchpoint) {
            let message = format!("it waits for `{}`, which belongs to a later stage", other.id);
            (message, "what keeps a touchpoint undecided stands in its own stage or in an earlier one")
        } else {
            return Ok(());
        };
        Err(Wrong { at: touchpoint, message, hint: hint.into() })
    }

    /// Nothing comes after itself, neither by `after` alone nor through what touchpoints are part of.
    fn check_order(&self) -> Result<(), Wrong<'_>> {
        let many = self.touchpoints.len();
        let place = |id: &str| self.touchpoints.iter().position(|touchpoint| touchpoint.id == id);
        let wider: Vec<Vec<usize>> = (0..many)
            .map(|at| {
                let whole = |at: &usize| self.touchpoints[*at].within.as_deref().and_then(place);
                std::iter::successors(Some(at), whole).collect()
            })
            .collect();
        // What comes before a whole comes before its parts; what comes after a part comes after its whole.
        let comes_before = |at: usize| {
            let named = wider[at].iter().flat_map(|own| &self.touchpoints[*own].after);
            let before: BTreeSet<usize> =
                named.filter_map(|id| place(id)).flat_map(|named| wider[named].iter().copied()).collect();
            let is_kin = |other: &usize| wider[at].contains(other) || wider[*other].contains(&at);
            before.into_iter().filter(|other| *other == at || !is_kin(other)).collect::<Vec<usize>>()
        };
        let before: Vec<Vec<usize>> = (0..many).map(comes_before).collect();
        for start in 0..many {
            // The shortest way back to it.
            let mut ways = vec![vec![start]];
            let mut is_seen = vec![false; many];
            while let Some(way) = (!ways.is_empty()).then(|| ways.remove(0)) {
                for next in way.last().map_or(&[][..], |last| &before[*last]) {
                    if *next == start {
                        return Err(self.circle(&way));
                    }
                    if !std::mem::replace(&mut is_seen[*next], true) {
                        ways.push(way.iter().copied().chain([*next]).collect());
                    }
                }
            }
        }
        Ok(())
    }

    /// The configuration's own one is to blame, where there is one.
    fn circle(&self, way: &[usize]) -> Wrong<'_> {
        let own = way.iter().position(|at| self.touchpoints[*at].written_at.is_some()).unwrap_or(0);
        let round = way[own..].iter().chain(&way[..=own]);
        let names: Vec<String> = round.map(|at| format!("`{}`", self.touchpoints[*at].id)).collect();
        Wrong {
            at: &self.touchpoints[way[own]],
            message: format!("it comes after itself: {}", names.join(" after ")),
            hint: "take one of these out of `after`; of two sides of one thing, such as a call and no call, \
                   say `other_side_of`"
                .into(),
        }
    }

    /// Which of some entries are told by another one of them: the other side of it.
    pub fn are_other_sides(entries: &[&Touchpoint]) -> Vec<bool> {
        let is_there = |id: &str| entries.iter().any(|entry| entry.id == id);
        entries.iter().map(|entry| entry.other_side_of.as_deref().is_some_and(is_there)).collect()
    }
}

/// What is wrong with a catalogue, and the touchpoint that is to blame.
struct Wrong<'a> {
    at: &'a Touchpoint,
    message: String,
    hint: String,
}

/// A relation between two stages. Of the two the configuration's own one is to blame: nobody has written
/// the built-in one.
fn other_stage<'a>(touchpoint: &'a Touchpoint, other: &'a Touchpoint) -> Wrong<'a> {
    if touchpoint.written_at.is_none() && other.written_at.is_some() {
        return Wrong {
            at: other,
            message: format!(
                "it takes the place of a built-in touchpoint in another stage: `{}` of stage `{}` refers to it",
                touchpoint.id, touchpoint.stage
            ),
            hint: format!(
                "keep `stage = \"{}\"`, or give your touchpoint an id of its own",
                touchpoint.stage
            ),
        };
    }
    Wrong {
        at: touchpoint,
        message: format!("it refers to `{}`, which belongs to another stage", other.id),
        hint: "`within` and `after` hold inside one stage; stages have their order already".into(),
    }
}

/// Of two touchpoints the configuration's own one first, where only one is.
fn own_first<'a>(one: &'a Touchpoint, other: &'a Touchpoint) -> (&'a Touchpoint, &'a Touchpoint) {
    match (one.written_at, other.written_at) {
        (None, Some(_)) => (other, one),
        _ => (one, other),
    }
}

fn refuse(id: &str, message: &str, hint: &str) -> Error {
    Error::config(message).with("touchpoint", id).hint(hint)
}

fn written(table: &toml::Table) -> Result<Written> {
    let id = table.get("id").and_then(|id| id.as_str()).unwrap_or("(without an id)").to_string();
    table.clone().try_into().map_err(|e: toml::de::Error| {
        refuse(&id, e.message(), "the built-in entries in queries/touchpoints.toml show every key")
    })
}

fn meant(written: Written, written_at: Option<usize>) -> Result<Touchpoint> {
    let id = written.id.clone();
    let is_name = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !id.ends_with("_state");
    if !is_name {
        return Err(refuse(&id, "the id is no name", "use lower-case letters, digits and _"));
    }
    if !STAGES.contains(&written.stage.as_str()) {
        let message = format!("`{}` is not a stage", written.stage);
        return Err(refuse(&id, &message, &format!("the stages are {}", STAGES.join(", "))));
    }
    let hash = definition_hash(&written)?;
    let meets = match (&written.feed, &written.when, &written.failures) {
        (Some(feed), Some(when), None) => Meets::Events(events(&id, feed, when, &written)?),
        (None, None, Some(failures)) => {
            let (least, most) = failures_of(failures)
                .ok_or_else(|| refuse(&id, "`failures` is not understood", "write \"2\" or \"3 or more\""))?;
            Meets::Failures { least, most }
        }
        _ => {
            return Err(refuse(
                &id,
                "it says neither which events meet it nor how many failures",
                "give `feed` and `when`, or `failures`",
            ));
        }
    };
    Ok(Touchpoint {
        id,
        label: written.label,
        stage: written.stage,
        role: written.role,
        meets,
        factor: written.factor,
        within: written.within,
        after: written.after,
        other_side_of: written.other_side_of,
        waits_for: written.waits_for,
        is_failure: written.failure,
        fact: written.fact,
        owner: written.owner,
        action: written.action,
        written_at,
        hash,
    })
}

fn events(id: &str, feed: &str, when: &str, written: &Written) -> Result<Events> {
    if !FEEDS.contains(&feed) {
        let message = format!("`{feed}` has no events that can be touchpoints");
        return Err(refuse(id, &message, &format!("use one of {}", FEEDS.join(", "))));
    }
    if written.kind.is_some() && feed != "interactions" {
        return Err(refuse(id, "only interactions have a `kind`", "say it in `when`"));
    }
    let count = match written.having.as_deref() {
        None => 1,
        Some(having) => having
            .split_once(">=")
            .filter(|(left, _)| left.trim() == "count")
            .and_then(|(_, right)| right.trim().parse().ok())
            .filter(|count| *count >= 1)
            .ok_or_else(|| refuse(id, "`having` is not understood", "write it as \"count >= 2\""))?,
    };
    let needs = written
        .needs
        .iter()
        .map(|need| match need.split_once('.') {
            Some((feed, column)) => (feed.to_string(), column.to_string()),
            None => (feed.to_string(), need.clone()),
        })
        .collect();
    Ok(Events {
        feed: feed.to_string(),
        kind: written.kind.clone(),
        when: when.to_string(),
        undecided: written.undecided.clone(),
        count,
        needs,
        at: written.at.clone(),
        since: written.since.clone(),
    })
}

fn failures_of(text: &str) -> Option<(u32, Option<u32>)> {
    match text.strip_suffix(" or more") {
        Some(least) => least.trim().parse().ok().map(|least| (least, None)),
        None => text.trim().parse().ok().map(|exactly| (exactly, Some(exactly))),
    }
}

/// What decides who has met a touchpoint; labels, owners and actions do not.
fn definition_hash(written: &Written) -> Result<String> {
    let mut definition = written.clone();
    definition.label.clear();
    (definition.fact, definition.owner, definition.action) = (None, None, None);
    (definition.since, definition.other_side_of, definition.waits_for) = (None, None, None);
    let text = serde_json::to_vec(&definition)
        .map_err(|e| Error::internal("a touchpoint cannot be written down").caused_by(e))?;
    Ok(Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(touchpoints: &str) -> Result<Catalogue> {
        let text =
            format!("[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\nurl = \"t.csv\"\n{touchpoints}");
        let config = Config::parse(&text, "aftersale.toml", ".".into(), Environment::default())?;
        Catalogue::read(&config)
    }

    const OWN: &str = "[[touchpoints]]\nid = \"vip\"\nlabel = \"L\"\nstage = \"support\"\nrole = \"lever\"\nfeed = \"tickets\"\nwhen = \"priority = 'high'\"\n";

    #[test]
    fn own_touchpoints_extend_or_replace() {
        let built_in = read("").unwrap().touchpoints.len();
        assert!(built_in >= 30, "{built_in}");
        assert_eq!(read(OWN).unwrap().touchpoints.len(), built_in + 1);
        let replaced = read(&OWN.replace("vip", "reopened")).unwrap();
        assert_eq!(replaced.touchpoints.len(), built_in);
        assert_eq!(replaced.get("reopened").unwrap().label, "L");
    }

    #[test]
    fn only_the_definition_is_hashed() {
        let hash = |text: &str| read(text).unwrap().get("vip").unwrap().hash.clone();
        assert_eq!(hash(OWN), hash(&OWN.replace("\"L\"", "\"Another label\"")));
        assert_ne!(hash(OWN), hash(&OWN.replace("'high'", "'urgent'")));
    }

    #[test]
    fn mistakes_name_the_touchpoint_and_a_way_out() {
        for (text, message) in [
            (format!("{OWN}within = \"reopend\"\n"), "it refers to `reopend`, which is not there"),
            (format!("{OWN}within = \"late\"\n"), "it refers to `late`, which belongs to another stage"),
            (format!("{OWN}within = \"vip\"\n"), "it is part of itself"),
            (format!("{OWN}after = [\"vip\"]\n"), "it comes after itself: `vip` after `vip`"),
            (
                format!("{OWN}other_side_of = \"vip\"\n"),
                "it is the other side of something that is itself the other side of something",
            ),
            (format!("{OWN}waits_for = \"vip\"\n"), "it waits for itself"),
            (format!("{OWN}waits_for = \"late\"\n"), "it waits for `late`, but is never undecided"),
            (format!("{OWN}waits_for = \"lat\"\n"), "it refers to `lat`, which is not there"),
            (
                format!("{OWN}undecided = \"not is_solved\"\nwaits_for = \"returned\"\n"),
                "it waits for `returned`, which belongs to a later stage",
            ),
            (format!("{OWN}having = \"sum > 2\"\n"), "`having` is not understood"),
            (OWN.replace("\"support\"", "\"sport\""), "`sport` is not a stage"),
            (
                OWN.replace("feed = \"tickets\"\n", ""),
                "it says neither which events meet it nor how many failures",
            ),
        ] {
            let error = read(&text).expect_err(message);
            assert_eq!(error.message(), message);
            assert_eq!(
                error.context(),
                [("touchpoint", "vip".to_string()), ("file", "aftersale.toml:5".to_string())]
            );
            assert!(error.hint_text().is_some());
        }
    }

    /// Also where the way round leads through a part: what comes after a part comes after its whole.
    #[test]
    fn a_circle_of_what_comes_after_what_is_refused_and_named() {
        let other = OWN.replace("vip", "second");
        for (text, at, circle) in [
            (
                format!("{OWN}after = [\"second\"]\n{other}after = [\"vip\"]\n"),
                "vip",
                "`vip` after `second` after `vip`",
            ),
            (
                format!(
                    "{OWN}after = [\"second\"]\n{other}after = [\"third\"]\n{}within = \"vip\"\n",
                    OWN.replace("vip", "third")
                ),
                "vip",
                "`vip` after `second` after `vip`",
            ),
            (
                format!(
                    "{OWN}after = [\"reopened\"]\n{}within = \"ticket_opened\"\nafter = [\"vip\"]\n",
                    OWN.replace("vip", "transferred")
                ) + &OWN.replace("vip", "reopened")
                    + "within = \"ticket_opened\"\nafter = [\"transferred\"]\n",
                "reopened",
                "`reopened` after `transferred` after `vip` after `reopened`",
            ),
        ] {
            let error = read(&text).expect_err(circle);
            assert_eq!(error.message(), format!("it comes after itself: {circle}"));
            assert!(error.context().contains(&("touchpoint", at.to_string())));
            assert!(error.hint_text().is_some_and(|hint| hint.contains("other_side_of")));
        }
    }

    /// `very_late` is part of `late`: nobody has written it, so it is not the one to be named.
    #[test]
    fn a_built_in_touchpoint_replaced_in_another_stage_is_blamed_on_its_replacement() {
        for (text, message, hint) in [
            (
                OWN.replace("vip", "late"),
                "it takes the place of a built-in touchpoint in another stage: `very_late` of stage \
                 `delivery` refers to it",
                "keep `stage = \"delivery\"`, or give your touchpoint an id of its own",
            ),
            (
                OWN.replace("vip", "early") + "factor = \"delivery\"\n",
                "it shares the factor `delivery` with `late`, which differs in `stage` or `within`",
                "states that exclude each other belong to one stage and one wider touchpoint",
            ),
        ] {
            let error = read(&text).expect_err(message);
            assert_eq!((error.message(), error.hint_text()), (message, Some(hint)));
            assert!(error.context().contains(&("file", "aftersale.toml:5".to_string())));
        }
    }
}
