//! The addresses of applications: numbers, tokens, and names on other networks.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use chassis::http::{Body, BodyRejection};
use protocol::{Address, Network};
use serde::Deserialize;
use serde_json::{Value, json};
use tropo::session::Channel;
use uuid::Uuid;

use super::account::Account;
use super::{application, deleted, id_of, said};
use crate::api::problem::{self, Problem};
use crate::applications::Draft;
use crate::config::{ImUser, Token};
use crate::dial::destination;
use crate::{Application, ApplicationError, Simulator, exchanges};

/// How many free numbers one answer offers.
const OFFERED_MAX: usize = 10;

/// The networks whose users an application can be.
const IM_NETWORKS: [&str; 8] = ["aim", "gtalk", "jabber", "msn", "yahoo", "skype", "sip", "twitter"];

/// An address as clients ask for it. The password of a user of a network is not looked at: nobody logs in here.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(rename = "type")]
    kind: Option<String>,
    number: Option<String>,
    prefix: Option<String>,
    channel: Option<String>,
    username: Option<String>,
}

/// An address of an application.
#[derive(Clone)]
enum Held {
    Number(Address),
    Token(Channel, Token),
    User(ImUser),
}

impl Held {
    /// All addresses of an application.
    fn all(application: &Application) -> impl Iterator<Item = Self> {
        let settings = &application.settings;
        let tokens = [(Channel::Text, &settings.messaging_token), (Channel::Voice, &settings.voice_token)];
        let tokens = tokens.into_iter().filter_map(|(channel, token)| Some(Self::Token(channel, token.clone()?)));
        let numbers = settings.numbers.iter().cloned().map(Self::Number);
        numbers.chain(tokens).chain(settings.im.iter().cloned().map(Self::User))
    }

    fn kind(&self) -> String {
        match self {
            Self::Number(_) => "number".to_owned(),
            Self::Token(..) => "token".to_owned(),
            Self::User(user) => user.network.as_str().to_ascii_lowercase(),
        }
    }

    /// What stands at the end of its href: a number keeps its `+`.
    fn value(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::Token(_, token) => token.expose(),
            Self::User(user) => user.name.as_str(),
        }
    }

    /// Whether a path means this one. Clients write numbers as they were shown them.
    fn is(&self, kind: &str, value: &str) -> bool {
        let is_value = match self {
            Self::Number(number) => destination(value, |_| false).is_ok_and(|meant| meant == *number),
            Self::Token(..) | Self::User(_) => value == self.value(),
        };
        is_value && self.kind().eq_ignore_ascii_case(kind)
    }

    fn path(&self, application: &Application) -> String {
        format!("applications/{}/addresses/{}/{}", application.id, self.kind(), escaped(self.value()))
    }

    fn shown(&self, account: &Account, application: &Application) -> Value {
        let mut shown = json!({
            "href": account.href(&self.path(application)),
            "type": self.kind(),
            "application": account.href(&format!("applications/{}", application.id)),
        });
        let members = match self {
            Self::Number(number) => number_shown(number),
            Self::Token(channel, token) => json!({"channel": channel_name(channel), "token": token.expose()}),
            Self::User(user) if user.network.as_str() == "SIP" => json!({"address": user.name}),
            Self::User(user) if user.network.as_str() == "SKYPE" => json!({"number": user.name}),
            Self::User(user) => json!({"username": user.name}),
        };
        if let (Some(shown), Value::Object(members)) = (shown.as_object_mut(), members) {
            shown.extend(members);
        }
        shown
    }

    /// Gives the address to an application that is being changed.
    fn take(self, draft: &mut Draft<'_>) -> Self {
        let settings = &mut draft.settings;
        match &self {
            Self::Number(number) if !settings.numbers.contains(number) => settings.numbers.push(number.clone()),
            Self::User(user) if !settings.im.contains(user) => settings.im.push(user.clone()),
            Self::Number(_) | Self::User(_) => {}
            Self::Token(Channel::Voice, token) => settings.voice_token = Some(token.clone()),
            Self::Token(Channel::Text | Channel::Other(_), token) => settings.messaging_token = Some(token.clone()),
        }
        self
    }

    /// Takes it away.
    fn drop_from(&self, draft: &mut Draft<'_>) {
        let settings = &mut draft.settings;
        settings.numbers.retain(|number| !matches!(self, Self::Number(own) if own == number));
        settings.im.retain(|user| !matches!(self, Self::User(own) if own == user));
        for token in [&mut settings.messaging_token, &mut settings.voice_token] {
            token.take_if(|token| matches!(self, Self::Token(_, own) if own == token));
        }
    }
}

