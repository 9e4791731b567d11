//! Promises of the CRDs: what upstream admits is admitted, what the schema admits parses, and nothing is lost on the way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// Fields of upstream's two kinds, and how many they are.
const CLUSTER: (&str, usize) = (include_str!("../../../tests/data/starrockscluster-v1.11.5.fields.tsv"), 2554);
const WAREHOUSE: (&str, usize) = (include_str!("../../../tests/data/starrockswarehouse-v1.11.5.fields.tsv"), 830);
const CLIENT_SIDE_APPLY_LIMIT: usize = 262_144;

fn root() -> JSONSchemaProps {
    schema_of(starrocks_clusters())
}

fn schema_of(mut crd: CustomResourceDefinition) -> JSONSchemaProps {
    crd.spec.versions.remove(0).schema.unwrap().open_api_v3_schema.unwrap()
}

/// Both kinds with what upstream says about them.
fn kinds() -> [(JSONSchemaProps, (&'static str, usize)); 2] {
    [(root(), CLUSTER), (schema_of(starrocks_warehouses()), WAREHOUSE)]
}

/// Every field of a schema by its path, in the notation of the field table; with whether its parent requires it.
fn fields(schema: &JSONSchemaProps) -> BTreeMap<String, (JSONSchemaProps, bool)> {
    fn collect(path: &str, schema: &JSONSchemaProps, into: &mut BTreeMap<String, (JSONSchemaProps, bool)>) {
        for (name, property) in schema.properties.iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let required = schema.required.iter().flatten().any(|field| field == name);
            into.insert(path.clone(), (property.clone(), required));
            collect(&path, property, into);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            let path = format!("{path}[]");
            into.insert(path.clone(), ((**items).clone(), false));
            collect(&path, items, into);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
            let path = format!("{path}{{}}");
            into.insert(path.clone(), ((**values).clone(), false));
            collect(&path, values, into);
        }
    }
    let mut into = BTreeMap::new();
    collect("", schema, &mut into);
    into
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return "int-or-string".to_owned();
    }
    let name = schema.type_.clone().unwrap_or_default();
    schema.format.as_ref().map_or_else(|| name.clone(), |format| format!("{name}:{format}"))
}

#[derive(Debug, Default, PartialEq)]
struct Constraints {
    required: bool,
    values: BTreeMap<String, Value>,
}

fn constraints_of(column: &str) -> Constraints {
    let mut constraints = Constraints::default();
    let mut rest = column.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("required") {
            constraints.required = true;
            rest = after.trim_start();
            continue;
        }
        let (key, text) = rest.split_once('=').unwrap();
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        constraints.values.insert(key.to_owned(), values.next().unwrap().unwrap());
        rest = text[values.byte_offset()..].trim_start();
    }
    constraints
}

fn upstream(table: &str) -> BTreeMap<String, (String, Constraints)> {
    table
        .lines()
        .map(|line| {
            let mut columns = line.split('\t');
            let path = columns.next().unwrap().to_owned();
            let kind = columns.next().unwrap().to_owned();
            (path, (kind, constraints_of(columns.next().unwrap_or_default())))
        })
        .collect()
}

fn our_constraints(schema: &JSONSchemaProps, required: bool) -> Constraints {
    let mut values = BTreeMap::new();
    let mut put = |key: &str, value: Option<Value>| value.map(|value| values.insert(key.to_owned(), value));
    put("default", schema.default.clone().map(|default| default.0));
    put("pattern", schema.pattern.clone().map(Value::from));
    put("minimum", schema.minimum.map(|minimum| json!(minimum as i64)));
    put("map-type", schema.x_kubernetes_map_type.clone().map(Value::from));
    put("list-type", schema.x_kubernetes_list_type.clone().map(Value::from));
    put("list-map-keys", schema.x_kubernetes_list_map_keys.clone().map(Value::from));
    put("enum", schema.enum_.as_ref().map(|words| Value::Array(words.iter().map(|word| word.0.clone()).collect())));
    put("maximum", schema.maximum.map(Value::from));
    put("maxLength", schema.max_length.map(Value::from));
    put("minLength", schema.min_length.map(Value::from));
    put("maxItems", schema.max_items.map(Value::from));
    put("minItems", schema.min_items.map(Value::from));
    put("cel", schema.x_kubernetes_validations.as_ref().map(|rules| json!(rules.len())));
    Constraints { required, values }
}

