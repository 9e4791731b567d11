//! The structure of a kind's objects: OpenAPI v3 text in, a tree that pruning, defaulting, validation and merging walk; judges nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::core::cel::{CompiledSchema, compile_schema};
use regex::Regex;
use serde_json::Value;

/// JSON type of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Anything goes.
    #[default]
    Any,
    /// An object.
    Object,
    /// A list.
    Array,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A whole number or text.
    IntOrString,
    /// A Kubernetes quantity: text or a number.
    Quantity,
}

/// How a list is merged and what makes its items distinct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// Replaced as a whole.
    #[default]
    Atomic,
    /// Scalars without repetition.
    Set,
    /// Items told apart by these keys.
    Map(Vec<String>),
}

/// A regular expression with its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// Compiled; `None` when Rust's dialect cannot read it, and then it is not enforced.
    pub regex: Option<Regex>,
}

/// Limits on values, as OpenAPI writes them.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Least number.
    pub minimum: Option<f64>,
    /// Whether the least number is itself excluded.
    pub exclusive_minimum: bool,
    /// Greatest number.
    pub maximum: Option<f64>,
    /// Whether the greatest number is itself excluded.
    pub exclusive_maximum: bool,
    /// The number divides by this.
    pub multiple_of: Option<f64>,
    /// Shortest text.
    pub min_length: Option<u64>,
    /// Longest text.
    pub max_length: Option<u64>,
    /// Fewest items.
    pub min_items: Option<u64>,
    /// Most items.
    pub max_items: Option<u64>,
    /// Fewest properties.
    pub min_properties: Option<u64>,
    /// Most properties.
    pub max_properties: Option<u64>,
}

/// Schemas that a value must also satisfy; they never add structure.
#[derive(Clone, Debug, Default)]
pub struct Junctions {
    /// Every one.
    pub all_of: Vec<Schema>,
    /// At least one.
    pub any_of: Vec<Schema>,
    /// Exactly one.
    pub one_of: Vec<Schema>,
    /// Not this one.
    pub not: Option<Box<Schema>>,
}

/// One node of a kind's structure.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Definition name of a built-in type, such as `io.k8s.api.core.v1.Container`.
    pub type_name: Option<Arc<str>>,
    /// JSON type.
    pub shape: Shape,
    /// Named fields of an object.
    pub properties: BTreeMap<String, Arc<Schema>>,
    /// Schema of values under free keys.
    pub additional: Option<Arc<Schema>>,
    /// Schema of a list's items.
    pub items: Option<Arc<Schema>>,
    /// How a list merges.
    pub list: ListKind,
    /// Whether an object is replaced as a whole.
    pub atomic: bool,
    /// Whether unknown fields are kept.
    pub preserve_unknown: bool,
    /// Whether the object is a whole Kubernetes object.
    pub embedded: bool,
    /// Whether null is a value.
    pub nullable: bool,
    /// Fields that must be there.
    pub required: Vec<String>,
    /// Allowed values; empty means any.
    pub allowed: Vec<Value>,
    /// Text pattern.
    pub pattern: Option<Pattern>,
    /// `int32`, `date-time`, …
    pub format: Option<String>,
    /// Value that is filled in.
    pub default: Option<Value>,
    /// Numeric and length limits.
    pub limits: Limits,
    /// Further conditions.
    pub junctions: Junctions,
    /// CEL rules of the whole tree, on the root only.
    pub rules: Option<Arc<CompiledSchema>>,
}

impl Schema {
    /// The schema of the value under `key`, declared or free.
    pub fn field(&self, key: &str) -> Option<&Arc<Schema>> {
        self.properties.get(key).or(self.additional.as_ref())
    }

    /// Whether nothing is known about what is inside, so that everything is allowed.
    pub fn is_open(&self) -> bool {
        self.shape == Shape::Any || (self.preserve_unknown && self.properties.is_empty() && self.additional.is_none())
    }

