//! What all pages have: head, navigation, title, and what is shown when something is wrong.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::{assets, pieces};
use crate::Console;
use crate::guard::Visitor;
use crate::problem::Problem;

/// A place in the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Overview,
    Messages,
    Tester,
    Live,
    DeadLetters,
    Debugger,
    Backends,
    Configuration,
    Acts,
    Api,
    /// No place of the navigation.
    Elsewhere,
}

impl Place {
    /// Those of the navigation, with their paths and names.
    const NAVIGATION: [(Self, &'static str, &'static str); 10] = [
        (Self::Overview, "/", "Overview"),
        (Self::Messages, "/messages", "Messages"),
        (Self::Tester, "/tester", "Tester"),
        (Self::Live, "/live", "Live"),
        (Self::DeadLetters, "/dead-letters", "Dead letters"),
        (Self::Debugger, "/debugger", "Debugger"),
        (Self::Backends, "/backends", "Backends"),
        (Self::Configuration, "/configuration", "Configuration"),
        (Self::Acts, "/acts", "Who did what"),
        (Self::Api, "/api", "API"),
    ];
}

/// A page.
///
/// ```ignore
/// Page::new(&console, &visitor, Place::Messages, "Messages").script("tail.js").shows(content(&console).await)
/// ```
pub(crate) struct Page<'a> {
    console: &'a Console,
    visitor: Option<&'a Visitor>,
    place: Place,
    title: &'a str,
    said: Option<Said>,
    script: Option<&'static str>,
    above: Markup,
}

/// What is said above a page about what was just done.
pub(crate) enum Said {
    /// It was done.
    Done(String),
    /// It was not.
    Failed(String),
}

impl<'a> Page<'a> {
    /// A page for somebody, at a place, with a title: the heading is the same.
    pub(crate) fn new(console: &'a Console, visitor: &'a Visitor, place: Place, title: &'a str) -> Self {
        Self { console, visitor: Some(visitor), place, title, said: None, script: None, above: html! {} }
    }

    /// A page for somebody who is not known: without navigation.
    pub(crate) fn for_nobody(console: &'a Console, title: &'a str) -> Self {
        Self { console, visitor: None, place: Place::Elsewhere, title, said: None, script: None, above: html! {} }
    }

    /// Says above the page what was just done.
    pub(crate) fn says(self, said: Option<Said>) -> Self {
        Self { said, ..self }
    }

    /// With a script of its own, by its name among the assets.
    pub(crate) fn script(self, name: &'static str) -> Self {
        Self { script: Some(name), ..self }
    }

    /// With something that is there also if the rest cannot be shown: a form that can be mended.
    pub(crate) fn above(self, above: Markup) -> Self {
        Self { above, ..self }
    }

    /// The answer: what is on the page, or why it cannot be shown.
    pub(crate) fn shows(self, main: Result<Markup, Problem>) -> Response {
        let (status, main) = match main {
            Ok(main) => (StatusCode::OK, main),
            Err(problem) => (problem.status(), pieces::problem(&problem)),
        };
        self.shows_with(status, &main)
    }

    /// The answer with a status of its own.
    pub(crate) fn shows_with(&self, status: StatusCode, main: &Markup) -> Response {
        (status, self.whole(main)).into_response()
    }

    fn whole(&self, main: &Markup) -> Markup {
        let Self { console, visitor, title, said, script, above, .. } = self;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " · tropomq" }
                    link rel="icon" type="image/svg+xml" href=(assets::path("icon.svg"));
                    link rel="stylesheet" href=(assets::path("console.css"));
                    link #dark rel="stylesheet" href=(assets::path("dark.css")) media="(prefers-color-scheme: dark)";
                    // Before anything is painted, so that nothing flashes in the other colours.
                    script src=(assets::path("theme.js")) {}
                    script type="module" src=(assets::path("console.js")) {}
                    @if let Some(script) = script { script type="module" src=(assets::path(script)) {} }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href="/" { "tropomq" }
                        @if let Some(visitor) = visitor { (self.navigation()) (self.signed_in(visitor)) }
                    }
                    main #main tabindex="-1" {
                        h1 { (title) }
                        @match said {
                            Some(Said::Done(told)) => p.said.done role="status" { (told) },
                            Some(Said::Failed(told)) => p.said.failed role="alert" { (told) },
                            None => {},
                        }
                        (above)
                        (main)
                    }
                    footer.bottom {
                        span { "tropomq " (console.house.version()) }
                        button.quiet #theme type="button" hidden { "Colours: as the system has them" }
                    }
                }
            }
        }
    }

    fn navigation(&self) -> Markup {
        html! {
            nav aria-label="Pages" {
                ul {
                    @for (place, path, name) in Place::NAVIGATION {
                        li { a href=(path) aria-current=[(place == self.place).then_some("page")] { (name) } }
                    }
                }
            }
        }
    }

    /// Who is signed in; while everybody may do anything, nobody is.
    fn signed_in(&self, visitor: &Visitor) -> Markup {
        html! {
            @if !self.console.config.users.is_empty() {
                form.who method="post" action="/logout" {
                    input type="hidden" name="csrf" value=(visitor.csrf);
                    span { "Signed in as " b { (visitor.caller.name) } }
                    button.quiet type="submit" { "Sign out" }
                }
            }
        }
    }
}
