//! Test `crd-upgrade`: every definition is a safe successor of the last release's, by the rules of OLM v1.

use anyhow::Context;
use serde_json::Value;

use super::bundle::{Bundle, text};
use super::differences::differences;
use super::released;
use super::verdict::{Finding, Verdict};

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let before = released::definitions().context("the definitions of the last release, which this program carries")?;
    Ok(judge(bundle, &before, released::VERSION))
}

fn judge(bundle: &Bundle, before: &[Value], version: &str) -> Verdict {
    let mut errors = Vec::new();
    for old in before {
        let name = text(old, "/metadata/name").unwrap_or_default();
        let Some((file, new)) = bundle.definition(name) else {
            let rule = format!("the definition {name} of {version} is gone");
            errors.push(Finding::new(
                "manifests/",
                name,
                rule,
                "keep it: OLM removes no definition that has objects, and they would be orphans",
            ));
            continue;
        };
        errors.extend(
            differences(old, new)
                .into_iter()
                .map(|found| Finding::new(file, found.field, format!("{} (since {version})", found.rule), found.way_out)),
        );
    }
    Verdict::of(format!("{} definitions held against {version}", before.len()), errors)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Package, only};
    use super::*;

    #[test]
    fn a_definition_that_is_gone_or_narrower_is_found_with_file_and_release() {
        let package = Package::sound();
        assert_eq!(judge(&package.bundle(), &package.definitions, "0.1.0").errors, []);
        let mut before = package.definitions.clone();
        let schema = &mut before[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        schema["former"] = json!({"type": "string"});
        let finding = only(judge(&package.bundle(), &before, "0.1.0").errors);
        assert_eq!(finding.file, "manifests/starrocks.com_starrocksclusters.yaml");
        assert_eq!(finding.rule, "the field is gone (since 0.1.0)");
        let mut without = package.clone();
        without.definitions.remove(0);
        assert!(only(judge(&without.bundle(), &package.definitions, "0.1.0").errors).rule.ends_with("of 0.1.0 is gone"));
    }

    #[test]
    fn what_the_code_generates_is_a_safe_successor_of_the_last_release() {
        assert_eq!(run(&Package::sound().bundle()).unwrap().errors, []);
    }
}
