//! The one layout of every error answer (platform API reference §2.1.2), and the status each failure gets.
//!
//! An [`Error`] becomes a response without side effects: its text for the log rides along as [`Cause`], and the access
//! log writes it once. What a client sees never holds more than the client sent or may read.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drey_model::causes::causes;
use drey_model::{ErrorBody, Problem};

use crate::wire::Reply;

/// Seconds after which a client should try again when the server was too busy.
const RETRY_AFTER_S: u16 = 2;

/// A request that was not carried out.
#[derive(Debug)]
pub(crate) struct Error {
    /// Boxed to keep every `Result` of this crate small.
    body: Box<ErrorBody>,
    retry_after_s: Option<u16>,
    cause: Option<String>,
}

/// What the log should say about an error beyond what the client is told.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) String);

impl Error {
    /// An error with the status' own reason word.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let body = ErrorBody::new(status.as_u16(), reason(status), message);
        Self { body: Box::new(body), retry_after_s: None, cause: None }
    }

    /// 400 with every problem listed.
    #[must_use]
    pub(crate) fn invalid(problems: &[Problem]) -> Self {
        Self { body: Box::new(ErrorBody::invalid(problems)), retry_after_s: None, cause: None }
    }

    /// 400 for one thing that is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: the addressed object does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409: the state of things forbids it.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 412: `If-Match` does not hold.
    pub(crate) fn stale(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// 503: trying again may help.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        error.retry_after_s = Some(RETRY_AFTER_S);
        error
    }

    /// 500: a fault of ours. `cause` goes to the log only.
    pub(crate) fn internal(message: impl Into<String>, cause: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, message);
        error.cause = Some(cause.into());
        error
    }

    /// The same error with a text for the log.
    #[must_use]
    pub(crate) fn because(mut self, cause: impl std::error::Error) -> Self {
        self.cause = Some(causes(&cause));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.body.status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = Reply::new(self.status(), *self.body).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

/// The `reason` word of a status: its phrase without spaces.
fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "BadRequest",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::REQUEST_TIMEOUT => "RequestTimeout",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
        StatusCode::PAYLOAD_TOO_LARGE => "PayloadTooLarge",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "UnsupportedMediaType",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::BAD_GATEWAY => "BadGateway",
        StatusCode::GATEWAY_TIMEOUT => "GatewayTimeout",
        status if status.is_client_error() => "ClientError",
        _ => "InternalServerError",
    }
}