    /// Reads a structural schema as CustomResourceDefinitions write it.
    pub fn from_open_api(source: &Value) -> Self {
        let number = |key: &str| source.get(key).and_then(Value::as_f64);
        let count = |key: &str| source.get(key).and_then(Value::as_u64);
        let flag = |key: &str| source.get(key).and_then(Value::as_bool).unwrap_or(false);
        Self {
            type_name: None,
            shape: shape_of(source),
            properties: properties_of(source),
            additional: source.get("additionalProperties").and_then(additional_of),
            items: source.get("items").map(|items| Arc::new(Self::from_open_api(items))),
            list: list_of(source),
            atomic: source.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            nullable: flag("nullable"),
            required: texts(source.get("required")),
            allowed: source.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
            pattern: source
                .get("pattern")
                .and_then(Value::as_str)
                .map(|text| Pattern { text: text.to_string(), regex: Regex::new(text).ok() }),
            format: source.get("format").and_then(Value::as_str).map(str::to_string),
            default: source.get("default").cloned(),
            limits: Limits {
                minimum: number("minimum"),
                exclusive_minimum: flag("exclusiveMinimum"),
                maximum: number("maximum"),
                exclusive_maximum: flag("exclusiveMaximum"),
                multiple_of: number("multipleOf"),
                min_length: count("minLength"),
                max_length: count("maxLength"),
                min_items: count("minItems"),
                max_items: count("maxItems"),
                min_properties: count("minProperties"),
                max_properties: count("maxProperties"),
            },
            junctions: Junctions {
                all_of: schemas(source.get("allOf")),
                any_of: schemas(source.get("anyOf")),
                one_of: schemas(source.get("oneOf")),
                not: source.get("not").map(|not| Box::new(Self::from_open_api(not))),
            },
            rules: None,
        }
    }

    /// Reads the schema of a whole custom resource; `metadata` is the structure of `ObjectMeta`, whatever the definition says.
    pub fn for_custom_resource(source: &Value, metadata: &Arc<Schema>) -> Self {
        let mut root = Self::from_open_api(source);
        let text = Arc::new(Self { shape: Shape::String, ..Self::default() });
        root.shape = Shape::Object;
        root.properties.insert("apiVersion".to_string(), text.clone());
        root.properties.insert("kind".to_string(), text);
        root.properties.insert("metadata".to_string(), metadata.clone());
        if mentions_rules(source) {
            root.rules = Some(Arc::new(compile_schema(source)));
        }
        root
    }
}

fn mentions_rules(source: &Value) -> bool {
    match source {
        Value::Object(map) => map.contains_key("x-kubernetes-validations") || map.values().any(mentions_rules),
        Value::Array(items) => items.iter().any(mentions_rules),
        _ => false,
    }
}

fn shape_of(source: &Value) -> Shape {
    if source.get("x-kubernetes-int-or-string").and_then(Value::as_bool) == Some(true) {
        return Shape::IntOrString;
    }
    match source.get("type").and_then(Value::as_str) {
        Some("object") => Shape::Object,
        Some("array") => Shape::Array,
        Some("string") => Shape::String,
        Some("integer") => Shape::Integer,
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        _ => Shape::Any,
    }
}

fn properties_of(source: &Value) -> BTreeMap<String, Arc<Schema>> {
    let properties = source.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, schema)| (name.clone(), Arc::new(Schema::from_open_api(schema)))).collect()
}

fn additional_of(source: &Value) -> Option<Arc<Schema>> {
    match source {
        Value::Bool(true) => Some(Arc::new(Schema { preserve_unknown: true, ..Schema::default() })),
        Value::Object(_) => Some(Arc::new(Schema::from_open_api(source))),
        _ => None,
    }
}

fn list_of(source: &Value) -> ListKind {
    match source.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => ListKind::Map(texts(source.get("x-kubernetes-list-map-keys"))),
        _ => ListKind::Atomic,
    }
}

fn schemas(source: Option<&Value>) -> Vec<Schema> {
    source.and_then(Value::as_array).into_iter().flatten().map(Schema::from_open_api).collect()
}

fn texts(source: Option<&Value>) -> Vec<String> {
    source.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
}
