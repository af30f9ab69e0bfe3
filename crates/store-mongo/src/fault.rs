//! [`Fault`]: what can go wrong on the way to MongoDB, and what it means for whoever runs flow8.

use model::codec::CodecError;
use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure};
use store::{Conflict, StoreError};

/// The server's code where another has the key.
const DUPLICATE_KEY: i32 = 11_000;

/// Its code where another transaction wrote meanwhile.
const WRITE_CONFLICT: i32 = 112;

/// Its codes where it takes no writes any more.
const GAVE_WAY: [i32; 5] = [91, 189, 10_107, 11_600, 11_602];

/// How often something is asked that a server may go away from.
const ASKED: u32 = 5;

/// Its code where the disk is full.
const OUT_OF_DISK: i32 = 14_031;

/// Its codes where it does not know any more what was there at an instant.
const SNAPSHOT_GONE: [i32; 2] = [239, 246];

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The batch does not fit what is stored. Nothing was changed.
    Conflict(Conflict),
    /// Somebody else wrote meanwhile. Nothing was changed; another try may succeed.
    Raced,
    /// The driver or the server failed.
    Server(Error),
    /// What is stored does not read.
    Damaged(String),
}

impl Fault {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// Whether the same transaction may succeed if it is tried again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Raced => true,
            Self::Server(error) => {
                error.contains_label(TRANSIENT_TRANSACTION_ERROR)
                    || matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == WRITE_CONFLICT)
            }
            Self::Conflict(_) | Self::Damaged(_) => false,
        }
    }

    /// Whether it is not known if a commit happened.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Server(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT))
    }

    /// Whether the server does not know any more what was there when reading began.
    pub(crate) fn is_snapshot_gone(&self) -> bool {
        let Self::Server(error) = self else { return false };
        matches!(error.kind.as_ref(), ErrorKind::Command(command) if SNAPSHOT_GONE.contains(&command.code))
    }

    /// What a write command's answer complains of.
    pub(crate) fn in_answer(answer: &Document) -> Result<(), Self> {
        let Ok(errors) = answer.get_array("writeErrors") else { return Ok(()) };
        let first = errors.first().and_then(|error| error.as_document());
        let code = first.and_then(|error| error.get_i32("code").ok()).unwrap_or_default();
        if code == DUPLICATE_KEY || code == WRITE_CONFLICT {
            return Err(Self::Raced);
        }
        let message = first.and_then(|error| error.get_str("errmsg").ok()).unwrap_or("a write failed");
        Err(Self::Server(Error::custom(message.to_owned())))
    }

    /// Whether somebody else has the key that was to be written.
    pub(crate) fn is_duplicate(error: &Error) -> bool {
        match error.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
            ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
            _ => false,
        }
    }

    pub(crate) fn into_store(self) -> StoreError {
        match self {
            Self::Conflict(conflict) => StoreError::Failed(conflict.to_string()),
            Self::Raced => StoreError::Failed("others write the same things again and again".into()),
            Self::Server(error) => meaning(&error),
            Self::Damaged(what) => StoreError::Damaged(what),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<mongodb::bson::error::Error> for Fault {
    fn from(error: mongodb::bson::error::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Asks again where a server went away in the middle of it, or gave way to another. The driver does so
/// itself for most of what it is asked, but not for what changes the schema.
pub(crate) async fn again<T>(ask: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..ASKED {
        match ask().await {
            Err(error) if went_away(&error) => {}
            outcome => return outcome,
        }
    }
    ask().await
}

fn went_away(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => true,
        ErrorKind::Command(command) => GAVE_WAY.contains(&command.code),
        _ => false,
    }
}

/// What an error of the driver means for whoever runs flow8.
pub(crate) fn meaning(error: &Error) -> StoreError {
    match error.kind.as_ref() {
        ErrorKind::Command(command) if command.code == OUT_OF_DISK => StoreError::Full(command.message.clone()),
        ErrorKind::Authentication { message, .. } => StoreError::Failed(format!(
            "MongoDB refuses to sign flow8 in: {message}; check user, password and authSource"
        )),
        ErrorKind::ServerSelection { message, .. } => {
            StoreError::Failed(format!("no MongoDB server that takes writes can be reached: {message}"))
        }
        _ => StoreError::Failed(format!("MongoDB: {error}")),
    }
}
