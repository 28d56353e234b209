//! Folders that carry a value in their name, as Hive and Spark write them: `ds=2026-11-01/`.

/// The value of rows whose column was null when they were written.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The values that a path's folders carry, outermost first; the object's own name carries none.
pub fn values(path: &str) -> impl Iterator<Item = (String, Option<String>)> + '_ {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').filter_map(value)
}

/// The innermost value of that name.
pub fn value_of(path: &str, name: &str) -> Option<String> {
    path.rsplit('/').skip(1).filter_map(value).find(|(found, _)| found == name).and_then(|(_, value)| value)
}

fn value(folder: &str) -> Option<(String, Option<String>)> {
    let (name, value) = folder.split_once('=').filter(|(name, _)| !name.is_empty())?;
    let value = (value != NO_VALUE && !value.is_empty()).then(|| decoded(value));
    Some((decoded(name), value))
}

/// Writers put signs that a path cannot hold as `%3A`; what is no such sign stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |place: usize| after.get(place).and_then(|byte| (*byte as char).to_digit(16));
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                &after[2..]
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_carry_values() {
        let all = |path| {
            let show =
                |(name, value): (String, Option<String>)| format!("{name}={}", value.unwrap_or("?".into()));
            values(path).map(show).collect::<Vec<_>>().join(" ")
        };
        for (path, expected) in [
            ("a.csv", ""),
            ("ds=1/a.csv", "ds=1"),
            ("x/ds=2026-11-01/region=north/a=b.csv", "ds=2026-11-01 region=north"),
            ("ds=__HIVE_DEFAULT_PARTITION__/a.csv", "ds=?"),
            ("ds=/a.csv", "ds=?"),
            ("=1/a.csv", ""),
            ("at=2026-11-01 10%3A00/a.csv", "at=2026-11-01 10:00"),
            ("at=100%/b=%C3%A9/c=%ff/d=%4/a.csv", "at=100% b=é c=%ff d=%4"),
            ("q=a=b/a.csv", "q=a=b"),
        ] {
            assert_eq!(all(path), expected, "{path}");
        }
        assert_eq!(value_of("s3://lake/ds=1/x/ds=2/a.csv", "ds").as_deref(), Some("2"));
        assert_eq!(value_of("s3://lake/ds=1/a.csv", "d"), None);
    }
}
