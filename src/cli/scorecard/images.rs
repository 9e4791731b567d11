//! Test `images`: every image that the package can start is known by digest, or the package does not claim to work without a registry.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bundle::{Bundle, text};
use super::samples::Samples;
use super::verdict::{Finding, Verdict};
use crate::release::Image;

const CLAIM: &str = "features.operators.openshift.io/disconnected";
const RELATED: &str = "spec.relatedImages";

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let (file, csv) = bundle.csv()?;
    let claimed = csv["metadata"]["annotations"][CLAIM] == "true";
    let mut references = of_the_package(csv);
    for (name, images) in Samples::of(bundle)?.images() {
        references.extend(images.into_iter().map(|image| (image, format!("sample {name}"))));
    }
    let mut verdict = Verdict::default();
    let related = judge_related(file, csv, &mut verdict.errors);
    for (image, place) in &references {
        if claimed && !is_pinned(image) {
            let rule = format!("`{image}` of {place} is not by digest");
            verdict.errors.push(Finding::new(file, RELATED, rule, format!("add its digest, or say \"false\" at {CLAIM}")));
        }
        // An image whose digest nobody knows is left out; whatever is pinned is told.
        if !related.contains_key(image) && (is_pinned(image) || claimed) {
            let rule = format!("`{image}` of {place} is missing");
            verdict.errors.push(Finding::new(file, RELATED, rule, "list every image that the operator can start"));
        }
    }
    let used: BTreeSet<&String> = references.iter().map(|(image, _)| image).collect();
    let unpinned = used.iter().filter(|image| !is_pinned(image)).count();
    if unpinned > 0 && !claimed {
        let rule = format!("{unpinned} images are not by digest");
        let way_out = format!("`make images-lock` asks for digests; \"true\" at {CLAIM} needs all of them");
        verdict.suggestions.push(Finding::new(file, RELATED, rule, way_out));
    }
    for (image, name) in related.iter().filter(|(image, _)| !used.contains(image)) {
        let rule = format!("`{image}` ({name}) is used nowhere");
        verdict.errors.push(Finding::new(file, RELATED, rule, "take it out, or name it in a RELATED_IMAGE_ variable of the operator"));
    }
    judge_container_image(file, csv, &mut verdict.errors);
    let pinned = used.iter().filter(|image| is_pinned(image)).count();
    verdict.log.push(format!("{} images, {pinned} by digest; works without a registry: {claimed}", used.len()));
    Ok(verdict)
}

/// Images of the operator's pods and of its variables, each with its place.
fn of_the_package(csv: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (index, deployment) in csv["spec"]["install"]["spec"]["deployments"].as_array().into_iter().flatten().enumerate() {
        let pod = &deployment["spec"]["template"]["spec"];
        for container in ["initContainers", "containers"].iter().flat_map(|list| pod[list].as_array().into_iter().flatten()) {
            let name = text(container, "/name").unwrap_or_default();
            let place = format!("deployments[{index}], container {name}");
            found.extend(text(container, "/image").map(|image| (image.to_owned(), place.clone())));
            for variable in container["env"].as_array().into_iter().flatten() {
                let name = text(variable, "/name").unwrap_or_default();
                let value = text(variable, "/value").filter(|value| !value.is_empty());
                if let (true, Some(image)) = (name.starts_with("RELATED_IMAGE_"), value) {
                    found.push((image.to_owned(), format!("{place}, {name}")));
                }
            }
        }
    }
    found
}

/// The related images with their names.
fn judge_related(file: &str, csv: &Value, errors: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut related = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (index, entry) in csv["spec"]["relatedImages"].as_array().into_iter().flatten().enumerate() {
        let field = format!("{RELATED}[{index}]");
        let (name, image) = (text(entry, "/name").unwrap_or_default(), text(entry, "/image").unwrap_or_default());
        let is_kebab = !name.is_empty()
            && name.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"-.".contains(&letter));
        if !is_kebab {
            errors.push(Finding::new(file, format!("{field}.name"), format!("`{name}` is no name"), "use lower case, digits and dashes"));
        }
        if !names.insert(name) {
            errors.push(Finding::new(file, format!("{field}.name"), format!("`{name}` is there twice"), "give each image its own name"));
        }
        if image.is_empty() || image.contains(char::is_whitespace) {
            errors.push(Finding::new(file, format!("{field}.image"), format!("`{image}` is no image"), "write REPOSITORY@sha256:DIGEST"));
        }
        if let Some(other) = related.insert(image.to_owned(), name.to_owned()) {
            let rule = format!("`{image}` is there already, as {other}");
            errors.push(Finding::new(file, format!("{field}.image"), rule, "keep one of the two"));
        }
    }
    related
}

