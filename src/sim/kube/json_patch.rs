//! RFC 6902: a list of operations onto a value; all or nothing.

use serde_json::Value;

use super::error::ApiError;

/// Applies a JSON patch; 422 for operations that do not fit, 400 for a patch that is none.
pub(super) fn apply(target: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let operations =
        patch.as_array().ok_or_else(|| ApiError::bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch"))?;
    let mut result = target.clone();
    for operation in operations {
        perform(&mut result, operation)?;
    }
    *target = result;
    Ok(())
}

fn refused(message: String) -> ApiError {
    ApiError { code: 422, reason: "Invalid".to_string(), message, details: None }
}

fn perform(target: &mut Value, operation: &Value) -> Result<(), ApiError> {
    let text = |field: &str| operation.get(field).and_then(Value::as_str);
    let path = text("path").unwrap_or_default();
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let missing = |verb: &str, path: &str| {
        refused(format!(
            "the server rejected our request due to an error in our request: {verb} operation does not apply: doc is missing path: \"{path}\": missing value"
        ))
    };
    match text("op") {
        Some("add") => add(target, path, value()).ok_or_else(|| missing("add", path)),
        Some("replace") => match target.pointer_mut(path) {
            Some(slot) => {
                *slot = value();
                Ok(())
            }
            None => Err(missing("replace", path)),
        },
        Some("remove") => remove(target, path).map(|_| ()).ok_or_else(|| missing("remove", path)),
        Some("test") => {
            let found = target.pointer(path).cloned().unwrap_or(Value::Null);
            if found == value() { Ok(()) } else { Err(refused(format!("testing value {path} failed"))) }
        }
        Some("copy") => {
            let from = text("from").unwrap_or_default();
            let copied = target.pointer(from).cloned().ok_or_else(|| missing("copy", from))?;
            add(target, path, copied).ok_or_else(|| missing("copy", path))
        }
        Some("move") => {
            let from = text("from").unwrap_or_default();
            let moved = remove(target, from).ok_or_else(|| missing("move", from))?;
            add(target, path, moved).ok_or_else(|| missing("move", path))
        }
        other => Err(ApiError::bad_request(format!("Unexpected kind: {}", other.unwrap_or("unknown")))),
    }
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(list) => {
            let index = if last == "-" { list.len() } else { last.parse().ok()? };
            if index > list.len() {
                return None;
            }
            list.insert(index, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(map) => map.remove(&last),
        Value::Array(list) => {
            let index: usize = last.parse().ok()?;
            (index < list.len()).then(|| list.remove(index))
        }
        _ => None,
    }
}