/// One piece of a path. Clients of the time know `+` and `@` as they are.
fn escaped(piece: &str) -> String {
    piece.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~+@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

pub(super) async fn of_application(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let application = application(&simulator, &id?.0)?;
    Ok(Json(Held::all(&application).map(|held| held.shown(&account, &application)).collect()))
}

pub(super) async fn of_kind(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path((id, kind)) = path?;
    let application = application(&simulator, &id)?;
    let held = Held::all(&application).filter(|held| held.kind().eq_ignore_ascii_case(&kind));
    Ok(Json(held.map(|held| held.shown(&account, &application)).collect()))
}

pub(super) async fn one(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path((id, kind, value)) = path?;
    let application = application(&simulator, &id)?;
    let held = Held::all(&application).find(|held| held.is(&kind, &value)).ok_or(ApplicationError::NoSuchAddress)?;
    Ok(Json(held.shown(&account, &application)))
}

pub(super) async fn create(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    id: Result<Path<String>, PathRejection>,
    body: Result<Body, BodyRejection>,
) -> Result<Json<Value>, Problem> {
    let wanted: Wanted = problem::json(body)?;
    add(&simulator, &account, &id?.0, &wanted)
}

/// The address that the path says, as clients that move one from application to application take it.
pub(super) async fn take(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path((id, kind, value)) = path?;
    if kind.eq_ignore_ascii_case("token") {
        return Err(Problem::bad_request(
            "a token cannot be chosen: POST {\"type\": \"token\", \"channel\": \"messaging\"}",
        ));
    }
    let value = Some(value);
    let wanted = Wanted { kind: Some(kind), number: value.clone(), prefix: None, channel: None, username: value };
    add(&simulator, &account, &id, &wanted)
}

pub(super) async fn delete(
    State(simulator): State<Arc<Simulator>>,
    _account: Account,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path((id, kind, value)) = path?;
    let id = id_of(&id)?;
    let held = application(&simulator, &id.to_string())?;
    let held = Held::all(&held).find(|held| held.is(&kind, &value)).ok_or(ApplicationError::NoSuchAddress)?;
    simulator.change_application(id, |draft| {
        held.drop_from(draft);
        Ok::<_, Problem>(())
    })?;
    Ok(deleted())
}

/// The free numbers under a prefix, or, where nobody asks for free ones, the addresses of all applications.
pub(super) async fn search(
    State(simulator): State<Arc<Simulator>>,
    account: Account,
    asked: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(asked) = asked?;
    if !asked.contains_key("available") {
        let all = simulator.applications.all();
        let shown = |application: &Arc<Application>| -> Vec<Value> {
            Held::all(application).map(|held| held.shown(&account, application)).collect()
        };
        return Ok(Json(all.iter().flat_map(shown).collect()));
    }
    let prefix = asked.get("prefix").map(String::as_str).unwrap_or_default();
    let free = exchanges::numbers(prefix).filter(|number| simulator.applications.of_number(number).is_none());
    let offered = free.take(OFFERED_MAX).map(|number| {
        let mut shown = number_shown(&number);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("type".to_owned(), "number".into());
        }
        shown
    });
    Ok(Json(offered.collect()))
}

