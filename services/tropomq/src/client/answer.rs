//! What the console answers, read within limits.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{ApiError, Refusal};

/// The longest answer, in bytes: a page of the log whose texts are all as long as can be.
const BYTES_MAX: usize = 64 << 20;

/// The longest answer that says no, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// The answer itself, where it does not say no.
pub(super) async fn good(answer: Response, console: &Url, showed_token: bool) -> Result<Response, ApiError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let stranger = || ApiError::Stranger { console: console.clone(), told: format!("it answers {status}") };
    let is_problem = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    // A gateway before the console, for which the console is away.
    let is_gateway =
        matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
    match answer.error_for_status_ref() {
        _ if is_problem => {}
        Err(error) if is_gateway => return Err(ApiError::of(error, console)),
        Ok(_) | Err(_) => return Err(stranger()),
    }
    let body = read(answer, console, REFUSAL_BYTES_MAX).await?;
    let refusal: Refusal = serde_json::from_slice(&body).map_err(|_| stranger())?;
    Err(ApiError::Refused(Refusal { showed_token, ..refusal }))
}

/// All of it, understood.
pub(super) async fn whole<T: DeserializeOwned>(answer: Response, console: &Url) -> Result<T, ApiError> {
    let body = read(answer, console, BYTES_MAX).await?;
    // What does not fit is not quoted: it may be a person.
    serde_json::from_slice(&body).map_err(|error| ApiError::Stranger {
        console: console.clone(),
        told: format!("its answer is unreadable at line {}, column {}", error.line(), error.column()),
    })
}

async fn read(mut answer: Response, console: &Url, bytes_max: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| ApiError::of(error, console))? {
        body.extend_from_slice(&chunk);
        if bytes_max < body.len() {
            let told = format!("its answer has more than {bytes_max} bytes");
            return Err(ApiError::Stranger { console: console.clone(), told });
        }
    }
    Ok(body)
}
