//! [`ApiError`]: how the API says no. One shape, a stable code, a message for people.

use audit::AuditError;
use engine::decide::Refusal;
use engine::driver::{AdmitError, EngineError, ReadError, RetryError};
use engine::flows::{EditError, FlowError};
use http::StatusCode;
use model::doc::DocError;
use model::value::{Value, ValueError, to_value};
use schemars::JsonSchema;
use serde::Serialize;
use store::keys::KeysError;
use store::{CommitError, StoreError};

use crate::access::Permission;

/// Why a request was not granted.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u64>,
    /// Whether clients alone bring it about: nobody here has to mend anything.
    pub(crate) is_by_clients: bool,
}

/// An error, as every route of the API writes it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorBody<'a> {
    /// Stable, for programs: `FLOW_NOT_FOUND` …
    pub(crate) error: &'a str,
    /// What, where, and what to do.
    pub(crate) message: &'a str,
    /// The HTTP status.
    pub(crate) status_code: u16,
    /// More, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<&'a Value>,
    /// The request; the server's log names it, too.
    pub(crate) request_id: &'a str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None, retry_after: None, is_by_clients: false }
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// The permission is missing.
    pub(crate) fn needs(permission: Permission) -> Self {
        Self::forbidden(format!("this needs the permission {}", permission.as_str()))
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message)
    }

    fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    /// There are too many at once.
    pub(crate) fn crowded(message: impl Into<String>) -> Self {
        Self { is_by_clients: true, ..Self::unavailable(message).after(1) }
    }

    pub(crate) fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// The same, which says when to try again.
    pub(crate) fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds.max(1)), ..self }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "STORE_FULL", error.to_string()),
            // What the store says of itself is for the log alone.
            StoreError::Failed(_) => {
                tracing::error!(%error, "the store failed");
                Self::unavailable("the store does not answer; ask again in a moment")
            }
            StoreError::ReadOnly(_) => Self::unavailable(error.to_string()),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(conflict) => Self::conflict("CONFLICT", conflict.to_string()),
            CommitError::Store(error) => error.into(),
        }
    }
}

impl From<DocError> for ApiError {
    fn from(error: DocError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<KeysError> for ApiError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Store(error) => error.into(),
            KeysError::Key(error) => Self::internal(error.to_string()),
        }
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) | AuditError::Keys(KeysError::Store(error)) => error.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<schedules::InvalidSchedule> for ApiError {
    fn from(error: schedules::InvalidSchedule) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<ValueError> for ApiError {
    fn from(error: ValueError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        let message = error.to_string();
        match error {
            FlowError::NotFound(_) => Self::not_found("FLOW_NOT_FOUND", message),
            FlowError::NoSuchLayer(_) => Self::not_found("LAYER_NOT_FOUND", message),
            FlowError::NotPublished(_) => Self::conflict("FLOW_NOT_PUBLISHED", message),
            FlowError::Invalid(problems) => invalid_flow(message, &problems),
            FlowError::Store(error) => error.into(),
            FlowError::Doc(_) => Self::internal(message),
            FlowError::Value(error) => error.into(),
            FlowError::Named(error) => error.into(),
        }
    }
}

impl From<EditError> for ApiError {
    fn from(error: EditError) -> Self {
        let message = error.to_string();
        match error {
            EditError::Flow(error) => error.into(),
            EditError::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "REVISION_CONFLICT", message),
            EditError::SlugTaken(_) => Self::conflict("PERMANENT_ID_TAKEN", message),
            EditError::SlugFixed(_) => Self::invalid(message),
            EditError::Invalid(problems) => invalid_flow(message, &problems),
            EditError::NoSuchVersion(_) => Self::not_found("VERSION_NOT_FOUND", message),
            EditError::InUse => Self::conflict("FLOW_IN_USE", message),
            EditError::OutsideGroups => Self::forbidden(message),
            EditError::FourEyes(_) => Self::new(StatusCode::FORBIDDEN, "FOUR_EYES", message),
        }
    }
}

fn invalid_flow(message: String, problems: &[engine::plan::Problem]) -> ApiError {
    let details = to_value(problems).unwrap_or_default();
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", message)
        .with_details(Value::map([("problems", details)]))
}

impl From<AdmitError> for ApiError {
    fn from(error: AdmitError) -> Self {
        let message = error.to_string();
        match error {
            AdmitError::Flow(error) => error.into(),
            AdmitError::Disabled(_) => Self::conflict("FLOW_DISABLED", message),
            AdmitError::BadArguments(_) => Self::invalid(message),
            AdmitError::KeyReused => Self::conflict("IDEMPOTENCY_KEY_REUSED", message),
            AdmitError::Overtaken(_) => Self::conflict("CONFLICT", message),
            AdmitError::LimitReached | AdmitError::QueueFull => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
            }
            AdmitError::Draining => Self::unavailable(message),
            AdmitError::Store(error) => error.into(),
            AdmitError::Internal(_) => Self::internal(message),
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::NoSuchPlay(_) => Self::not_found("PLAY_NOT_FOUND", message),
            EngineError::Refused(Refusal::Forbidden(_)) => Self::forbidden(message),
            EngineError::Refused(Refusal::NoSuchStep) => Self::not_found("LAYER_NOT_FOUND", message),
            EngineError::Refused(Refusal::Ended | Refusal::NotNow(_)) => Self::conflict("CONFLICT", message),
            EngineError::Store(error) => error.into(),
            EngineError::Draining => Self::unavailable(message),
            EngineError::Internal(_) => Self::internal(message),
        }
    }
}

impl From<RetryError> for ApiError {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::Engine(error) => error.into(),
            RetryError::Admit(error) => error.into(),
        }
    }
}
