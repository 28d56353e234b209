//! From a listing to tables: which objects belong together.
//!
//! A night's file and the next one's differ in their dates and numbers only, and so do a day's folder and
//! the next one's. Objects whose paths are alike but for those make one table.

use std::collections::BTreeMap;

use crate::store::Object;

/// The objects of one table.
#[derive(Debug)]
pub struct Listing {
    pub address: String,
    pub format: &'static str,
    /// By path.
    pub objects: Vec<Object>,
}

#[derive(Debug, Default)]
pub struct Listed {
    pub tables: Vec<Listing>,
    /// Objects that are no export, and why.
    pub skipped: Vec<(String, String)>,
}

/// Puts the objects found at a location into tables.
pub fn tables(location: &str, objects: &[Object]) -> Listed {
    let root = root_of(location, objects);
    let mut listed = Listed::default();
    let mut groups: BTreeMap<(String, String, &'static str), Vec<Object>> = BTreeMap::new();
    for object in objects {
        let name = object.path.rsplit('/').next().unwrap_or(&object.path);
        match format_of(name) {
            _ if object.bytes == 0 => listed.skipped.push((object.url.clone(), "empty".into())),
            _ if name.starts_with(['_', '.']) => {
                listed.skipped.push((object.url.clone(), "a marker or hidden object".into()));
            }
            None => listed.skipped.push((object.url.clone(), "no format that is read".into())),
            Some(format) => {
                let folder = object.path.strip_suffix(name).unwrap_or_default();
                let key = (without_dates(folder), without_numbers(name), format);
                groups.entry(key).or_default().push(object.clone());
            }
        }
    }
    for ((_, _, format), mut members) in groups {
        members.sort_by(|a, b| a.path.cmp(&b.path));
        let address = address_of(&root, &members, objects);
        listed.tables.push(Listing { address, format, objects: members });
    }
    listed
}

/// The part of a location that the objects' paths follow; with its `/`, or empty.
fn root_of(location: &str, objects: &[Object]) -> String {
    if let Some(glob) = location.find(['*', '?', '[']) {
        return location[..location[..glob].rfind('/').map_or(0, |slash| slash + 1)].to_string();
    }
    match objects {
        [one] if location.ends_with(one.path.as_str()) => {
            location[..location.len() - one.path.len()].to_string()
        }
        _ => format!("{}/", location.trim_end_matches('/')),
    }
}

/// The shortest address that means these objects and no others.
fn address_of(root: &str, members: &[Object], all: &[Object]) -> String {
    if let [one] = members {
        let folder = &one.path[..one.path.rfind('/').map_or(0, |slash| slash + 1)];
        let is_alone = all.iter().filter(|object| object.path.starts_with(folder)).count() == 1;
        // A file alone in its folder will be followed by others.
        return if is_alone && !folder.is_empty() {
            format!("{root}{folder}")
        } else {
            format!("{root}{}", one.path)
        };
    }
    let common = members.iter().skip(1).fold(members[0].path.clone(), |common, object| {
        let pairs = common.char_indices().zip(object.path.chars());
        let end = pairs.take_while(|((_, a), b)| a == b).map(|((at, a), _)| at + a.len_utf8()).last();
        common[..end.unwrap_or(0)].to_string()
    });
    let folder = &common[..common.rfind('/').map_or(0, |slash| slash + 1)];
    if all
        .iter()
        .filter(|object| object.path.starts_with(folder))
        .all(|object| members.iter().any(|member| member.path == object.path) || !is_data(object))
    {
        return format!("{root}{folder}");
    }
    // Beside other tables in the same folder: by what the names have in common.
    let name_of = |object: &Object| object.path.rsplit('/').next().unwrap_or_default().to_string();
    let name = name_of(&members[0]);
    if members.iter().all(|member| name_of(member) == name) {
        return format!("{root}{folder}**/{name}");
    }
    let ending = members[0].path.rsplit('/').next().and_then(|name| name.find('.').map(|dot| &name[dot..]));
    let between =
        if members.iter().any(|member| member.path[folder.len()..].contains('/')) { "**/" } else { "" };
    let name = if between.is_empty() { &common[folder.len()..] } else { "" };
    let name = before_date(name);
    format!("{root}{folder}{between}{name}*{}", ending.unwrap_or_default())
}

/// A name up to the date or number that it ends with, cut or not.
fn before_date(name: &str) -> &str {
    let shorter = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match shorter.strip_suffix('-') {
        Some(rest) if rest.ends_with(|c: char| c.is_ascii_digit()) => before_date(rest),
        _ => shorter,
    }
}

fn is_data(object: &Object) -> bool {
    let name = object.path.rsplit('/').next().unwrap_or(&object.path);
    object.bytes > 0 && !name.starts_with(['_', '.']) && format_of(name).is_some()
}

/// The format that a name's ending tells.
fn format_of(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending {
        "csv" | "tsv" | "txt" => "csv",
        "ndjson" | "jsonl" => "ndjson",
        "json" => "json",
        "parquet" => "parquet",
        _ => return None,
    })
}

