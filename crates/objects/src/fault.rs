//! [`Fault`]: what can go wrong on the way to a bucket, and what it means.
//!
//! Answers of S3, Google and Azure alike hold a code and a message; requests, signatures and
//! whatever else a client says of an error are left out.

use std::error::Error as _;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};
use sdk::storage::StorageError;

/// Codes that say that the bucket itself is missing.
const NO_BUCKET: &[&str] = &["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"];

/// Codes that say that no space is left.
const FULL: &[&str] = &["XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "507"];

/// Characters of a message that are shown.
const SHOWN: usize = 300;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no such object.
    NoObject,
    /// There is no such bucket.
    NoBucket,
    /// The key is wrong, or may not do this.
    Refused(String),
    /// Nobody answers.
    Unreachable(String),
    /// No space is left.
    Full(String),
    /// Anything else.
    Failed(String),
}

impl Fault {
    /// What it means for a file.
    pub(crate) fn into_storage(self, place: &str, path: &str) -> StorageError {
        match self {
            Self::NoObject => StorageError::NotFound(format!("there is no file {path}")),
            Self::NoBucket => StorageError::Failed(format!("there is no {place} any more")),
            Self::Refused(why) => StorageError::Failed(format!("the {place} refuses flow8: {why}")),
            Self::Unreachable(why) => StorageError::Failed(format!("the {place} cannot be reached: {why}")),
            Self::Full(why) => StorageError::Full(format!("no space is left in the {place}: {why}")),
            Self::Failed(why) => StorageError::Failed(format!("the {place}: {why}")),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let code = within(&text, "Code");
        let said = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code)) || has_status(&text, codes);
        if said(NO_BUCKET) {
            return Self::NoBucket;
        }
        if said(FULL) {
            return Self::Full(short(&text));
        }
        if let Some(why) = not_answered(&error) {
            return Self::Unreachable(why);
        }
        match error {
            Error::NotFound { .. } => Self::NoObject,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Self::Refused(short(&text)),
            // Lists tell of what they were refused in no word of their own.
            _ if has_status(&text, &["401", "403"]) => Self::Refused(short(&text)),
            _ if has_status(&text, &["404"]) => Self::NoBucket,
            _ => Self::Failed(short(&text)),
        }
    }
}

/// The innermost reason, where a connection did not come about or broke.
fn not_answered(error: &Error) -> Option<String> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(http) = inner.downcast_ref::<HttpError>() {
            if http.kind() == HttpErrorKind::Timeout {
                return Some("it does not answer in time".to_owned());
            }
            let mut innermost: &dyn std::error::Error = http;
            while let Some(deeper) = innermost.source() {
                innermost = deeper;
            }
            return Some(innermost.to_string());
        }
        source = inner.source();
    }
    None
}

/// Whether an answer had one of these statuses.
fn has_status(text: &str, statuses: &[&str]) -> bool {
    statuses.iter().any(|status| text.contains(&format!("status code: {status} ")))
}

/// What stands in an element of an answer.
fn within<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
}

/// What an answer says, in short.
fn short(text: &str) -> String {
    let said = match (within(text, "Code"), within(text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text.rsplit(" - ").next().unwrap_or(text).to_owned(),
    };
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match said.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Fault {
        Fault::from(Error::Generic { store: "S3", source: text.to_owned().into() })
    }

    #[test]
    fn answers_are_told_by_their_code_and_message() {
        let answer = "Error performing GET http://h/b in 1ms - Server returned non-2xx status code: 403 Forbidden: \
                      <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>The signature\n does \
                      not match.</Message><StringToSign>AWS4…</StringToSign></Error>";
        assert_eq!(generic(answer), Fault::Refused("SignatureDoesNotMatch: The signature does not match.".into()));
        assert_eq!(generic("… <Code>NoSuchBucket</Code> …"), Fault::NoBucket);
        assert!(matches!(generic("… status code: 507 Insufficient Storage: "), Fault::Full(_)));
        assert_eq!(generic("odd"), Fault::Failed("Generic S3 error: odd".into()));
        assert!(matches!(generic(&"x".repeat(999)), Fault::Failed(why) if why.chars().count() == SHOWN + 1));
    }
}
