//! The part of JSONPath that printer columns use: fields, quoted fields, indices, `[*]` and `[?(@.a=="b")]`; the first match only.

use serde_json::Value;

/// The first value that a path such as `.status.conditions[?(@.type=="Ready")].status` finds.
pub(super) fn first<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    let mut current = vec![root];
    let mut rest = path.trim().trim_start_matches('$');
    while !rest.is_empty() {
        let (step, after) = next_step(rest)?;
        current = current.into_iter().flat_map(|value| advance(value, &step)).collect();
        rest = after;
    }
    current.into_iter().next()
}

enum Step<'p> {
    Field(String),
    Index(i64),
    All,
    Filter(&'p str),
}

fn next_step(rest: &str) -> Option<(Step<'_>, &str)> {
    if let Some(inside) = rest.strip_prefix("[?(") {
        let end = inside.find(")]")?;
        return Some((Step::Filter(&inside[..end]), &inside[end + 2..]));
    }
    if let Some(inside) = rest.strip_prefix('[') {
        let end = inside.find(']')?;
        let (content, after) = (&inside[..end], &inside[end + 1..]);
        let step = match content.trim_matches(['\'', '"']) {
            "*" => Step::All,
            text if text.len() < content.len() => Step::Field(text.to_string()),
            text => Step::Index(text.parse().ok()?),
        };
        return Some((step, after));
    }
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let mut name = String::new();
    let mut characters = rest.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '.' | '[' => return Some((Step::Field(name), &rest[index..])),
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    Some((Step::Field(name), ""))
}

fn advance<'a>(value: &'a Value, step: &Step<'_>) -> Vec<&'a Value> {
    match step {
        Step::Field(name) if name.is_empty() => vec![value],
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(index) => {
            let length = value.as_array().map_or(0, Vec::len);
            let index = if *index < 0 {
                length.checked_sub(usize::try_from(index.unsigned_abs()).unwrap_or(0))
            } else {
                usize::try_from(*index).ok()
            };
            index.and_then(|index| value.get(index)).into_iter().collect()
        }
        Step::All => match value {
            Value::Array(list) => list.iter().collect(),
            Value::Object(map) => map.values().collect(),
            _ => Vec::new(),
        },
        Step::Filter(text) => value.as_array().into_iter().flatten().filter(|item| holds(item, text)).collect(),
    }
}

fn holds(item: &Value, filter: &str) -> bool {
    let Some((path, wanted)) = filter.split_once("==") else { return first(item, filter.trim().trim_start_matches('@')).is_some() };
    let wanted = wanted.trim().trim_matches(['\'', '"']);
    match first(item, path.trim().trim_start_matches('@')) {
        Some(Value::String(text)) => text == wanted,
        Some(other) => wanted == format!("{other}"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_printer_columns_are_understood() {
        let value = json!({ "status": { "conditions": [{ "type": "A", "status": "x" }, { "type": "Ready", "status": "True" }] }, "a.b": 1, "list": [5, 6] });
        assert_eq!(first(&value, ".status.conditions[?(@.type==\"Ready\")].status"), Some(&json!("True")));
        assert_eq!(first(&value, ".list[-1]"), Some(&json!(6)));
        assert_eq!(first(&value, "['a.b']"), Some(&json!(1)));
        assert_eq!(first(&value, ".a\\.b"), Some(&json!(1)));
        assert_eq!(first(&value, ".missing[0].x"), None);
    }
}
