//! A definition and an object of its kind in, everything that the API would refuse at its creation out; stores nothing.

use serde_json::Value;

use super::decode::{self, Reader};
use super::error::ApiError;
use super::{definition, schema_check};

/// Everything that is wrong with an object: fields that the schema does not know, wrong shapes and values, rules of CEL that do not hold. One line each,
/// in the API's words, with the path in front. Its status is judged too.
///
/// # Errors
/// When the definition describes no kind, in the words of the API.
pub fn refusals(definition: &Value, object: &Value) -> Result<Vec<String>, ApiError> {
    let resource = definition::resource(definition)?;
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let served = resource.versions.iter().find(|version| version.served && resource.api_version(&version.name) == api_version);
    let Some(version) = served else {
        return Ok(vec![format!("apiVersion: {api_version:?} is not served for the kind {}", resource.kind)]);
    };
    let mut object = object.clone();
    let findings = decode::decode(&mut object, &version.schema, Reader::Custom);
    decode::fill_defaults(&mut object, &version.schema);
    let unknown = findings.unknown.iter().map(|path| format!("{path}: unknown field"));
    let mut refusals: Vec<String> = findings.unreadable.into_iter().chain(unknown).collect();
    let faults = schema_check::faults(&object, None, &version.schema);
    refusals.extend(faults.into_iter().map(|fault| format!("{}: {}", fault.path, fault.body)));
    Ok(refusals)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn toy() -> Value {
        json!({"metadata": {"name": "toys.play.example"}, "spec": {"group": "play.example", "scope": "Namespaced",
            "names": {"kind": "Toy", "plural": "toys"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}, "color": {"type": "string"}},
                    "x-kubernetes-validations": [{"rule": "self.size < 9", "message": "too big"}]}}}}}]}})
    }

    fn refused(spec: Value) -> Vec<String> {
        refusals(&toy(), &json!({"apiVersion": "play.example/v1", "kind": "Toy", "metadata": {"name": "t"}, "spec": spec})).unwrap()
    }

    #[test]
    fn an_object_is_judged_by_schema_and_rules() {
        assert_eq!(refused(json!({"size": 3})), Vec::<String>::new());
        for (spec, words) in [
            (json!({"size": 3, "weight": 1}), "spec.weight: unknown field"),
            (json!({"size": 0}), "spec.size: Invalid value: 0"),
            (json!({"size": "3"}), "spec.size: Invalid value"),
            (json!({"size": 9}), "too big"),
        ] {
            let found = refused(spec);
            assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
        }
        let other = refusals(&toy(), &json!({"apiVersion": "play.example/v2", "kind": "Toy"})).unwrap();
        assert!(other[0].contains("is not served"), "{other:?}");
        assert!(refusals(&json!({}), &json!({})).is_err());
    }
}
