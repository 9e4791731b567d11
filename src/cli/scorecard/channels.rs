//! Test `channels`: name, version, channels and edges agree with each other and with the policy; what tools read from labels is what folders say.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};
use serde_json::Value;

use super::bundle::{ANNOTATIONS, Bundle, DOCKERFILE, text};
use super::verdict::{Finding, Verdict};

/// Name of the package, by which it is known in every catalog.
const PACKAGE: &str = "starrocks-operator";
const BUNDLE: &str = "operators.operatorframework.io.bundle";
/// A release comes to these one after the other, each with the major version behind it.
const CHANNELS: [&str; 3] = ["candidate", "fast", "stable"];

/// Annotations whose value is no choice.
const FIXED: [(&str, &str); 6] = [
    ("operators.operatorframework.io.bundle.mediatype.v1", "registry+v1"),
    ("operators.operatorframework.io.bundle.manifests.v1", "manifests/"),
    ("operators.operatorframework.io.bundle.metadata.v1", "metadata/"),
    ("operators.operatorframework.io.bundle.package.v1", PACKAGE),
    ("operators.operatorframework.io.test.mediatype.v1", "scorecard+v1"),
    ("operators.operatorframework.io.test.config.v1", "tests/scorecard/"),
];

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let annotations = bundle.annotations()?;
    let (file, csv) = bundle.csv()?;
    let mut errors = judge_fixed(&annotations, bundle);
    let version = match text(csv, "/spec/version").map(Version::parse) {
        Some(Ok(version)) => version,
        _ => {
            errors.push(Finding::new(file, "spec.version", "is no semantic version", "write MAJOR.MINOR.PATCH"));
            return Ok(Verdict::of("no version", errors));
        }
    };
    errors.extend(judge_channels(&annotations, &version));
    errors.extend(judge_edges(file, csv, &version));
    let labels = bundle.labels();
    errors.extend(labels.iter().flat_map(|labels| judge_labels(&annotations, labels)));
    let seen = if labels.is_some() { "labels compared" } else { "no bundle.Dockerfile to compare with" };
    let channels = annotations.get(&format!("{BUNDLE}.channels.v1")).cloned().unwrap_or_default();
    Ok(Verdict::of(format!("{version} in {channels}; {seen}"), errors))
}

fn judge_fixed(annotations: &BTreeMap<String, String>, bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, wanted) in FIXED {
        let found = annotations.get(key).map_or("", String::as_str);
        if found != wanted {
            findings.push(Finding::new(ANNOTATIONS, key, format!("is `{found}`"), format!("write `{wanted}`")));
        }
    }
    if !bundle.has("tests/scorecard/config.yaml") {
        let way_out = "add the configuration of scorecard or take the annotation out";
        findings.push(Finding::new(ANNOTATIONS, FIXED[5].0, "names a folder without config.yaml", way_out));
    }
    findings
}

fn judge_channels(annotations: &BTreeMap<String, String>, version: &Version) -> Vec<Finding> {
    let (list, default) = (format!("{BUNDLE}.channels.v1"), format!("{BUNDLE}.channel.default.v1"));
    let mut findings = Vec::new();
    let mut find = |field: &str, rule: String, way_out: String| findings.push(Finding::new(ANNOTATIONS, field, rule, way_out));
    let way_out = format!("use candidate-v{0}, fast-v{0} or stable-v{0}", version.major);
    for channel in annotations.get(&list).map_or("", String::as_str).split(',').map(str::trim) {
        match stage_of(channel, version) {
            None => find(&list, format!("`{channel}` is no channel of {version}"), way_out.clone()),
            Some(stage) if !version.pre.is_empty() && stage != CHANNELS[0] => {
                find(&list, format!("{version} is a pre-release and offered in {channel}"), "offer it in candidate only".to_owned());
            }
            Some(_) => {}
        }
    }
    // It is the package's: a bundle need not be offered there.
    match annotations.get(&default) {
        Some(channel) if stage_of(channel, version).is_none() => {
            find(&default, format!("`{channel}` is no channel of {version}"), way_out);
        }
        _ => {}
    }
    findings
}

/// The part of a channel's name before the major version, if both are of the policy.
fn stage_of<'a>(channel: &'a str, version: &Version) -> Option<&'a str> {
    let (stage, major) = channel.rsplit_once("-v")?;
    (CHANNELS.contains(&stage) && major == version.major.to_string()).then_some(stage)
}

fn judge_edges(file: &str, csv: &Value, version: &Version) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |field: &str, rule: String, way_out: &str| findings.push(Finding::new(file, field, rule, way_out));
    let name = text(csv, "/metadata/name").unwrap_or_default();
    if name != format!("{PACKAGE}.v{version}") {
        find("metadata.name", format!("`{name}` does not say {version}"), "write PACKAGE.vVERSION");
    }
    if name.len() > 63 {
        find("metadata.name", format!("`{name}` has {} characters", name.len()), "63 are possible: OLM makes a label of it");
    }
    if let Some(range) = text(csv, "/metadata/annotations/olm.skipRange") {
        let field = "metadata.annotations[olm.skipRange]";
        match VersionReq::parse(&range.split_whitespace().collect::<Vec<_>>().join(", ")) {
            Err(error) => find(field, format!("`{range}` is no range of versions: {error}"), "write `>=FROM <THIS`"),
            Ok(_) if !range.split_whitespace().any(|bound| bound == format!("<{version}")) => {
                find(field, format!("`{range}` does not end below {version}"), "end it with `<` and this version");
            }
            Ok(_) => {}
        }
    }
    let skips = csv["spec"]["skips"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|name| ("spec.skips", name));
    for (field, other) in text(csv, "/spec/replaces").map(|name| ("spec.replaces", name)).into_iter().chain(skips) {
        match other.strip_prefix(&format!("{PACKAGE}.v")).map(Version::parse) {
            Some(Ok(older)) if older < *version => {}
            Some(Ok(_)) => find(field, format!("`{other}` is not older than {version}"), "name an older release"),
            _ => find(field, format!("`{other}` is no release of {PACKAGE}"), "write PACKAGE.vVERSION"),
        }
    }
    findings
}

