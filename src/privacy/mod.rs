//! What is published of persons: pseudonyms in place of ids, and comments without what names their writer.
//!
//! Text in, text out: it knows neither tables nor where a key comes from.

mod redact;

use std::borrow::Cow;
use std::fmt;

use ring::hmac;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

pub use redact::redact;

/// Bytes of a pseudonym: 128 bits, so that no two of a company's ids meet by chance.
const PSEUDONYM_BYTES: usize = 16;
/// A key of fewer characters could be guessed from the pseudonym of a known id.
pub const LEAST_KEY: usize = 32;

/// The secret under which ids become pseudonyms: HMAC-SHA256, cut to 128 bits.
#[derive(Clone)]
pub struct Key {
    key: hmac::Key,
    /// The environment's name for it.
    variable: String,
    id: String,
}

impl Key {
    /// None for a secret of fewer than [`LEAST_KEY`] characters.
    pub fn new(variable: &str, secret: &str) -> Option<Key> {
        if secret.chars().count() < LEAST_KEY {
            return None;
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mut made = Key { key, variable: variable.to_owned(), id: String::new() };
        // The separator stands in no id that a text export can hold.
        made.id = made.pseudonym("aftersale\u{1f}the key itself").chars().take(8).collect();
        Some(made)
    }

    /// Eight digits that tell keys apart and say nothing about them.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The environment's variable that holds it.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// 32 hexadecimal digits; equal texts have equal pseudonyms, in whatever column they stand.
    pub fn pseudonym(&self, text: &str) -> String {
        let tag = hmac::sign(&self.key, text.as_bytes());
        tag.as_ref().iter().take(PSEUDONYM_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The variable's name and the key's id.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", self.variable, self.id)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        [("variable", &self.variable), ("id", &self.id)]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>()
            .serialize(to)
    }
}

/// The id under which the follow-up of an answer is listed and comes back: 16 hexadecimal digits that say
/// nothing about the answer's own id where there is a key. SHA-256, or its HMAC under the key.
pub fn follow_up_id(key: Option<&Key>, response_id: &str) -> String {
    // The separator stands in no id that a text export can hold: no pseudonym of another column is the same.
    let named = format!("follow-up\u{1f}{response_id}");
    let whole = match key {
        Some(key) => key.pseudonym(&named),
        None => format!("{:x}", Sha256::digest(named.as_bytes())),
    };
    whole.chars().take(FOLLOW_UP_DIGITS).collect()
}

const FOLLOW_UP_DIGITS: usize = 16;

/// A cell as a person may be shown it.
pub fn shown(text: &str, redacts: bool) -> Cow<'_, str> {
    if redacts { redact(text) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    /// The expected value was worked out with Python's `hmac`.
    #[test]
    fn a_pseudonym_is_the_hmac_of_its_text() {
        let key = Key::new("K", SECRET).expect("long enough");
        assert_eq!(key.pseudonym("C-1"), "2def7cfcbc82cdef3244155f17f60059");
        assert_ne!(key.pseudonym("C-1"), key.pseudonym("C-2"));
        let other = Key::new("K", &SECRET.replace('0', "1")).expect("long enough");
        assert_ne!(key.pseudonym("C-1"), other.pseudonym("C-1"));
        assert_ne!(key.id(), other.id());
    }

    /// Likewise, with `hashlib` and `hmac`, of "follow-up", U+001F and the id.
    #[test]
    fn a_follow_up_is_called_by_the_hash_of_its_answer() {
        assert_eq!(follow_up_id(None, "R1"), "5cf2523999ea87ba");
        let key = Key::new("K", SECRET);
        assert_eq!(follow_up_id(key.as_ref(), "R1"), "8faadf44a60a2386");
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert!(Key::new("K", &SECRET[1..]).is_none());
        let key = Key::new("K", SECRET).expect("long enough");
        let json = serde_json::to_string(&key).expect("JSON");
        for text in [format!("{key:?}"), json] {
            assert!(!text.contains("0123") && text.contains(key.id()), "{text}");
        }
    }
}
