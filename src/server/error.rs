//! What a request is told when it is refused or fails: the only place where
//! an error becomes a status. The public text stands apart from the internal
//! one, which goes to the log.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Ended;
use crate::room::{RecordError, RoomError};
use crate::store::StoreError;

/// A refusal or failure of one request.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    internal: Option<String>,
    header: Option<Box<(header::HeaderName, HeaderValue)>>,
}

/// The body of every answer that is not a success.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorText,
}

/// Why, for a program and for a person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ErrorText {
    code: String,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), internal: None, header: None }
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        let challenge = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tandem\""));
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message).with_header(challenge)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// A token that was good once.
    pub(super) fn ended(why: Ended) -> Self {
        Self { code: why.code(), ..Self::unauthorized(why.words()) }
    }

    pub(super) fn wrong_origin(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "wrong-origin", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(super) fn too_many(seconds: u64) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many",
            "too many wrong tokens from this address, or this wrong token too often; wait a minute",
        )
        .with_header((header::RETRY_AFTER, HeaderValue::from(seconds)))
    }

    pub(super) fn internal(internal: impl ToString) -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed on the server; its log says what",
        );
        error.internal = Some(internal.to_string());
        error
    }

    pub(super) fn with_header(mut self, header: (header::HeaderName, HeaderValue)) -> Self {
        self.header = Some(Box::new(header));
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<RoomError> for ApiError {
    fn from(error: RoomError) -> Self {
        let text = error.to_string();
        match error {
            RoomError::NotFound => Self::not_found(text),
            RoomError::Exists => Self::new(StatusCode::CONFLICT, "exists", text),
            RoomError::Late(_) => Self::new(StatusCode::CONFLICT, "late", text),
            RoomError::Forbidden(_) => Self::forbidden(text),
            RoomError::BadOffer(_) => Self::new(StatusCode::BAD_REQUEST, "bad-offer", text),
            RoomError::NoCodec(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no-codec", text),
            RoomError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
                .with_header((header::RETRY_AFTER, HeaderValue::from(2))),
            RoomError::BadRequest(_) => Self::bad_request(text),
            RoomError::Full(_) => Self::new(StatusCode::CONFLICT, "full", text),
            RoomError::Internal(_) => Self::internal(text),
        }
    }
}

impl From<RecordError> for ApiError {
    fn from(error: RecordError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-recorded", error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            tracing::error!(code = self.code, error = %internal, "a request failed");
        }
        let error = ErrorText { code: self.code.to_owned(), message: self.message };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        if let Some((name, value)) = self.header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