/// A folder without what differs from day to day: `ds=2026-11-01/` and `2026-11-01/`.
fn without_dates(folder: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, _)) => format!("{name}=#"),
        None if part.chars().any(|c| c.is_ascii_digit()) => without_numbers(part),
        None => part.to_string(),
    };
    folder.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A name with each run of digits, and of signs between them, as one mark.
fn without_numbers(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        let is_mark = plain.ends_with('#');
        match c {
            '0'..='9' if is_mark => {}
            '0'..='9' => plain.push('#'),
            '-' | '_' | ':' | 'T' if is_mark => {}
            c => plain.push(c),
        }
    }
    plain.trim_end_matches('#').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(location: &str, paths: &[&str]) -> Vec<(String, &'static str, usize)> {
        let objects: Vec<Object> = paths
            .iter()
            .map(|path| Object {
                path: path.to_string(),
                url: format!("x/{path}"),
                bytes: 1,
                etag: String::new(),
                last_modified_micros: 0,
            })
            .collect();
        tables(location, &objects)
            .tables
            .into_iter()
            .map(|t| (t.address, t.format, t.objects.len()))
            .collect()
    }

    #[test]
    fn alike_paths_are_one_table() {
        let one =
            |address: &str, format: &'static str, objects: usize| (address.to_string(), format, objects);
        assert_eq!(
            found(
                "lake",
                &["surveys/2025-01.csv", "surveys/2025-02.csv", "tickets/t.parquet", "tickets/_SUCCESS"]
            ),
            [one("lake/surveys/", "csv", 2), one("lake/tickets/t.parquet", "parquet", 1)]
        );
        assert_eq!(
            found(
                "s3://b/z/",
                &["tickets/2026-11-01/1.json", "tickets/2026-11-02/1.json", "events/2026-11-01/1.json"]
            ),
            [one("s3://b/z/events/2026-11-01/", "json", 1), one("s3://b/z/tickets/", "json", 2)]
        );
        assert_eq!(
            found("lake/", &["a/ds=2026-11-01/p.csv.gz", "a/ds=2026-11-02/p.csv.gz"]),
            [one("lake/a/", "csv", 2)]
        );
        // Each night's folder holds several tables.
        assert_eq!(
            found("lake/", &["2026-11-01/a.csv", "2026-11-01/b.csv", "2026-11-02/a.csv", "2026-11-02/b.csv"]),
            [one("lake/**/a.csv", "csv", 2), one("lake/**/b.csv", "csv", 2)]
        );
        // Two tables in one folder.
        assert_eq!(
            found("in", &["orders_2025-01.csv", "orders_2025-02.csv", "answers_2025-01.csv"]),
            [one("in/answers_2025-01.csv", "csv", 1), one("in/orders_*.csv", "csv", 2)]
        );
        assert_eq!(found("in/a.csv", &["a.csv"]), [one("in/a.csv", "csv", 1)]);
        assert_eq!(found("in/a*.csv", &["a1.csv", "a2.csv"]), [one("in/", "csv", 2)]);
    }

    #[test]
    fn what_is_no_export_is_named() {
        let object = |path: &str, bytes: u64| Object {
            path: path.into(),
            url: path.into(),
            bytes,
            etag: String::new(),
            last_modified_micros: 0,
        };
        let listed = tables("in", &[object("a.pdf", 1), object("b.csv", 0), object("_SUCCESS", 1)]);
        assert!(listed.tables.is_empty());
        let reasons: Vec<&str> = listed.skipped.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(reasons, ["no format that is read", "empty", "a marker or hidden object"]);
    }
}