/// Tools that see the image read the labels, tools that see the folder read the annotations.
fn judge_labels(annotations: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> Vec<Finding> {
    let ours = |key: &str| key.starts_with("operators.operatorframework.io.") || key.starts_with("com.redhat.");
    let mut findings = Vec::new();
    for (key, value) in annotations.iter().filter(|(key, _)| ours(key)) {
        match labels.get(key) {
            Some(label) if label == value => {}
            Some(label) => {
                let rule = format!("is `{label}`, {ANNOTATIONS} says `{value}`");
                findings.push(Finding::new(DOCKERFILE, format!("LABEL {key}"), rule, "make both say the same"));
            }
            None => findings.push(Finding::new(DOCKERFILE, format!("LABEL {key}"), "is missing", format!("add `LABEL {key}={value}`"))),
        }
    }
    for key in labels.keys().filter(|key| ours(key) && !annotations.contains_key(*key)) {
        findings.push(Finding::new(ANNOTATIONS, key.as_str(), "is missing, bundle.Dockerfile has it as a label", "make both say the same"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Package, only};
    use super::*;

    fn found(package: &Package) -> Finding {
        only(run(&package.bundle()).unwrap().errors)
    }

    /// What is found when an annotation, and the label with it, has another value.
    fn annotated(key: &str, value: &str) -> Finding {
        let mut package = Package::sound();
        package.annotations.insert(key.to_owned(), value.to_owned());
        package.labels.insert(key.to_owned(), value.to_owned());
        found(&package)
    }

    #[test]
    fn a_sound_package_passes() {
        let verdict = run(&Package::sound().bundle()).unwrap();
        assert_eq!(verdict.errors, []);
        assert!(verdict.log[0].ends_with("labels compared"), "{verdict:?}");
    }

    #[test]
    fn channels_outside_the_policy_are_found() {
        for channels in ["candidate-v0,alpha", "candidate-v0,stable-v7", "candidate-v0,stable", "candidate-v0,"] {
            let finding = annotated("operators.operatorframework.io.bundle.channels.v1", channels);
            assert!(finding.rule.contains("is no channel of"), "{channels}: {finding}");
        }
        let finding = annotated("operators.operatorframework.io.bundle.channel.default.v1", "stable");
        assert!(finding.rule.contains("`stable` is no channel"), "{finding}");
    }

    #[test]
    fn a_prerelease_is_a_candidate_only() {
        let mut package = Package::sound();
        package.csv()["spec"]["version"] = json!("0.9.0-rc.1");
        package.csv()["metadata"]["name"] = json!("starrocks-operator.v0.9.0-rc.1");
        let key = "operators.operatorframework.io.bundle.channels.v1".to_owned();
        package.annotations.insert(key.clone(), "candidate-v0,fast-v0".to_owned());
        package.labels.insert(key, "candidate-v0,fast-v0".to_owned());
        assert!(found(&package).rule.contains("is a pre-release and offered in fast-v0"));
    }

    #[test]
    fn a_name_or_an_edge_that_does_not_fit_is_found() {
        for (pointer, value, rule) in [
            ("/metadata/name", json!("starrocks-operator.v0.0.7"), "does not say"),
            ("/spec/version", json!("1.0"), "is no semantic version"),
        ] {
            let mut package = Package::sound();
            *package.csv().pointer_mut(pointer).unwrap() = value;
            assert!(found(&package).rule.contains(rule));
        }
        for (field, value, rule) in [
            ("replaces", json!("starrocks-operator.v99.0.0"), "is not older"),
            ("replaces", json!("starrocks.v0.0.1"), "is no release of"),
            ("skips", json!(["starrocks-operator.v0.0.1", "starrocks-operator.vx"]), "is no release of"),
        ] {
            let mut package = Package::sound();
            package.csv()["spec"][field] = value;
            assert!(found(&package).rule.contains(rule));
        }
        for (range, rule) in [(">=0.0.1 <9.0.0", "does not end below"), ("up to this", "is no range")] {
            let mut package = Package::sound();
            package.csv()["metadata"]["annotations"]["olm.skipRange"] = json!(range);
            assert!(found(&package).rule.contains(rule), "{range}");
        }
    }

    #[test]
    fn annotations_that_tools_need_and_labels_that_differ_are_found() {
        assert!(annotated(FIXED[0].0, "helm").way_out.contains("registry+v1"));
        let mut package = Package::sound();
        package.labels.insert(FIXED[3].0.to_owned(), "other".to_owned());
        assert!(found(&package).rule.contains("is `other`"));
        let mut package = Package::sound();
        package.labels.remove(FIXED[3].0);
        assert_eq!(found(&package).rule, "is missing");
        let mut package = Package::sound();
        package.labels.insert("com.redhat.openshift.versions".to_owned(), "v4.14".to_owned());
        assert_eq!(found(&package).file, ANNOTATIONS);
        let mut package = Package::sound();
        package.more.remove("tests/scorecard/config.yaml");
        assert!(found(&package).rule.contains("without config.yaml"));
    }
}
