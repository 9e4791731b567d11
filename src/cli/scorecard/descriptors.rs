//! Test `descriptors`: everything that the console is told about fields is something that it knows, of a field that there is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bundle::{Bundle, Owned, text};
use super::path::{ancestors, resolve};
use super::verdict::{Finding, Verdict};

const PREFIX: &str = "urn:alm:descriptor:";

/// What the console knows of fields of a spec, without the prefix. Source: `descriptors/types.ts` of the OpenShift console.
const OF_SPECS: [&str; 15] = [
    "com.tectonic.ui:podCount",
    "com.tectonic.ui:resourceRequirements",
    "com.tectonic.ui:booleanSwitch",
    "com.tectonic.ui:checkbox",
    "com.tectonic.ui:text",
    "com.tectonic.ui:number",
    "com.tectonic.ui:password",
    "com.tectonic.ui:updateStrategy",
    "com.tectonic.ui:imagePullPolicy",
    "com.tectonic.ui:nodeAffinity",
    "com.tectonic.ui:podAffinity",
    "com.tectonic.ui:podAntiAffinity",
    "com.tectonic.ui:advanced",
    "com.tectonic.ui:endpointList",
    "com.tectonic.ui:hidden",
];

/// The same for fields of a status.
const OF_STATUSES: [&str; 9] = [
    "com.tectonic.ui:podStatuses",
    "com.tectonic.ui:podCount",
    "org.w3:link",
    "io.kubernetes.conditions",
    "text",
    "prometheusEndpoint",
    "io.kubernetes.phase",
    "io.kubernetes.phase:reason",
    "com.tectonic.ui:hidden",
];

/// Still read, and no longer shown: the console groups by the schema since OpenShift 4.5.
const DEPRECATED: [&str; 4] =
    ["com.tectonic.ui:label", "com.tectonic.ui:namespaceSelector", "com.tectonic.ui:fieldGroup:", "com.tectonic.ui:arrayFieldGroup:"];

/// Kinds whose names the console makes into links and lists, after `io.kubernetes:`.
const KINDS: [&str; 16] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
    "StorageClass",
];

/// What a field must be to be shown that way; the console shows nothing otherwise.
const SHAPES: [(&str, &str); 6] = [
    ("com.tectonic.ui:booleanSwitch", "boolean"),
    ("com.tectonic.ui:checkbox", "boolean"),
    ("com.tectonic.ui:podCount", "integer"),
    ("com.tectonic.ui:resourceRequirements", "object"),
    ("com.tectonic.ui:podStatuses", "object"),
    ("io.kubernetes.conditions", "array"),
];

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let mut errors = Vec::new();
    let mut count = 0;
    for owned in bundle.owned()? {
        let Some(schema) = owned.schema else {
            errors.push(Finding::new(
                owned.file,
                format!("{}.name", owned.field),
                "no CustomResourceDefinition in manifests/ has this name and version",
                "add the definition or take the entry out",
            ));
            continue;
        };
        for (list, part) in [("specDescriptors", "spec"), ("statusDescriptors", "status")] {
            count += judge_list(&owned, list, part, schema, &mut errors);
        }
    }
    Ok(Verdict::of(format!("{count} descriptors"), errors))
}

