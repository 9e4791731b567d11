//! Test `fields`: a console user meets no field of spec or status without a name and a description.

use serde_json::Value;

use super::bundle::{Bundle, Owned, text};
use super::verdict::{Finding, Verdict};

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let (file, _) = bundle.csv()?;
    let owned = bundle.owned()?;
    let mut errors = Vec::new();
    let mut count = 0;
    for (definition_file, definition) in bundle.of_kind("CustomResourceDefinition") {
        for version in definition["spec"]["versions"].as_array().into_iter().flatten() {
            let is_entry =
                |owned: &&Owned<'_>| owned.entry["name"] == definition["metadata"]["name"] && owned.entry["version"] == version["name"];
            let Some(entry) = owned.iter().find(is_entry) else {
                let what =
                    format!("{} {}", text(definition, "/metadata/name").unwrap_or_default(), text(version, "/name").unwrap_or_default());
                let rule = format!("{what} of {definition_file} is not owned");
                errors.push(Finding::new(file, "spec.customresourcedefinitions.owned", rule, "add an entry for each version of each kind"));
                continue;
            };
            let schema = version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
            for (list, part) in [("specDescriptors", "spec"), ("statusDescriptors", "status")] {
                count += judge(entry, list, &schema["properties"][part], &mut errors);
            }
        }
    }
    Ok(Verdict::of(format!("{count} fields"), errors))
}

fn judge(owned: &Owned<'_>, list: &str, schema: &Value, errors: &mut Vec<Finding>) -> usize {
    let fields: Vec<&String> = schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    let descriptors = owned.entry[list].as_array().map(Vec::as_slice).unwrap_or_default();
    for name in &fields {
        let place = format!("{}.{list}", owned.field);
        let Some(descriptor) = descriptors.iter().find(|descriptor| descriptor["path"] == name.as_str()) else {
            errors.push(Finding::new(owned.file, place, format!("`{name}` has no descriptor"), "add one whose path is the field's name"));
            continue;
        };
        for word in ["displayName", "description"] {
            if descriptor[word].as_str().is_none_or(|text| text.trim().is_empty()) {
                let rule = format!("the descriptor of `{name}` has no {word}");
                errors.push(Finding::new(owned.file, place.clone(), rule, "write it for somebody who meets the field in a form"));
            }
        }
    }
    fields.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Package, only};
    use super::*;

    #[test]
    fn a_sound_package_passes() {
        assert_eq!(run(&Package::sound().bundle()).unwrap().errors, []);
    }

    #[test]
    fn a_field_without_descriptor_name_or_description_is_found() {
        let mut package = Package::sound();
        let list = package.csv().pointer_mut("/spec/customresourcedefinitions/owned/0/statusDescriptors").unwrap().as_array_mut().unwrap();
        let gone = list.remove(0)["path"].as_str().unwrap().to_owned();
        assert_eq!(only(run(&package.bundle()).unwrap().errors).rule, format!("`{gone}` has no descriptor"));
        for word in ["displayName", "description"] {
            let mut package = Package::sound();
            package.csv()["spec"]["customresourcedefinitions"]["owned"][0]["specDescriptors"][1][word] = json!(" ");
            assert!(only(run(&package.bundle()).unwrap().errors).rule.ends_with(&format!("has no {word}")));
        }
    }

    #[test]
    fn a_definition_that_is_not_owned_is_found() {
        let mut package = Package::sound();
        package.csv()["spec"]["customresourcedefinitions"]["owned"].as_array_mut().unwrap().pop();
        assert!(only(run(&package.bundle()).unwrap().errors).rule.ends_with("is not owned"));
    }
}
