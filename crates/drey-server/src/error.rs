//! The one layout of every error answer (platform API reference §2.1.2), and the status each failure gets.
//!
//! An [`Error`] becomes a response without side effects: its text for the log rides along as [`Cause`], and the access
//! log writes it once. What a client sees never holds more than the client sent or may read.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
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
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

/// What the log should say about an error beyond what the client is told.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) String);

impl Error {
    /// An error with the status' own reason word.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let body = ErrorBody::new(status.as_u16(), reason(status), message);
        Self { body: Box::new(body), headers: Vec::new(), cause: None }
    }

    /// 400 with every problem listed.
    #[must_use]
    pub(crate) fn invalid(problems: &[Problem]) -> Self {
        Self { body: Box::new(ErrorBody::invalid(problems)), headers: Vec::new(), cause: None }
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
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(RETRY_AFTER_S)
    }

    /// The same error; trying again helps after so long.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u16) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The same error with a header.
    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
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

    /// What happened and why, for the log.
    #[must_use]
    pub(crate) fn for_log(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{} {cause}", self.body.message),
            None => self.body.message.clone(),
        }
    }

    /// What the client is told.
    #[must_use]
    pub(crate) fn message(&self) -> &str {
        &self.body.message
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
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
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
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::BAD_GATEWAY => "BadGateway",
        StatusCode::GATEWAY_TIMEOUT => "GatewayTimeout",
        status if status.is_client_error() => "ClientError",
        _ => "InternalServerError",
    }
}
