//! Storage failures in this program's words: which kind, where, and what to do about it.
//!
//! The crate underneath reports whole HTTP answers, and a refused request's answer may repeat parts
//! of the credentials. So its errors are never kept: their text is, with queries, user names and
//! answer bodies cut away.

use object_store::Error as Raw;

use super::clouds;
use crate::error::Error;

/// Longest piece of a storage server's own words that is passed on.
const CAUSE_CHARS: usize = 300;

const CHANGED: &str = "an input changed during the run";
const CHANGED_HINT: &str = "run again once the export has been written completely";

/// What a failed operation at `url` means to the person who runs the program.
pub(super) fn failure(raw: &Raw, url: &str) -> Error {
    meaning(raw, Hints::of(url)).with("location", url)
}

/// What to look at where a place cannot be reached, or refuses.
struct Hints {
    missing: &'static str,
    unreachable: &'static str,
    refused: &'static str,
}

static S3: Hints = Hints {
    missing: "check the bucket's name, AWS_REGION and AWS_ENDPOINT_URL",
    unreachable: "check the network, AWS_REGION, AWS_ENDPOINT_URL (`http://` also wants AWS_ALLOW_HTTP=true), and that \
                  AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set (profiles in ~/.aws are not read)",
    refused: "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and what they may do here",
};
static AZURE: Hints = Hints {
    missing: "check the container's name, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ENDPOINT",
    unreachable: "check the network, AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ENDPOINT (`http://` also wants \
                  AZURE_ALLOW_HTTP=true), and that AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or a client's \
                  AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET are set",
    refused: "check AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_SECRET, and what they may do here",
};
static GOOGLE: Hints = Hints {
    missing: "check the bucket's name",
    unreachable: "check the network, and that GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT names a file \
                  with credentials",
    refused: "check GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT, and what that account may do here",
};
static WEB: Hints = Hints {
    missing: "check the address",
    unreachable: "check the network and the address; the server has to answer HEAD, and GET for parts of a file (Range); redirects are not followed",
    refused: "files of the web are read without credentials: copy this one to a place of your own",
};
/// Of an error that has lost its address.
static ANY: Hints = Hints {
    missing: "check the name of the bucket or container",
    unreachable: "check the network, and the environment's AWS_*, AZURE_* or GOOGLE_* settings",
    refused: "check the environment's AWS_*, AZURE_* or GOOGLE_* credentials, and what they may do here",
};

impl Hints {
    fn of(url: &str) -> &'static Hints {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("s3") => &S3,
            Some("gs") => &GOOGLE,
            Some("http" | "https") => &WEB,
            Some(scheme) if clouds::AZURE.contains(&scheme) => &AZURE,
            _ => &ANY,
        }
    }
}

fn meaning(raw: &Raw, hints: &Hints) -> Error {
    let cause = without_secrets(&raw.to_string());
    let is_of_web = std::ptr::eq(hints, &WEB);
    let error = match raw {
        _ if cause.contains("NoSuchBucket") || cause.contains("ContainerNotFound") => {
            Error::unavailable("the bucket is not there").hint(hints.missing)
        }
        Raw::NotFound { .. } => Error::io("the object is not there"),
        Raw::Precondition { .. } | Raw::NotModified { .. } => Error::unavailable(CHANGED).hint(CHANGED_HINT),
        Raw::Generic { store: "LocalFileSystem", .. } => Error::io("a read or a write failed"),
        // Listings and deletions report a refusal as anything else, but for the status.
        Raw::PermissionDenied { .. } | Raw::Unauthenticated { .. } => refused(hints),
        Raw::Generic { .. } if cause.contains(": 401 ") || cause.contains(": 403 ") => refused(hints),
        Raw::NotSupported { .. } if is_of_web => {
            Error::unavailable("the server does not give parts of a file").hint(WEB.unreachable)
        }
        Raw::Generic { .. } => Error::unavailable("storage cannot be reached").hint(hints.unreachable),
        Raw::InvalidPath { .. } => Error::io("an object's name cannot be used")
            .hint("names are UTF-8, without empty parts, `.`, `..` or control characters"),
        _ => Error::internal("storage was asked for something it cannot do"),
    };
    error.caused_by(cause)
}

fn refused(hints: &Hints) -> Error {
    Error::unavailable("storage refuses the credentials").hint(hints.refused)
}

/// The object is no longer the one that was listed.
pub(super) fn changed(url: &str) -> Error {
    Error::unavailable(CHANGED).hint(CHANGED_HINT).with("location", url)
}

/// Whatever error an engine or a parser hands back for a failed read or write: the storage failure
/// beneath it, if that is what it was.
pub fn storage_error(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let mut raw = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(copy(own));
        }
        raw = raw.or(error.downcast_ref::<Raw>());
        // An io error's `source` skips the error it wraps.
        next = match error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
            Some(inner) => Some(inner as _),
            None => error.source(),
        };
    }
    raw.map(|raw| meaning(raw, &ANY))
}

/// The same error once more: those who pass errors on hand out references only.
fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message());
    for (key, value) in error.context() {
        copy = copy.with(key, value);
    }
    if let Some(hint) = error.hint_text() {
        copy = copy.hint(hint);
    }
    match std::error::Error::source(error) {
        Some(cause) => copy.caused_by(cause.to_string()),
        None => copy,
    }
}

/// Keeps an answer's code but not its body, and a URL's path but neither its user nor its query.
pub(super) fn without_secrets(text: &str) -> String {
    let (head, body) = text.split_at(text.find('<').unwrap_or(text.len()));
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let mut kept: Vec<String> = head.split_whitespace().map(without_user_and_query).collect();
    kept.extend(code.map(|(code, _)| code.to_owned()));
    kept.join(" ").chars().take(CAUSE_CHARS).collect()
}

fn without_user_and_query(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let rest = rest.split('?').next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn secrets_are_cut_away() {
        let text = "error at http://me:pw@host:1/b/k?X-Amz-Security-Token=tok: 403: <Error>\
                    <Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        assert_eq!(without_secrets(text), "error at http://host:1/b/k 403: InvalidAccessKeyId");
    }

    #[test]
    fn found_beneath_io_errors() {
        let raw = Raw::Generic { store: "pinned", source: Box::new(changed("s3://lake/a.csv")) };
        let error = storage_error(&std::io::Error::from(raw)).expect("a storage failure");
        assert_eq!(error.kind(), Kind::Unavailable);
        assert_eq!(error.context(), [("location", "s3://lake/a.csv".to_owned())]);
        assert!(storage_error(&std::io::Error::other("disk")).is_none());
    }

    #[test]
    fn kinds() {
        let raw = |store| Raw::Generic { store, source: "x".into() };
        assert_eq!(failure(&raw("S3"), "u").kind(), Kind::Unavailable);
        assert_eq!(failure(&raw("LocalFileSystem"), "u").kind(), Kind::Io);
        let denied = Raw::PermissionDenied { path: "p".into(), source: "403".into() };
        let listing = Raw::Generic { store: "S3", source: "status code: 403 Forbidden: x".into() };
        for raw in [denied, listing] {
            assert_eq!(failure(&raw, "u").message(), "storage refuses the credentials");
            for (url, word) in
                [("s3://b", "AWS_SEC"), ("abfss://c@a/x", "AZURE_ST"), ("gs://b/x", "GOOGLE_A")]
            {
                let error = failure(&raw, url);
                assert!(error.hint_text().is_some_and(|hint| hint.contains(word)), "{url}: {error:?}");
            }
        }
    }
}