fn judge_list(owned: &Owned<'_>, list: &str, part: &str, schema: &Value, errors: &mut Vec<Finding>) -> usize {
    let descriptors = owned.entry[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let root = &schema["properties"][part];
    let paths: Vec<&str> = descriptors.iter().map(|descriptor| text(descriptor, "/path").unwrap_or_default()).collect();
    let mut seen = BTreeSet::new();
    for (index, (descriptor, path)) in descriptors.iter().zip(&paths).enumerate() {
        let field = format!("{}.{list}[{index}]", owned.field);
        let mut find = |what: &str, rule: String, way_out: &str| {
            errors.push(Finding::new(owned.file, format!("{field}.{what} ({path})"), rule, way_out));
        };
        if !seen.insert(*path) {
            find("path", "the path has a descriptor already".to_owned(), "keep one of the two");
        }
        let later = paths[index + 1..].iter().find(|later| ancestors(path).contains(later));
        if let Some(parent) = later {
            find("path", format!("its parent `{parent}` comes after it"), "put parents before children");
        }
        let shape = match resolve(root, path) {
            Ok(found) => found["type"].as_str(),
            Err(why) => {
                find("path", format!("{why} of {part}"), "write the path as in the definition, relative to spec or status");
                None
            }
        };
        for word in descriptor["x-descriptors"].as_array().into_iter().flatten() {
            if let Err((rule, way_out)) = judge_word(word.as_str().unwrap_or_default(), part == "spec", root, shape) {
                find("x-descriptors", rule, way_out);
            }
        }
    }
    descriptors.len()
}

fn judge_word(word: &str, of_spec: bool, root: &Value, shape: Option<&str>) -> Result<(), (String, &'static str)> {
    let Some(name) = word.strip_prefix(PREFIX) else {
        return Err((format!("`{word}` does not begin with {PREFIX}"), "the console passes over it: write it as in its reference"));
    };
    if DEPRECATED.iter().any(|deprecated| name.starts_with(deprecated)) {
        return Err((format!("`{word}` is deprecated"), "take it out: the console groups fields by the schema"));
    }
    let known = if of_spec { OF_SPECS.contains(&name) } else { OF_STATUSES.contains(&name) };
    if !known && !is_pattern(name, of_spec, root)? {
        let what = if of_spec { "spec" } else { "status" };
        return Err((format!("the console knows no `{word}` for a {what}"), "use one of its closed list: it passes over others"));
    }
    match (SHAPES.iter().find(|(shown, _)| *shown == name), shape) {
        (Some((_, wanted)), Some(shape)) if *wanted != shape => {
            Err((format!("`{word}` shows a field of type {wanted}, this is {shape}"), "use a descriptor that fits the type"))
        }
        _ => Ok(()),
    }
}

/// Descriptors that carry a value of their own.
fn is_pattern(name: &str, of_spec: bool, root: &Value) -> Result<bool, (String, &'static str)> {
    if let Some(kind) = name.strip_prefix("io.kubernetes:") {
        return Ok(KINDS.contains(&kind));
    }
    let Some(name) = name.strip_prefix("com.tectonic.ui:").filter(|_| of_spec) else { return Ok(false) };
    let (word, value) = name.split_once(':').unwrap_or((name, ""));
    let parts: Vec<&str> = value.split(':').collect();
    match word {
        "select" => Ok(!value.is_empty()),
        // Group, which may be empty for the core, version and kind.
        "selector" => Ok(parts.len() == 3 && !parts[1].is_empty() && !parts[2].is_empty()),
        "fieldDependency" => {
            let [control, wanted] = parts.as_slice() else { return Ok(false) };
            resolve(root, control).map_err(|why| (format!("the field that it depends on: {why}"), "name a field of the same spec"))?;
            Ok(!wanted.is_empty())
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Package, only};
    use super::*;

    const SPEC: &str = "/spec/customresourcedefinitions/owned/0/specDescriptors";
    const STATUS: &str = "/spec/customresourcedefinitions/owned/0/statusDescriptors";

    /// What is found after `descriptor` was added to a list.
    fn with(list: &str, descriptor: Value) -> Vec<Finding> {
        let mut package = Package::sound();
        package.csv().pointer_mut(list).unwrap().as_array_mut().unwrap().push(descriptor);
        run(&package.bundle()).unwrap().errors
    }

    #[test]
    fn a_sound_package_passes() {
        let verdict = run(&Package::sound().bundle()).unwrap();
        assert_eq!(verdict.errors, []);
        assert_ne!(verdict.log, ["0 descriptors"]);
    }

    #[test]
    fn words_that_the_console_does_not_know_are_found() {
        for (path, word, rule) in [
            ("starRocksFeSpec.image", "urn:alm:descriptor:io.kubernetes:text", "knows no"),
            ("starRocksFeSpec.image", "urn:alm:descriptor:io.kubernetes:Clusters", "knows no"),
            ("starRocksFeSpec.image", "com.tectonic.ui:text", "does not begin with"),
            ("starRocksFeSpec.image", "urn:alm:descriptor:com.tectonic.ui:fieldGroup:fe", "is deprecated"),
            ("starRocksFeSpec.image", "urn:alm:descriptor:com.tectonic.ui:podCount", "shows a field of type integer, this is string"),
            ("starRocksFeSpec.image", "urn:alm:descriptor:com.tectonic.ui:fieldDependency:nothing:true", "the schema has no `nothing`"),
            ("starRocksFeSpec.image", "urn:alm:descriptor:com.tectonic.ui:select", "knows no"),
            ("starRocksFeSpec.image", "urn:alm:descriptor:text", "for a spec"),
        ] {
            let finding = only(with(SPEC, json!({"path": path, "displayName": "x", "x-descriptors": [word]})));
            assert!(finding.rule.contains(rule), "{word}: {finding}");
        }
        for fine in ["com.tectonic.ui:text", "io.kubernetes:Secret", "com.tectonic.ui:select:a", "com.tectonic.ui:selector::v1:Pod"] {
            assert_eq!(with(SPEC, json!({"path": "starRocksFeSpec.image", "x-descriptors": [format!("{PREFIX}{fine}")]})), [], "{fine}");
        }
        let status = json!({"path": "leader", "x-descriptors": ["urn:alm:descriptor:com.tectonic.ui:text"]});
        assert!(with(STATUS, status).iter().any(|finding| finding.rule.contains("for a status")));
    }

    #[test]
    fn paths_that_lead_nowhere_repeat_or_precede_their_parent_are_found() {
        let finding = only(with(SPEC, json!({"path": "starRocksFeSpec.replica"})));
        assert!(finding.rule.contains("no `replica` at `starRocksFeSpec`"), "{finding}");
        assert!(finding.file.ends_with("clusterserviceversion.yaml") && finding.field.contains("owned[0].specDescriptors["), "{finding}");
        assert!(only(with(SPEC, json!({"path": "version"}))).rule.contains("already"));
        let mut package = Package::sound();
        package.csv().pointer_mut(SPEC).unwrap().as_array_mut().unwrap().insert(0, json!({"path": "starRocksFeSpec.replicas"}));
        assert!(only(run(&package.bundle()).unwrap().errors).rule.contains("`starRocksFeSpec` comes after it"));
    }

    #[test]
    fn a_kind_without_a_definition_is_found() {
        let mut package = Package::sound();
        package.csv()["spec"]["customresourcedefinitions"]["owned"][0]["version"] = json!("v9");
        assert!(only(run(&package.bundle()).unwrap().errors).rule.contains("no CustomResourceDefinition"));
    }
}