fn judge_container_image(file: &str, csv: &Value, errors: &mut Vec<Finding>) {
    let shown = text(csv, "/metadata/annotations/containerImage").unwrap_or_default();
    let manager = text(csv, "/spec/install/spec/deployments/0/spec/template/spec/containers/0/image").unwrap_or_default();
    if shown != manager {
        let rule = format!("is `{shown}`, the operator runs `{manager}`");
        errors.push(Finding::new(file, "metadata.annotations.containerImage", rule, "make both the same"));
    }
}

/// Whether a reference is pinned by a digest that can be one.
fn is_pinned(image: &str) -> bool {
    let digest = Image::parse(image).digest;
    let hex = digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:")).unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|letter| letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{OPERATOR_IMAGE, Package, only};
    use super::*;

    /// The sound package with a variable of the operator.
    fn with_variable(name: &str, image: &str) -> Package {
        let mut package = Package::sound();
        package.container()["env"].as_array_mut().unwrap().push(json!({"name": name, "value": image}));
        package
    }

    fn pinned(letter: &str) -> String {
        format!("registry.example/fe@sha256:{}", letter.repeat(64))
    }

    #[test]
    fn a_sound_package_passes_and_says_what_is_not_by_digest() {
        let verdict = run(&Package::sound().bundle()).unwrap();
        assert_eq!(verdict.errors, []);
        assert!(verdict.suggestions.iter().any(|found| found.rule.contains("not by digest")), "{verdict:?}");
    }

    #[test]
    fn an_image_that_is_not_told_is_found() {
        let finding = only(run(&with_variable("RELATED_IMAGE_FE", &pinned("b")).bundle()).unwrap().errors);
        assert!(finding.rule.ends_with("is missing") && finding.rule.contains("RELATED_IMAGE_FE"), "{finding}");
        assert_eq!(run(&with_variable("OTHER", &pinned("b")).bundle()).unwrap().errors, []);
    }

    #[test]
    fn an_image_that_is_told_and_not_used_is_found() {
        let mut package = Package::sound();
        package.csv()["spec"]["relatedImages"].as_array_mut().unwrap().push(json!({"name": "fe", "image": pinned("b")}));
        assert!(only(run(&package.bundle()).unwrap().errors).rule.ends_with("is used nowhere"));
    }

    #[test]
    fn a_claim_that_is_not_true_is_found() {
        let mut package = Package::sound();
        package.csv()["metadata"]["annotations"][CLAIM] = json!("true");
        let errors = run(&package.bundle()).unwrap().errors;
        assert!(errors.iter().any(|found| found.rule.contains("of sample") && found.rule.contains("is not by digest")), "{errors:?}");
    }

    #[test]
    fn a_digest_must_be_able_to_be_one() {
        for image in ["a/b:1", "a/b@sha256:abc", &format!("a/b@sha256:{}", "g".repeat(64)), "a/b@md5:00"] {
            assert!(!is_pinned(image), "{image}");
        }
        assert!(is_pinned(OPERATOR_IMAGE));
    }

    #[test]
    fn names_that_repeat_or_are_none_and_another_image_of_the_tile_are_found() {
        let mut package = with_variable("RELATED_IMAGE_FE", &pinned("b"));
        let list = package.csv()["spec"]["relatedImages"].as_array_mut().unwrap();
        list.push(json!({"name": list[0]["name"], "image": pinned("b")}));
        assert!(only(run(&package.bundle()).unwrap().errors).rule.ends_with("is there twice"));
        let mut package = with_variable("RELATED_IMAGE_FE", &pinned("b"));
        package.csv()["spec"]["relatedImages"].as_array_mut().unwrap().push(json!({"name": "The FE", "image": pinned("b")}));
        assert!(only(run(&package.bundle()).unwrap().errors).rule.ends_with("is no name"));
        let mut package = Package::sound();
        package.csv()["metadata"]["annotations"]["containerImage"] = json!("a/b:1");
        assert!(only(run(&package.bundle()).unwrap().errors).rule.contains("the operator runs"));
    }
}
