//! Dashboards as Grafana 10 and later read them.

use serde_json::{Value, json};

use super::source::{Dashboard, Kind, Panel, Query};

/// The uids of the sources in `deploy/grafana/provisioning`.
pub(crate) const METRICS: &str = "prometheus";
pub(crate) const TRACES: &str = "jaeger";

/// How many columns there are.
const COLUMNS: u64 = 24;

/// Where the next panel goes.
#[derive(Default)]
struct Grid {
    panels: Vec<Value>,
    x: u64,
    y: u64,
    height: u64,
}

impl Grid {
    fn put(&mut self, mut panel: Value, width: u64, height: u64) {
        if COLUMNS < self.x + width {
            self.end_line();
        }
        panel["id"] = json!(self.panels.len() + 1);
        panel["gridPos"] = json!({ "x": self.x, "y": self.y, "w": width, "h": height });
        self.panels.push(panel);
        self.x += width;
        self.height = self.height.max(height);
    }

    fn end_line(&mut self) {
        self.y += self.height;
        (self.x, self.height) = (0, 0);
    }

    fn row(&mut self, title: &str) {
        self.end_line();
        self.put(json!({ "type": "row", "title": title, "collapsed": false, "panels": [] }), COLUMNS, 1);
        self.end_line();
    }
}

/// The whole of it.
pub(crate) fn dashboard(source: &Dashboard) -> Value {
    let mut grid = Grid::default();
    if source.conversation {
        conversation(&mut grid);
    }
    for row in &source.rows {
        grid.row(&row.title);
        for one in &row.panels {
            let (width, height) = if one.kind().0 == Kind::Number { (6, 4) } else { (12, 8) };
            grid.put(panel(one), width, height);
        }
    }
    let fired = json!({
        "name": "Critical alerts", "datasource": metrics(), "enable": true, "iconColor": "red",
        "expr": "ALERTS{alertstate=\"firing\",severity=\"critical\"}", "titleFormat": "{{alertname}}",
        "textFormat": "{{service}} {{instance}}", "step": "60s",
    });
    json!({
        "uid": source.uid,
        "title": source.title,
        "description": source.says,
        "tags": ["tropomq"],
        "schemaVersion": 38,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "annotations": { "list": [fired] },
        "links": [
            { "type": "dashboards", "title": "Others", "tags": ["tropomq"], "asDropdown": true, "keepTime": true },
            { "type": "link", "title": "Runbooks", "url": "$runbooks", "icon": "doc", "targetBlank": true },
            { "type": "link", "title": "Console", "url": "$console", "icon": "external link", "targetBlank": true },
        ],
        "templating": { "list": variables(source) },
        "panels": grid.panels,
    })
}

/// Those that it uses, and the addresses that its links lead to.
fn variables(source: &Dashboard) -> Vec<Value> {
    let asked: String = source
        .rows
        .iter()
        .flat_map(|row| &row.panels)
        .flat_map(|panel| &panel.queries)
        .map(Query::expression)
        .collect();
    let of_label = |name: &str, label: &str, query: &str| {
        json!({
            "type": "query", "name": name, "label": label, "datasource": metrics(), "query": query, "refresh": 2,
            "multi": true, "includeAll": true, "allValue": ".*", "sort": 1,
            "current": { "text": "All", "value": "$__all" },
        })
    };
    let text = |name: &str, label: &str, value: &str| {
        json!({
            "type": "textbox", "name": name, "label": label, "query": value,
            "current": { "text": value, "value": value },
        })
    };
    let queues = "label_values(rabbitmq_detailed_queue_messages_ready{queue=~\"(router|egress|journal|application|tropomq)[.].+\"}, queue)";
    let mut variables: Vec<Value> = [
        ("$backend", of_label("backend", "Backend", "label_values(tropomq_launched_sessions_total, tropomq_backend)")),
        ("$service", of_label("service", "Service", "label_values(tropomq_ready, service)")),
        ("$queue", of_label("queue", "Queue", queues)),
    ]
    .into_iter()
    .filter(|(name, _)| asked.contains(name))
    .map(|(_, variable)| variable)
    .collect();
    if source.conversation {
        let begins: Vec<Value> = ["ingress", "router", "egress", "console"]
            .iter()
            .map(|service| json!({ "text": service, "value": service, "selected": *service == "ingress" }))
            .collect();
        variables.extend([
            text("conversation", "Correlation id", ""),
            text("trace", "Trace id", ""),
            json!({
                "type": "custom", "name": "seen", "label": "Seen by", "query": "ingress,router,egress,console",
                "options": begins, "current": { "text": "ingress", "value": "ingress" },
            }),
        ]);
    }
    variables.push(text("runbooks", "Runbooks", "https://tropomq.example/docs/runbooks.md"));
    variables.push(text("console", "Console", "http://127.0.0.1:8088"));
    variables
}

