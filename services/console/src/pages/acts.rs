//! Who did what.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::address;
use super::layout::{Page, Place};
use super::pieces::{self, Column};
use crate::Console;
use crate::acts::{Acts, ActsAsked, ShownAct};
use crate::api::asked::Asked;
use crate::guard::Visitor;
use crate::problem::Problem;

const COLUMNS: [Column; 4] = [Column("When"), Column("Who"), Column("What"), Column("With")];

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    asked: Result<Asked<ActsAsked>, Problem>,
) -> Response {
    let shown = match asked {
        Ok(Asked(asked)) => {
            console.acts(&visitor.caller, &asked).await.map(|acts| listed(&acts, asked.cursor.is_none()))
        }
        Err(problem) => Err(problem),
    };
    Page::new(&console, &visitor, Place::Acts, "Who did what").shows(shown)
}

fn listed(Acts { acts, next }: &Acts, is_first: bool) -> Markup {
    let rows: Vec<Vec<Markup>> = acts.iter().map(row).collect();
    let newest = (!is_first).then_some("/acts");
    let older = next.map(|next| address::with("/acts", &[("cursor", Some(&next.to_string()))]));
    html! {
        @if rows.is_empty() {
            (pieces::empty("Nobody did anything yet.", "What is sent, replayed and dropped here is put on record."))
        } @else {
            (pieces::table("What was done, the latest first", &COLUMNS, &rows))
        }
        (pieces::pager(newest, older.as_deref()))
    }
}

fn row(ShownAct { at, who, action, detail }: &ShownAct) -> Vec<Markup> {
    vec![pieces::time(*at), html! { (who) }, html! { code { (action) } }, with(detail)]
}

/// The fields of what it was done with.
fn with(detail: &Value) -> Markup {
    let Value::Object(fields) = detail else { return html! { (detail) } };
    html! {
        @for (at, (name, value)) in fields.iter().enumerate() {
            @if 0 < at { ", " }
            (name) " " b { @match value { Value::String(text) => (text), other => (other) } }
        }
    }
}
