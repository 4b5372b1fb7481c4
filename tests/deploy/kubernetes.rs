//! The manifests in `deploy/kubernetes`, as kubectl renders them: by the schemas of Kubernetes, and by rules of ours.
//!
//! A rule is a function from a rendering to what is wrong with it. Each is held against all that can be rendered, and then
//! against a rendering that was broken on purpose, in which it must find that.

mod connections;
mod effective;
mod pods;
mod processes;
mod reach;
mod rendering;
mod scaling;
mod schemas;
mod webhook;

use serde_json::Value;

use rendering::Rendering;

/// What is wrong with a rendering.
type Rule = fn(&Rendering) -> Vec<String>;

/// The rules for all that can be rendered.
const RULES: [Rule; 11] = [
    connections::dead_ends,
    connections::disrupted,
    connections::loose,
    connections::mistaken,
    pods::cut_off,
    pods::misjudged,
    pods::unbounded,
    pods::unguarded,
    pods::unheard,
    scaling::scaled_wrongly,
    webhook::open,
];

/// Those for what is whole: the base alone has neither backends nor secrets.
const RULES_OF_OVERLAYS: [Rule; 4] = [pods::unversioned, processes::checked, scaling::miscounted, scaling::refused];

#[test]
fn whatever_can_be_rendered_keeps_the_schemas_and_the_rules() {
    let validators = schemas::validators();
    let (overlays, variants) = (Rendering::overlays(), Rendering::variants());
    let whole = overlays.iter().map(|overlay| (overlay, &RULES_OF_OVERLAYS[..]));
    let parts = variants.iter().map(|variant| (variant, &[][..]));
    let mut findings = Vec::new();
    for (rendering, further) in whole.chain(parts) {
        let mut found: Vec<String> =
            validators.iter().flat_map(|validator| schemas::misformed(rendering, validator)).collect();
        found.extend(RULES.iter().chain(further).flat_map(|rule| rule(rendering)));
        findings.extend(found.into_iter().map(|finding| format!("{}: {finding}", rendering.name)));
    }
    assert!(findings.is_empty(), "\n  {}\n", findings.join("\n  "));
}

/// Fails unless a rule finds something with these words, once that value of that manifest is another one. `null`: it is gone.
#[track_caller]
fn assert_found(
    rule: impl Fn(&Rendering) -> Vec<String>,
    rendering: &Rendering,
    (manifest, pointer, value): (&str, &str, Value),
    words: &str,
) {
    let broken = rendering.broken(manifest, pointer, value);
    let findings = rule(&broken);
    assert!(findings.iter().any(|finding| finding.contains(words)), "{manifest} {pointer}: {findings:#?}");
}