fn metrics() -> Value {
    json!({ "type": "prometheus", "uid": METRICS })
}

fn traces() -> Value {
    json!({ "type": "jaeger", "uid": TRACES })
}

fn panel(source: &Panel) -> Value {
    let (kind, title) = source.kind();
    let colours: Vec<Value> = source
        .colours()
        .into_iter()
        .enumerate()
        // The lowest has no beginning.
        .map(|(place, (from, colour))| json!({ "color": colour, "value": if place == 0 { Value::Null } else { json!(from) } }))
        .collect();
    let has_colours = !colours.is_empty();
    let steps = if has_colours { json!(colours) } else { json!([{ "color": "green", "value": null }]) };
    let targets: Vec<Value> = source
        .queries
        .iter()
        .zip('A'..='Z')
        .map(|(query, letter)| {
            json!({
                "refId": letter.to_string(), "datasource": metrics(), "expr": query.expression(),
                "legendFormat": query.legend(), "range": kind != Kind::Number, "instant": kind == Kind::Number,
            })
        })
        .collect();
    let link = json!({
        "title": format!("Runbook: {}", source.runbook), "targetBlank": true,
        "url": format!("$runbooks#{}", source.runbook.to_lowercase()),
    });
    let mut defaults = json!({
        "unit": source.unit,
        "thresholds": { "mode": "absolute", "steps": steps },
        "color": { "mode": if kind == Kind::Number { "thresholds" } else { "palette-classic" } },
    });
    let (shown_as, options) = match kind {
        Kind::Number => ("stat", json!({ "colorMode": "background", "reduceOptions": { "calcs": ["lastNotNull"] } })),
        Kind::Lines | Kind::Stacked => {
            let stacked = kind == Kind::Stacked;
            defaults["min"] = json!(0);
            defaults["custom"] = json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": if stacked { 30 } else { 5 }, "showPoints": "never",
                "stacking": { "mode": if stacked { "normal" } else { "none" } },
                "thresholdsStyle": { "mode": if has_colours { "line" } else { "off" } },
            });
            let legend = json!({ "displayMode": "list", "placement": "bottom", "showLegend": true });
            ("timeseries", json!({ "legend": legend, "tooltip": { "mode": "multi", "sort": "desc" } }))
        }
    };
    json!({
        "type": shown_as, "title": title, "description": source.says, "datasource": metrics(), "links": [link],
        "fieldConfig": { "defaults": defaults, "overrides": [] }, "options": options, "targets": targets,
    })
}

/// What there is of one conversation: where to look, its traces, and one of them.
fn conversation(grid: &mut Grid) {
    grid.row("The conversation");
    let words = "**Correlation id**: the id of the session with which it began. It stands in the log of every service, \
                 in the console, and in Tropo's own log.\n\n\
                 * [What happened, and why]($console/messages/$conversation), in the console; or `tropomq explain $conversation`\n\
                 * Its log lines: `docker compose logs --no-log-prefix | grep -F '$conversation'`\n\
                 * The lines of one trace, when its id is above: `docker compose logs --no-log-prefix | grep -F '$trace'`";
    let told = json!({
        "type": "text", "title": "Where to look", "options": { "mode": "markdown", "content": words },
        "description": "Put its id above.",
    });
    grid.put(told, COLUMNS, 5);
    let search = json!({
        "refId": "A", "datasource": traces(), "queryType": "search", "service": "$seen", "limit": 20,
        "tags": "messaging.message.conversation_id=\"$conversation\"",
    });
    let found = json!({
        "type": "table", "title": "Its traces", "datasource": traces(), "targets": [search],
        "description": "Each leads to its spans. A text begins at ingress; what was commanded, at the console or router.",
        "fieldConfig": { "defaults": {}, "overrides": [] }, "options": { "showHeader": true },
    });
    grid.put(found, COLUMNS, 8);
    let one = json!({
        "type": "traces", "title": "One trace", "datasource": traces(), "description": "That whose id is above.",
        "targets": [{ "refId": "A", "datasource": traces(), "query": "$trace" }],
    });
    grid.put(one, COLUMNS, 14);
}
