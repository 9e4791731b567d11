//! A descriptor's dotted path and a definition's schema in, the schema of that field or the place where the path ends in nothing out.

use serde_json::Value;

/// The schema at a path such as `storage.volumes[0].size`, or what is missing.
pub(super) fn resolve<'a>(schema: &'a Value, path: &str) -> Result<&'a Value, String> {
    let mut here = schema;
    let mut walked = String::new();
    for segment in path.split('.') {
        let (name, indices) = segment.split_once('[').map_or((segment, ""), |(name, rest)| (name, rest));
        if name.is_empty() {
            return Err(format!("`{path}` has an empty step"));
        }
        here = child(here, name).ok_or_else(|| {
            let parent = if walked.is_empty() { "the top".to_owned() } else { format!("`{walked}`") };
            format!("the schema has no `{name}` at {parent}")
        })?;
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(segment);
        for index in indices.split_terminator(']').map(|index| index.trim_start_matches('[')) {
            if index.parse::<usize>().is_err() {
                return Err(format!("`[{index}]` in `{path}` is no number"));
            }
            here = here.get("items").ok_or_else(|| format!("`{walked}` indexes what is no list"))?;
        }
    }
    Ok(here)
}

fn child<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(declared) = schema.get("properties").and_then(|properties| properties.get(name)) {
        return Some(declared);
    }
    match schema.get("additionalProperties") {
        Some(free @ Value::Object(_)) => Some(free),
        // Whatever stands there is kept, so nothing is known of it.
        Some(Value::Bool(true)) => Some(&Value::Null),
        _ if schema["x-kubernetes-preserve-unknown-fields"] == true => Some(&Value::Null),
        _ => None,
    }
}

/// The paths that enclose a path, outermost first: `a[0].b` has `a` and `a[0]`.
pub(super) fn ancestors(path: &str) -> Vec<&str> {
    path.char_indices().filter(|(at, letter)| *at > 0 && (*letter == '.' || *letter == '[')).map(|(at, _)| &path[..at]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_objects_lists_and_maps() {
        let schema = json!({"properties": {
            "a": {"properties": {"b": {"type": "string"}}},
            "list": {"items": {"properties": {"c": {"type": "integer"}}}},
            "map": {"additionalProperties": {"type": "string"}},
            "open": {"x-kubernetes-preserve-unknown-fields": true}}});
        for (path, kind) in [("a.b", "string"), ("list[0].c", "integer"), ("map.any", "string")] {
            assert_eq!(resolve(&schema, path).unwrap()["type"], kind, "{path}");
        }
        assert!(resolve(&schema, "open.what").is_ok());
        for (path, why) in [
            ("a.x", "no `x` at `a`"),
            ("x", "no `x` at the top"),
            ("a[0]", "indexes what is no list"),
            ("list[n].c", "is no number"),
            ("a..b", "empty step"),
            ("list.c", "no `c` at `list`"),
        ] {
            let error = resolve(&schema, path).unwrap_err();
            assert!(error.contains(why), "{path}: {error}");
        }
    }

    #[test]
    fn a_path_lies_within_its_beginnings() {
        assert_eq!(ancestors("a[0].b.c"), ["a", "a[0]", "a[0].b"]);
        assert!(ancestors("a").is_empty());
    }
}
