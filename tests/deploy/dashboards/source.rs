//! What `deploy/grafana/dashboards.yml` says.

use serde::Deserialize;

/// A page of panels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dashboard {
    pub(crate) uid: String,
    pub(crate) title: String,
    pub(crate) says: String,
    /// Whether it is about one conversation, whose traces come first.
    #[serde(default)]
    pub(crate) conversation: bool,
    pub(crate) rows: Vec<Row>,
}

/// Panels under a title.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

/// A panel; its title stands with what it shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Panel {
    lines: Option<String>,
    stacked: Option<String>,
    number: Option<String>,
    pub(crate) says: String,
    pub(crate) unit: String,
    pub(crate) runbook: String,
    good: Option<f64>,
    poor: Option<f64>,
    bad: Option<f64>,
    pub(crate) queries: Vec<Query>,
}

/// What a panel shows its values as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Lines,
    Stacked,
    Number,
}

impl Panel {
    /// What it shows, and its title.
    pub(crate) fn kind(&self) -> (Kind, &str) {
        match (&self.lines, &self.stacked, &self.number) {
            (Some(title), None, None) => (Kind::Lines, title),
            (None, Some(title), None) => (Kind::Stacked, title),
            (None, None, Some(title)) => (Kind::Number, title),
            _ => panic!("a panel is lines, stacked or number, and one of them: {self:?}"),
        }
    }

    /// From which value on it has which colour, from the lowest on.
    pub(crate) fn colours(&self) -> Vec<(f64, &'static str)> {
        let named = [(self.good, "green"), (self.poor, "orange"), (self.bad, "red")];
        let mut colours: Vec<(f64, &str)> =
            named.into_iter().filter_map(|(from, colour)| Some((from?, colour))).collect();
        colours.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        colours
    }
}

/// What is asked of Prometheus.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    expr: Option<String>,
    rate: Option<String>,
    hourly: Option<String>,
    p50: Option<String>,
    p90: Option<String>,
    p95: Option<String>,
    p99: Option<String>,
    by: Option<String>,
    legend: Option<String>,
}

impl Query {
    /// As PromQL.
    pub(crate) fn expression(&self) -> String {
        let by = self.by.as_ref().map(|labels| format!(" by ({labels})")).unwrap_or_default();
        let quantiles = [("0.5", &self.p50), ("0.9", &self.p90), ("0.95", &self.p95), ("0.99", &self.p99)];
        let mut quantiles = quantiles.into_iter().filter_map(|(quantile, of)| Some((quantile, of.as_ref()?)));
        match (&self.expr, &self.rate, &self.hourly, quantiles.next()) {
            (Some(expression), None, None, None) => expression.clone(),
            (None, Some(counter), None, None) => format!("sum{by} (rate({counter}[$__rate_interval]))"),
            (None, None, Some(counter), None) => format!("sum{by} (increase({counter}[1h]))"),
            (None, None, None, Some((quantile, histogram))) => {
                let labels = self.by.as_ref().map(|labels| format!(", {labels}")).unwrap_or_default();
                let (name, selector) =
                    histogram.find('{').map_or((histogram.as_str(), ""), |at| histogram.split_at(at));
                let rate = format!("rate({name}_bucket{selector}[$__rate_interval])");
                format!("histogram_quantile({quantile}, sum by (le{labels}) ({rate}))")
            }
            _ => panic!("a query asks one thing: {self:?}"),
        }
    }

    /// The name of a line: what is said, or its labels.
    pub(crate) fn legend(&self) -> String {
        let labels = self.by.iter().flat_map(|labels| labels.split(", ")).map(|label| format!("{{{{{label}}}}}"));
        self.legend.clone().unwrap_or_else(|| labels.collect::<Vec<_>>().join(" "))
    }
}
