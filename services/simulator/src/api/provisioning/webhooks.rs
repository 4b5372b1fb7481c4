//! Webhooks: who is told of texts, over REST (Tropo WebAPI: webhooks).

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use chassis::http::{Body, BodyRejection};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::account::Account;
use super::{deleted, said, url};
use crate::Simulator;
use crate::api::problem::{self, Problem};
use crate::subscriptions::{Event, Subscription, SubscriptionError};

/// A webhook as clients write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    event: Option<Event>,
    name: Option<String>,
    target_url: Option<String>,
    resource: Option<String>,
    payload: Option<Map<String, Value>>,
    enabled: Option<bool>,
}

pub(super) async fn create(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    body: Result<Body, BodyRejection>,
) -> Result<Json<Value>, Problem> {
    let Written { event, name, target_url, resource, payload, enabled } = problem::json(body)?;
    let event = event.ok_or_else(|| Problem::bad_request("event is missing: smsdlr, cdrCreated or cdrRated"))?;
    let target_url = url("targetUrl", target_url.as_deref())?;
    let target_url = target_url.ok_or_else(|| Problem::bad_request("targetUrl is missing: where shall reports go?"))?;
    let resource = said(resource.as_deref()).unwrap_or("all").to_owned();
    let (name, enabled) = (name.unwrap_or_default(), enabled.unwrap_or(true));
    let id = simulator.subscriptions.add(Subscription { event, name, target_url, resource, payload, enabled })?;
    Ok(account.made(&format!("webhooks/{id}")))
}

pub(super) async fn list(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    asked: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(asked) = asked?;
    let wanted = |name: &str, value: &str| asked.get(name).is_none_or(|asked| asked.eq_ignore_ascii_case(value));
    let all = simulator.subscriptions.all().into_iter();
    let found = all.filter(|(_, one)| wanted("event", one.event.as_str()) && wanted("resource", &one.resource));
    Ok(Json(found.map(|(id, one)| shown(&account, id, &one)).collect()))
}

pub(super) async fn one(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let id = id_of(&id?.0)?;
    simulator.subscriptions.get(id).map(|one| Json(shown(&account, id, &one))).ok_or_else(unknown)
}

pub(super) async fn delete(
    State(simulator): State<Arc<Simulator>>,
    _account: Account,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    if simulator.subscriptions.remove(id_of(&id?.0)?) { Ok(deleted()) } else { Err(unknown()) }
}

fn shown(account: &Account, id: u64, subscription: &Subscription) -> Value {
    let Subscription { event, name, target_url, resource, payload, enabled } = subscription;
    let href = account.href(&format!("webhooks/{id}"));
    let mut shown = json!({"id": id, "href": href, "event": event, "name": name, "targetUrl": target_url,
                           "resource": resource, "enabled": enabled});
    if let (Some(payload), Some(shown)) = (payload, shown.as_object_mut()) {
        shown.insert("payload".to_owned(), Value::Object(payload.clone()));
    }
    shown
}

fn id_of(written: &str) -> Result<u64, Problem> {
    written.parse().map_err(|_| unknown())
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such webhook")
}

impl From<SubscriptionError> for Problem {
    fn from(error: SubscriptionError) -> Self {
        let status = match error {
            SubscriptionError::Url
            | SubscriptionError::Resource
            | SubscriptionError::Name
            | SubscriptionError::Payload
            | SubscriptionError::PayloadDepth => StatusCode::BAD_REQUEST,
            SubscriptionError::TooMany => StatusCode::INSUFFICIENT_STORAGE,
        };
        Self::new(status, error)
    }
}