#[test]
fn every_upstream_field_is_there_with_its_type_and_exactly_its_constraints() {
    for (root, (table, count)) in kinds() {
        let ours = fields(&root);
        let theirs = upstream(table);
        assert_eq!(theirs.len(), count);
        let mut faults = Vec::new();
        for (path, (kind, constraints)) in &theirs {
            let Some((schema, required)) = ours.get(path) else {
                faults.push(format!("{path} is missing"));
                continue;
            };
            if &type_of(schema) != kind {
                faults.push(format!("{path} is {} and should be {kind}", type_of(schema)));
            }
            let mut mine = our_constraints(schema, *required);
            // Our rule about `version` and `channel`, of which upstream has neither, can stand nowhere else.
            if path == "spec" {
                mine.values.remove("cel");
            }
            // Kubernetes 1.33 may have dropped a requirement that 0.26 had; never the other way.
            mine.required |= constraints.required;
            if &mine != constraints {
                faults.push(format!("{path} has {mine:?} and should have {constraints:?}"));
            }
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

#[test]
fn no_added_field_is_required_of_an_object_that_upstream_admits() {
    let parent = |path: &str| path.rsplit_once('.').map(|(parent, _)| parent.to_owned()).unwrap_or_default();
    for (root, (table, _)) in kinds() {
        let theirs = upstream(table);
        let tightened: Vec<_> = fields(&root)
            .into_iter()
            .filter(|(path, (_, required))| {
                *required && !theirs.get(path).is_some_and(|(_, upstream)| upstream.required) && theirs.contains_key(&parent(path))
            })
            .map(|(path, _)| path)
            .collect();
        assert_eq!(tightened, Vec::<String>::new());
        assert_eq!(root.required, None);
    }
}

#[test]
fn the_crd_fits_into_the_annotation_of_client_side_apply_with_a_quarter_to_spare() {
    for crd in all() {
        let size = serde_json::to_string(&crd).unwrap().len();
        assert!(size < CLIENT_SIDE_APPLY_LIMIT * 3 / 4, "the CRD has {size} bytes");
    }
}

#[test]
fn the_crd_has_the_identity_scale_paths_and_columns_that_upstream_has() {
    let crd = serde_json::to_value(starrocks_clusters()).unwrap();
    assert_eq!(crd["metadata"]["name"], "starrocksclusters.starrocks.com");
    assert_eq!(
        crd["spec"]["names"],
        json!({"kind": "StarRocksCluster", "plural": "starrocksclusters", "singular": "starrockscluster", "shortNames": ["src"]})
    );
    assert_eq!(crd["spec"]["scope"], "Namespaced");
    let version = &crd["spec"]["versions"][0];
    assert_eq!((&version["name"], &version["served"], &version["storage"]), (&json!("v1"), &json!(true), &json!(true)));
    assert_eq!(
        version["subresources"],
        json!({"status": {}, "scale": {
            "specReplicasPath": ".spec.starRocksCnSpec.replicas",
            "statusReplicasPath": ".status.starRocksCnStatus.replicas",
            "labelSelectorPath": ".status.starRocksCnStatus.selector",
        }})
    );
    let columns: Vec<_> = version["additionalPrinterColumns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["Phase", "FeStatus", "BeStatus", "CnStatus", "FeProxyStatus"]);
}

#[test]
fn warehouses_have_the_identity_scale_paths_and_columns_that_upstream_has() {
    let crd = serde_json::to_value(starrocks_warehouses()).unwrap();
    assert_eq!(crd["metadata"]["name"], "starrockswarehouses.starrocks.com");
    assert_eq!(
        crd["spec"]["names"],
        json!({"kind": "StarRocksWarehouse", "plural": "starrockswarehouses", "singular": "starrockswarehouse", "shortNames": ["warehouses"]})
    );
    let version = &crd["spec"]["versions"][0];
    assert_eq!(
        version["subresources"],
        json!({"status": {}, "scale": {
            "specReplicasPath": ".spec.template.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }})
    );
    let columns: Vec<_> =
        version["additionalPrinterColumns"].as_array().unwrap().iter().map(|c| (c["name"].clone(), c["jsonPath"].clone())).collect();
    assert_eq!(columns, [(json!("status"), json!(".status.phase")), (json!("reason"), json!(".status.reason"))]);
}

#[test]
fn the_schema_is_structural() {
    fn check(path: &str, schema: &JSONSchemaProps, faults: &mut Vec<String>) {
        let int_or_string = schema.x_kubernetes_int_or_string == Some(true);
        let mut fault = |what: &str| faults.push(format!("{path}: {what}"));
        if schema.type_.is_none() != int_or_string {
            fault("has no type");
        }
        if schema.ref_path.is_some() || schema.definitions.is_some() {
            fault("has a reference");
        }
        if schema.nullable.is_some() || schema.unique_items.is_some() || schema.x_kubernetes_preserve_unknown_fields.is_some() {
            fault("has nullable, uniqueItems or preserve-unknown-fields");
        }
        if schema.all_of.is_some() || schema.one_of.is_some() || schema.not.is_some() || (schema.any_of.is_some() && !int_or_string) {
            fault("has a combinator");
        }
        if schema.properties.is_some() && schema.additional_properties.is_some() {
            fault("has both properties and additionalProperties");
        }
        if schema.format.as_deref().is_some_and(|format| !["int32", "int64", "date-time"].contains(&format)) {
            fault("has a format that Kubernetes does not know");
        }
        if schema.type_.as_deref() == Some("array") && !matches!(schema.items, Some(JSONSchemaPropsOrArray::Schema(_))) {
            fault("is a list without one item schema");
        }
        if let (Some(keys), Some(JSONSchemaPropsOrArray::Schema(items))) = (&schema.x_kubernetes_list_map_keys, &schema.items) {
            for key in keys {
                let required = items.required.iter().flatten().any(|field| field == key);
                let defaulted = items.properties.as_ref().and_then(|all| all.get(key)).is_some_and(|field| field.default.is_some());
                if !required && !defaulted {
                    fault("has a list key that is neither required nor defaulted");
                }
            }
        }
    }
    let mut faults = Vec::new();
    for (root, _) in kinds() {
        check("the root", &root, &mut faults);
        for (path, (schema, _)) in fields(&root) {
            check(&path, &schema, &mut faults);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn our_fields_are_described_and_embedded_kubernetes_types_are_not() {
    let ours = fields(&root());
    let warehouses = fields(&schema_of(starrocks_warehouses()));
    let is_item = |path: &str| path.ends_with("[]") || path.ends_with("{}");
    let embedded = |path: &str| {
        let mut names: Vec<_> = path.split('.').map(|name| name.trim_end_matches("[]").trim_end_matches("{}")).collect();
        let last_is_item = is_item(path);
        let last = names.pop().unwrap_or_default();
        let above = names.iter().fold(Origin::Ours, |origin, name| origin_below(name, origin));
        above == Origin::Kubernetes || (last_is_item && origin_below(last, above) == Origin::Kubernetes)
    };
    let wrong: Vec<_> = ours
        .iter()
        .chain(&warehouses)
        .filter(|(path, (schema, _))| schema.description.is_some() != (!embedded(path) && !is_item(path)))
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(root().description.unwrap().starts_with("StarRocksCluster is a StarRocks database"));
    let timeout = ours["spec.upgradePolicy.nodeTimeoutSeconds"].0.description.clone().unwrap();
    assert!(timeout.contains("Default 600") && timeout.contains("900 seconds") && !timeout.contains('\n'), "{timeout}");
    let consents = ours["spec.upgradePolicy.consents"].0.description.clone().unwrap();
    for word in crate::api::Consent::KNOWN {
        assert!(consents.contains(&format!("\n\n{word}: ")), "{word} is not described");
    }
}

/// A resource in which every field is set once; int-or-string values are `number` in the first and its digits in the second.
fn full(schema: &JSONSchemaProps, number: &Value) -> (Value, Value) {
    if schema.x_kubernetes_int_or_string == Some(true) {
        let digits = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
        return (number.clone(), Value::String(digits));
    }
    let both = |value: Value| (value.clone(), value);
    match (schema.type_.as_deref(), &schema.items, &schema.additional_properties) {
        (Some("array"), Some(JSONSchemaPropsOrArray::Schema(items)), _) => {
            let (given, expected) = full(items, number);
            (json!([given]), json!([expected]))
        }
        (Some("object"), _, Some(JSONSchemaPropsOrBool::Schema(values))) => {
            let (given, expected) = full(values, number);
            (json!({"key": given}), json!({"key": expected}))
        }
        (Some("object"), ..) => {
            let (mut given, mut expected) = (serde_json::Map::new(), serde_json::Map::new());
            for (name, property) in schema.properties.iter().flatten() {
                let (left, right) = full(property, number);
                given.insert(name.clone(), left);
                expected.insert(name.clone(), right);
            }
            (Value::Object(given), Value::Object(expected))
        }
        (Some("boolean"), ..) => both(json!(true)),
        (Some("integer"), ..) => both(json!(7)),
        _ if schema.format.as_deref() == Some("date-time") => both(json!("2026-11-23T00:00:00Z")),
        _ => both(schema.enum_.as_ref().and_then(|words| words.first()).map_or_else(|| json!("word"), |word| word.0.clone())),
    }
}

fn parsed(resource: &Value) -> Result<StarRocksCluster, serde_json::Error> {
    serde_json::from_value(resource.clone())
}

/// A resource of one of the two kinds as it is written again after it was read.
fn back(resource: &Value, is_warehouse: bool) -> Result<Value, serde_json::Error> {
    if is_warehouse {
        serde_json::to_value(serde_json::from_value::<StarRocksWarehouse>(resource.clone())?)
    } else {
        serde_json::to_value(parsed(resource)?)
    }
}

#[test]
fn every_field_of_the_schema_survives_a_round_trip_whatever_an_int_or_string_holds() {
    for number in [json!("8"), json!(5_000_000_000_i64), json!(-1_i64 << 40)] {
        for (root, (_, count)) in kinds() {
            let (given, expected) = full(&root, &number);
            let back = back(&given, count == WAREHOUSE.1).unwrap();
            for part in ["spec", "status"] {
                assert_eq!(back[part], expected[part], "{part} with {number}");
            }
        }
    }
    let (given, _) = full(&root(), &json!(8));
    parsed(&given).unwrap();
}

#[test]
fn an_explicit_null_is_read_as_not_given_at_every_field() {
    fn nulls(schema: &JSONSchemaProps, wrap: &dyn Fn(Value) -> Value, warehouse: bool, depth: usize) {
        if depth > 9 {
            return;
        }
        for (name, property) in schema.properties.iter().flatten() {
            let wrapped = |value: Value| wrap(json!({ name.as_str(): value }));
            if depth > 0 {
                let resource = wrapped(Value::Null);
                let read = back(&resource, warehouse);
                assert!(read.is_ok(), "{resource}: {}", read.unwrap_err());
            }
            nulls(property, &wrapped, warehouse, depth + 1);
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &property.items {
                nulls(items, &|value| wrapped(json!([value])), warehouse, depth + 1);
            }
        }
    }
    for (root, (_, count)) in kinds() {
        nulls(&root, &|value| value, count == WAREHOUSE.1, 0);
    }
}

#[test]
fn the_yaml_text_is_the_definition_again_when_it_is_read() {
    let text = crds_yaml().unwrap();
    assert!(text.starts_with("---\n"));
    let read = crate::yaml::documents(&text).unwrap().into_iter().map(|document| serde_json::from_value(document).unwrap());
    assert_eq!(read.collect::<Vec<CustomResourceDefinition>>(), all());
}
