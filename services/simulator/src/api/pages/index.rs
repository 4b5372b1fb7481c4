//! The index: what there is, and where.

use std::fmt::Write as _;

use protocol::Address;

use super::html::{Escaped, Page, phone_path};
use crate::Simulator;

/// How many of each are listed.
const LISTED_MAX: usize = 200;

pub(super) fn page(simulator: &Simulator) -> Page {
    let mut main = String::new();
    main.push_str(
        "<p>A stand-in for Tropo, with virtual phones.</p>\n<h2>Phones</h2>\n\
         <form action=\"/pages/phone\" method=\"get\">\n\
         <label for=\"number\">Number</label> <input id=\"number\" name=\"number\" required autocomplete=\"off\" \
         placeholder=\"+15555550177\"> <button>Open the phone</button>\n</form>\n",
    );
    phones(&mut main, simulator);
    main.push_str("<h2>Applications</h2>\n");
    applications(&mut main, simulator);
    let index = Escaped(crate::api::INDEX);
    let _ = writeln!(main, "<h2>What is where</h2>\n<pre>{index}</pre>");
    Page { title: "Simulator".to_owned(), main }
}

fn phones(main: &mut String, simulator: &Simulator) {
    let phones = simulator.phones.all();
    if phones.is_empty() {
        main.push_str("<p>No phone is on yet. Any number is one: open it.</p>\n");
        return;
    }
    main.push_str("<ul id=\"phones\">\n");
    for phone in phones.iter().take(LISTED_MAX) {
        let (path, number) = (phone_path(&phone.number), Escaped(phone.number.as_str()));
        let _ = writeln!(
            main,
            "<li><a href=\"{path}\">{number}</a> <small>sent {}, received {}</small></li>",
            phone.sent, phone.received
        );
    }
    main.push_str("</ul>\n");
    more(main, phones.len(), "/phones");
}

fn applications(main: &mut String, simulator: &Simulator) {
    let applications = simulator.applications.all();
    if applications.is_empty() {
        main.push_str(
            "<p>There is none yet: <code>POST /applications</code> adds one, and so does <code>simulator.applications\
             </code> of the configuration.</p>\n",
        );
        return;
    }
    main.push_str("<ul id=\"applications\">\n");
    for application in applications.iter().take(LISTED_MAX) {
        let numbers: Vec<_> = application.settings.numbers.iter().map(Address::as_str).collect();
        let (name, numbers) = (Escaped(&application.name), Escaped(numbers.join(", ")));
        let _ = writeln!(main, "<li>{name} <small>{numbers}</small></li>");
    }
    main.push_str("</ul>\n");
    more(main, applications.len(), "/applications");
}

fn more(main: &mut String, count: usize, path: &str) {
    if let Some(more) = count.checked_sub(LISTED_MAX).filter(|more| 0 < *more) {
        let _ = writeln!(main, "<p>And {more} more: <code>GET {path}</code> lists them all.</p>");
    }
}
