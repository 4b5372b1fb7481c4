//! Charts over the minutes of an hour or so: drawn here, readable without colours, and with their numbers beside them.

use maud::{Markup, html};
use protocol::Timestamp;

/// The drawing, in its own units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
/// What is left beside it for the scale, and below it for the time.
const LEFT: f64 = 44.0;
const BELOW: f64 = 22.0;
const ABOVE: f64 = 8.0;

/// About how many lines the scale has.
const STEPS: f64 = 4.0;

/// Lines over minutes.
pub(super) struct Chart<'a> {
    /// What its parts are called by: unique on the page.
    pub(super) id: &'a str,
    /// What it shows.
    pub(super) title: &'a str,
    /// What the numbers are, as in "a minute".
    pub(super) unit: &'a str,
    /// The beginning of each minute, the earliest first.
    pub(super) minutes: &'a [Timestamp],
    /// What is shown over them.
    pub(super) lines: &'a [Line],
}

/// One line of a chart.
pub(super) struct Line {
    /// What it is.
    pub(super) name: &'static str,
    /// A value for each minute; `None`: there is none.
    pub(super) values: Vec<Option<f64>>,
}

impl Line {
    fn latest(&self) -> Option<f64> {
        self.values.iter().rev().copied().flatten().next()
    }

    fn highest(&self) -> Option<f64> {
        self.values.iter().copied().flatten().reduce(f64::max)
    }

    /// The pieces of the path: a minute without a value is a gap, and a value that stands alone is a ring.
    fn path(&self, top: f64) -> String {
        let places = self.values.len();
        let value = |place: usize| self.values.get(place).copied().flatten();
        let piece = |place: usize| {
            let (x, y) = (across(place, places), up(value(place)?, top));
            let goes_on = place.checked_sub(1).and_then(value).is_some();
            let is_alone = !goes_on && value(place + 1).is_none();
            Some(match (is_alone, goes_on) {
                (true, _) => format!("M{:.1} {y:.1}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", x - 3.0),
                (false, true) => format!("L{x:.1} {y:.1}"),
                (false, false) => format!("M{x:.1} {y:.1}"),
            })
        };
        (0..places).filter_map(piece).collect()
    }
}

/// Where a minute stands.
fn across(place: usize, places: usize) -> f64 {
    let last = places.saturating_sub(1).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a chart has few minutes")]
    let part = place as f64 / last as f64;
    LEFT + part * (WIDTH - LEFT - 4.0)
}

/// Where a value stands.
fn up(value: f64, top: f64) -> f64 {
    let room = HEIGHT - ABOVE - BELOW;
    ABOVE + room * (1.0 - value / top)
}

/// The values at which the scale has lines: 0, and then 1, 2 or 5 times a power of ten apart, up to above the highest.
pub(super) fn scale(highest: f64) -> Vec<f64> {
    let highest = if highest.is_finite() && 0.0 < highest { highest } else { 1.0 };
    let rough = highest / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| rough <= *step);
    let step = step.unwrap_or(rough);
    let mut lines = vec![0.0];
    let mut line = 0.0;
    while line < highest {
        line += step;
        lines.push(line);
    }
    lines
}

/// A number as people read it: with as many digits as it deserves.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        small if small < 0.995 && 0.0 < small => 2,
        some if some < 9.95 && 0.05 <= (some - some.round()).abs() => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

impl Chart<'_> {
    /// The chart, its legend, and its numbers as a table that can be opened.
    pub(super) fn draw(&self) -> Markup {
        let Self { id, title, unit, minutes, lines } = self;
        let highest = lines.iter().filter_map(Line::highest).fold(0.0, f64::max);
        let scale = scale(highest);
        let top = scale.last().copied().unwrap_or(1.0);
        html! {
            figure.chart {
                figcaption { b { (title) } span.soft { ", " (unit) } }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (id) "-title " (id) "-told" } {
                    title id={ (id) "-title" } { (title) ", " (unit) }
                    desc id={ (id) "-told" } { (self.told()) }
                    @for line in &scale {
                        @let y = format!("{:.1}", up(*line, top));
                        line.grid x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) {}
                        text.label x=(LEFT - 6.0) y=(y) text-anchor="end" dominant-baseline="middle" { (number(*line)) }
                    }
                    text.label x=(LEFT) y=(HEIGHT - 6.0) { (minutes.len()) " minutes ago" }
                    text.label x=(WIDTH - 4.0) y=(HEIGHT - 6.0) text-anchor="end" { "now" }
                    @for (place, line) in (1..).zip(lines.iter()) {
                        path class={ "series series-" (place) } d=(line.path(top)) {}
                    }
                }
                (self.legend())
                (self.numbers())
            }
        }
    }

    /// What the chart shows, in words.
    fn told(&self) -> String {
        let shown = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), number);
        let told = self.lines.iter().map(|line| {
            format!("{}: {} at the end, {} at the highest.", line.name, shown(line.latest()), shown(line.highest()))
        });
        told.collect::<Vec<_>>().join(" ")
    }

    fn legend(&self) -> Markup {
        html! {
            ul.legend {
                @for (place, line) in (1..).zip(self.lines) {
                    li {
                        svg viewBox="0 0 28 8" aria-hidden="true" { path class={ "series series-" (place) } d="M2 4H26" {} }
                        (line.name)
                        @if let Some(latest) = line.latest() { " " b { (number(latest)) } }
                    }
                }
            }
        }
    }

    fn numbers(&self) -> Markup {
        let Self { id, title, minutes, lines, .. } = self;
        html! {
            details id={ (id) "-numbers" } {
                summary { "As numbers" }
                div.wide tabindex="0" role="region" aria-label={ (title) ", as numbers" } {
                    table {
                        thead { tr { th scope="col" { "Minute" } @for line in *lines { th.number scope="col" { (line.name) } } } }
                        tbody {
                            @for (place, minute) in minutes.iter().enumerate().rev() {
                                tr {
                                    td { (super::pieces::time(*minute)) }
                                    @for line in *lines {
                                        td.number { (line.values.get(place).copied().flatten().map_or_else(|| "–".to_owned(), number)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
