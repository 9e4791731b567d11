//! Sets of field paths and their `FieldsV1` text; pure set algebra, knows no schema and no manager.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of paths as a tree. A path's steps are written as in `FieldsV1`: `f:name`, `k:{"name":"a"}`, `v:"text"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    /// Whether the path that leads here is itself in the set.
    pub member: bool,
    /// Longer paths by their next step.
    pub children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// The set with nothing but this path.
    pub fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    pub fn child(&mut self, step: impl Into<String>) -> &mut Self {
        self.children.entry(step.into()).or_default()
    }

    /// Drops branches without members.
    pub fn tidy(&mut self) {
        self.children.retain(|_, child| {
            child.tidy();
            !child.is_empty()
        });
    }

    pub fn union(&mut self, other: &Self) {
        self.member |= other.member;
        for (step, theirs) in &other.children {
            self.child(step.clone()).union(theirs);
        }
    }

    pub fn intersection(&self, other: &Self) -> Self {
        let mut result = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (step, ours) in &self.children {
            if let Some(theirs) = other.children.get(step) {
                let both = ours.intersection(theirs);
                if !both.is_empty() {
                    result.children.insert(step.clone(), both);
                }
            }
        }
        result
    }

    pub fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (step, theirs) in &other.children {
            if let Some(ours) = self.children.get_mut(step) {
                ours.subtract(theirs);
                if ours.is_empty() {
                    self.children.remove(step);
                }
            }
        }
    }

    /// Whether a path of this set is in one that is written as `FieldsV1`, too.
    pub fn meets(&self, written: &Value) -> bool {
        let Some(map) = written.as_object() else { return self.member };
        let member = map.is_empty() || map.contains_key(".");
        self.member && member || self.children.iter().any(|(step, child)| map.get(step).is_some_and(|below| child.meets(below)))
    }

    /// Removes everything at and below a path.
    pub fn cut(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(*last);
            }
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.cut(rest);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    /// Every path in the set, worded as in conflict messages: `.spec.containers[name="a"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_string());
        }
        for (step, child) in &self.children {
            child.collect(&format!("{prefix}{}", worded(step)), paths);
        }
    }

    /// `FieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_string(), Value::Object(Map::new()));
        }
        for (step, child) in &self.children {
            map.insert(step.clone(), child.to_json());
        }
        Value::Object(map)
    }

    /// Reads `FieldsV1`; the root is never a member.
    pub fn from_json(value: &Value) -> Self {
        let mut set = Self::node(value);
        set.member = false;
        set
    }

    fn node(value: &Value) -> Self {
        let Some(map) = value.as_object() else { return Self::leaf() };
        let children: BTreeMap<String, Self> =
            map.iter().filter(|(step, _)| *step != ".").map(|(step, child)| (step.clone(), Self::node(child))).collect();
        Self { member: map.contains_key(".") || children.is_empty(), children }
    }
}

/// A step as messages show it.
pub(super) fn worded(step: &str) -> String {
    if let Some(name) = step.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(value) = step.strip_prefix("v:") {
        return format!("[={value}]");
    }
    let keys: Option<Map<String, Value>> = step.strip_prefix("k:").and_then(|text| serde_json::from_str(text).ok());
    let pairs: Vec<String> = keys.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    format!("[{}]", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_read_back_as_they_were_written() {
        let fields = json!({ "f:metadata": { "f:labels": { ".": {}, "f:app": {} } }, "f:spec": { "f:list": { "k:{\"name\":\"a\"}": { ".": {}, "f:x": {} } } } });
        let set = FieldSet::from_json(&fields);
        assert_eq!(set.to_json(), fields);
        assert!(set.meets(&json!({ "f:metadata": { "f:labels": { "f:app": {} } } })));
        assert!(!set.meets(&json!({ "f:metadata": { "f:labels": { "f:other": {} } }, "f:spec": { "f:list": { ".": {} } } })));
        assert_eq!(set.paths(), [".metadata.labels", ".metadata.labels.app", ".spec.list[name=\"a\"]", ".spec.list[name=\"a\"].x"]);
    }
}