fn add(simulator: &Simulator, account: &Account, id: &str, wanted: &Wanted) -> Result<Json<Value>, Problem> {
    let (application, held) =
        simulator.change_application(id_of(id)?, |draft| Ok::<_, Problem>(wanted.choose(draft)?.take(draft)))?;
    Ok(account.made(&held.path(&application)))
}

impl Wanted {
    /// The address that it gets.
    fn choose(&self, draft: &Draft<'_>) -> Result<Held, Problem> {
        let kind = said(self.kind.as_deref()).map(str::to_ascii_lowercase);
        match kind.as_deref() {
            Some("number") => self.choose_number(draft).map(Held::Number),
            Some("token") => self.choose_token(draft),
            Some(network) if IM_NETWORKS.contains(&network) => {
                let name = said(self.username.as_deref()).ok_or_else(|| Problem::bad_request("username is missing"))?;
                let name = name.parse().map_err(|error| Problem::bad_request(format_args!("username: {error}")))?;
                let network: Network = network.parse().map_err(Problem::bad_request)?;
                Ok(Held::User(ImUser { network, name }))
            }
            Some(_) | None => {
                let known = IM_NETWORKS.join(", ");
                Err(Problem::bad_request(format_args!("type must be number, token, {known}")))
            }
        }
    }

    fn choose_number(&self, draft: &Draft<'_>) -> Result<Address, Problem> {
        if let Some(number) = said(self.number.as_deref()) {
            let number = destination(number, |_| false).ok().filter(Address::is_dialable);
            let number = number.ok_or_else(|| {
                Problem::bad_request("number is none: write it with its country code, as in +14075550100")
            })?;
            let is_anothers = draft.is_taken(&number) && !draft.settings.numbers.contains(&number);
            let taken = || Problem::new(StatusCode::CONFLICT, "the number belongs to another application");
            return if is_anothers { Err(taken()) } else { Ok(number) };
        }
        let Some(prefix) = said(self.prefix.as_deref()) else {
            return Err(Problem::bad_request("prefix or number is missing: GET exchanges lists prefixes"));
        };
        let free = exchanges::numbers(prefix).find(|number| !draft.is_taken(number));
        free.ok_or_else(|| ApplicationError::NoneFree.into())
    }

    /// A new token, or the one that the channel has.
    fn choose_token(&self, draft: &Draft<'_>) -> Result<Held, Problem> {
        let (channel, present) = match said(self.channel.as_deref()).map(str::to_ascii_lowercase).as_deref() {
            Some("messaging") => (Channel::Text, &draft.settings.messaging_token),
            Some("voice") => (Channel::Voice, &draft.settings.voice_token),
            Some(_) | None => return Err(Problem::bad_request("channel must be messaging or voice")),
        };
        let new = || {
            // As long as Tropo's were.
            let hex: String = (0..3).map(|_| Uuid::new_v4().simple().to_string()).collect();
            Token::try_from(hex.chars().take(88).collect::<String>())
        };
        let token = present.clone().map_or_else(new, Ok).map_err(Problem::bad_request)?;
        Ok(Held::Token(channel, token))
    }
}

fn channel_name(channel: &Channel) -> &'static str {
    match channel {
        Channel::Voice => "voice",
        Channel::Text | Channel::Other(_) => "messaging",
    }
}

/// A number as Tropo showed it: those of North America without their country code, which the prefix has.
fn number_shown(number: &Address) -> Value {
    let written = number.as_str();
    let (national, prefix) = match written.strip_prefix("+1") {
        Some(national) if national.len() == 10 => (national, written.get(1..5)),
        Some(_) | None => (written, None),
    };
    let exchange = exchanges::of(written);
    let mut shown = json!({"number": national, "smsEnabled": true});
    if let Some(shown) = shown.as_object_mut() {
        let members = [
            ("prefix", prefix.or(exchange.map(|exchange| exchange.prefix))),
            ("city", exchange.and_then(|exchange| exchange.city)),
            ("state", exchange.and_then(|exchange| exchange.state)),
            ("country", exchange.map(|exchange| exchange.country)),
        ];
        shown.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    }
    shown
}
