//! Tropo's provisioning interface: applications, their addresses, and webhooks over REST (Tropo WebAPI: provisioning).
//!
//! As Tropo's: success is always 200, the ids of applications are strings, what was made or changed is told by its
//! `href`, which begins with the address that the client used, and errors are other statuses with an `error`. A member
//! that is not known is ignored, and one that is null is as if left out.

mod account;
mod addresses;
mod webhooks;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use chassis::http::{Body, BodyRejection};
use serde::Deserialize;
use serde_json::{Value, json};
use tropo::session::Channel;
use url::Url;

use self::account::Account;
use super::problem::{self, Problem};
use crate::config::{ApplicationConfig, Partition};
use crate::exchanges::{EXCHANGES, Exchange};
use crate::{Application, ApplicationError, Simulator, observe};

/// What there is under one of its addresses, `/v1` or `/1.0`.
pub(super) fn routes() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/applications", get(list).post(create))
        .route("/applications/{id}", get(one).put(update).delete(delete))
        .route("/applications/{id}/addresses", get(addresses::of_application).post(addresses::create))
        .route("/applications/{id}/addresses/{kind}", get(addresses::of_kind))
        .route(
            "/applications/{id}/addresses/{kind}/{value}",
            get(addresses::one).post(addresses::take).delete(addresses::delete),
        )
        .route("/addresses", get(addresses::search))
        .route("/exchanges", get(exchanges))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{id}", get(webhooks::one).delete(webhooks::delete))
}

/// An application as clients write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    name: Option<String>,
    voice_url: Option<String>,
    messaging_url: Option<String>,
    platform: Option<String>,
    partition: Option<String>,
}

impl Written {
    /// What an application's settings become by it.
    fn apply(&self, settings: &mut ApplicationConfig) -> Result<(), Problem> {
        if let Some(url) = url("messagingUrl", self.messaging_url.as_deref())? {
            settings.messaging_url = url;
        }
        if let Some(url) = url("voiceUrl", self.voice_url.as_deref())? {
            settings.voice_url = Some(url);
        }
        if let Some(partition) = said(self.partition.as_deref()) {
            settings.partition = match partition.to_ascii_lowercase().as_str() {
                "staging" => Partition::Staging,
                "production" => Partition::Production,
                _ => return Err(Problem::bad_request("partition must be staging or production")),
            };
        }
        if said(self.platform.as_deref()).is_some_and(|platform| !platform.eq_ignore_ascii_case("webapi")) {
            return Err(Problem::bad_request("platform must be webapi: scripts do not run here"));
        }
        Ok(())
    }
}

/// What somebody says who says something.
fn said(written: Option<&str>) -> Option<&str> {
    written.map(str::trim).filter(|written| !written.is_empty())
}

fn url(name: &str, written: Option<&str>) -> Result<Option<Url>, Problem> {
    let url = said(written).map(str::parse).transpose();
    url.map_err(|_| Problem::bad_request(format_args!("{name} must be an http or https address")))
}

async fn list(State(simulator): State<Arc<Simulator>>, account: Account) -> Json<Value> {
    let mut all = simulator.applications.all();
    all.sort_by_key(|application| application.id);
    Json(all.iter().map(|application| shown(&account, application)).collect())
}

async fn one(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(shown(&account, &*application(&simulator, &id?.0)?)))
}

async fn create(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    body: Result<Body, BodyRejection>,
) -> Result<Json<Value>, Problem> {
    let written: Written = problem::json(body)?;
    let Some(name) = said(written.name.as_deref()) else {
        return Err(Problem::bad_request("name is missing: how shall the application be called?"));
    };
    let first = [("messagingUrl", &written.messaging_url), ("voiceUrl", &written.voice_url)];
    let mut urls = first.into_iter().map(|(name, written)| url(name, written.as_deref()));
    let Some(url) = urls.find_map(Result::transpose).transpose()? else {
        return Err(Problem::bad_request("messagingUrl and voiceUrl are missing: where shall webhooks go?"));
    };
    let mut settings = ApplicationConfig::at(url);
    written.apply(&mut settings)?;
    let application = simulator.add_application(name.to_owned(), settings)?;
    Ok(account.made(&format!("applications/{}", application.id)))
}

async fn update(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    id: Result<Path<String>, PathRejection>,
    body: Result<Body, BodyRejection>,
) -> Result<Json<Value>, Problem> {
    let written: Written = problem::json(body)?;
    let (application, ()) = simulator.change_application(id_of(&id?.0)?, |draft| {
        if let Some(name) = said(written.name.as_deref()) {
            draft.name = name.to_owned();
        }
        written.apply(&mut draft.settings)
    })?;
    Ok(account.made(&format!("applications/{}", application.id)))
}

async fn delete(
    State(simulator): State<Arc<Simulator>>,
    _account: Account,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    observe::removed(&*simulator.applications.remove(id_of(&id?.0)?)?);
    Ok(deleted())
}

async fn exchanges(_account: Account) -> Json<[Exchange; EXCHANGES.len()]> {
    Json(EXCHANGES)
}

/// The id in a path.
fn id_of(written: &str) -> Result<usize, Problem> {
    written.parse().map_err(|_| Problem::from(ApplicationError::Unknown))
}

/// The application that a path names.
fn application(simulator: &Simulator, written: &str) -> Result<Arc<Application>, Problem> {
    simulator.applications.of_id(id_of(written)?).ok_or_else(|| ApplicationError::Unknown.into())
}

fn shown(account: &Account, application: &Application) -> Value {
    json!({
        "id": application.id.to_string(),
        "href": account.href(&format!("applications/{}", application.id)),
        "name": application.name,
        "platform": "webapi",
        "voiceUrl": application.url(&Channel::Voice),
        "messagingUrl": application.url(&Channel::Text),
        "partition": application.settings.partition,
    })
}

fn deleted() -> Json<Value> {
    Json(json!({"message": "delete successful"}))
}
