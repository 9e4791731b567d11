//! Reads Kubernetes objects kept as JSON: names, labels, owners, selectors, conditions; total functions, changes nothing but what it is handed.

use serde_json::{Map, Value, json};

use crate::model::Timestamp;

/// Names one object of any kind; cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(super) fn of(object: &Value) -> Self {
        Self::new(text(object, "/kind"), namespace(object), name(object))
    }
}

/// What stands at a JSON pointer without escapes: `Value::pointer` copies every step to undo them.
fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(object, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })
}

/// Text at a JSON pointer; empty when absent.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whole number at a JSON pointer.
pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

/// Truth at a JSON pointer; absent is false.
pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    at(object, pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// List at a JSON pointer; absent is empty.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Map at a JSON pointer, if it is one.
pub(super) fn map<'a>(object: &'a Value, pointer: &str) -> Option<&'a Map<String, Value>> {
    at(object, pointer).and_then(Value::as_object)
}

/// Moment at a JSON pointer.
pub(super) fn moment(object: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::parse(text(object, pointer))
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(super) fn label<'a>(object: &'a Value, label: &str) -> Option<&'a str> {
    map(object, "/metadata/labels")?.get(label)?.as_str()
}

pub(super) fn annotation<'a>(object: &'a Value, annotation: &str) -> Option<&'a str> {
    map(object, "/metadata/annotations")?.get(annotation)?.as_str()
}

/// Whether deletion has been asked for.
pub(super) fn terminating(object: &Value) -> bool {
    at(object, "/metadata/deletionTimestamp").is_some_and(|value| !value.is_null())
}

pub(super) fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    items(object, "/metadata/finalizers").iter().any(|value| value.as_str() == Some(finalizer))
}

/// Writes `value` at the path, making the maps on the way.
pub(super) fn set(object: &mut Value, path: &[&str], value: Value) {
    let Some((last, way)) = path.split_last() else {
        *object = value;
        return;
    };
    let mut place = object;
    for step in way {
        if !place.is_object() {
            *place = json!({});
        }
        let Some(members) = place.as_object_mut() else { return };
        place = members.entry((*step).to_owned()).or_insert_with(|| json!({}));
    }
    if !place.is_object() {
        *place = json!({});
    }
    if let Some(members) = place.as_object_mut() {
        members.insert((*last).to_owned(), value);
    }
}

/// Removes what stands at the path.
pub(super) fn unset(object: &mut Value, path: &[&str]) {
    let Some((last, way)) = path.split_last() else { return };
    let mut place = object;
    for step in way {
        match place.get_mut(*step) {
            Some(next) => place = next,
            None => return,
        }
    }
    if let Some(members) = place.as_object_mut() {
        members.remove(*last);
    }
}

/// The reference that a controller puts on what it makes.
pub(super) fn controller_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": text(owner, "/apiVersion"),
        "kind": text(owner, "/kind"),
        "name": name(owner),
        "uid": uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// The owner reference marked as controller.
pub(super) fn controller_of(object: &Value) -> Option<&Value> {
    items(object, "/metadata/ownerReferences").iter().find(|reference| flag(reference, "/controller"))
}

pub(super) fn controlled_by(object: &Value, owner_uid: &str) -> bool {
    controller_of(object).is_some_and(|reference| text(reference, "/uid") == owner_uid)
}

/// Whether a map of labels satisfies a plain map of required labels.
pub(super) fn has_labels(labels: Option<&Map<String, Value>>, required: &Map<String, Value>) -> bool {
    required.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// Whether labels satisfy a `metav1.LabelSelector`; an empty selector matches everything.
pub(super) fn selects(selector: &Value, labels: Option<&Map<String, Value>>) -> bool {
    let plain = map(selector, "/matchLabels").is_none_or(|required| has_labels(labels, required));
    plain && items(selector, "/matchExpressions").iter().all(|expression| expression_holds(expression, labels))
}

/// Whether labels satisfy one requirement of a label or node selector.
pub(super) fn expression_holds(expression: &Value, labels: Option<&Map<String, Value>>) -> bool {
    let present = labels.and_then(|labels| labels.get(text(expression, "/key"))).and_then(Value::as_str);
    let listed = || items(expression, "/values").iter().any(|value| value.as_str() == present && present.is_some());
    match text(expression, "/operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => present.is_some(),
        "DoesNotExist" => present.is_none(),
        _ => false,
    }
}

/// A condition of a status by its type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

pub(super) fn condition_holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == "True")
}

/// Puts a condition into a list; the transition time moves only when the status changes.
pub(super) fn put_condition(conditions: &mut Vec<Value>, mut fresh: Value, now: Timestamp) {
    let known = conditions.iter_mut().find(|condition| text(condition, "/type") == text(&fresh, "/type"));
    let kept =
        known.as_ref().filter(|old| text(old, "/status") == text(&fresh, "/status")).and_then(|old| old.get("lastTransitionTime").cloned());
    set(&mut fresh, &["lastTransitionTime"], kept.unwrap_or_else(|| json!(now.to_seconds_text())));
    match known {
        Some(old) => *old = fresh,
        None => conditions.push(fresh),
    }
}

/// The moment since which a pod is ready.
pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    condition(pod, "Ready")
        .filter(|condition| text(condition, "/status") == "True")
        .and_then(|condition| moment(condition, "/lastTransitionTime"))
}

pub(super) fn phase(pod: &Value) -> &str {
    text(pod, "/status/phase")
}

/// A pod that has ended for good.
pub(super) fn finished(pod: &Value) -> bool {
    matches!(phase(pod), "Failed" | "Succeeded")
}

/// Milli-units of a quantity such as `500m`, `2`, `4Gi`, `1e3`; zero for anything else.
pub(super) fn quantity_milli(value: Option<&Value>) -> i128 {
    let owned = match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return 0,
    };
    let digits =
        owned.find(|letter: char| !(letter.is_ascii_digit() || letter == '.' || letter == '-' || letter == '+')).unwrap_or(owned.len());
    let (mantissa, suffix) = owned.split_at(digits);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000_i128 << 40,
        exponent => {
            let power = exponent.strip_prefix(['e', 'E']).and_then(|power| power.parse::<u32>().ok()).unwrap_or(0).min(18);
            1_000 * 10_i128.pow(power)
        }
    };
    let whole = whole.parse::<i128>().unwrap_or(0) * factor;
    let fraction: String = fraction.chars().take(9).collect();
    let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    whole + fraction.parse::<i128>().unwrap_or(0) * factor / scale
}

/// An `IntOrString` against a whole; percentages round up or down.
pub(super) fn int_or_percent(value: Option<&Value>, whole: i64, up: bool) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            let product = percent.saturating_mul(whole);
            Some(if up { product.saturating_add(99).div_euclid(100) } else { product.div_euclid(100) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_across_suffixes() {
        assert_eq!(quantity_milli(Some(&json!("500m"))), 500);
        assert_eq!(quantity_milli(Some(&json!(2))), 2_000);
        assert_eq!(quantity_milli(Some(&json!("1.5Gi"))), 1_610_612_736_000);
        assert_eq!(quantity_milli(Some(&json!("1e3"))), 1_000_000);
        assert_eq!(quantity_milli(Some(&json!(null))), 0);
    }

    #[test]
    fn percentages_round_in_the_asked_direction() {
        assert_eq!(int_or_percent(Some(&json!("25%")), 3, true), Some(1));
        assert_eq!(int_or_percent(Some(&json!("25%")), 3, false), Some(0));
        assert_eq!(int_or_percent(Some(&json!(2)), 3, false), Some(2));
    }

    #[test]
    fn selectors_judge_labels_and_expressions_together() {
        let labels = json!({"app": "fe", "tier": "a"});
        let selector = json!({"matchLabels": {"app": "fe"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["b"]}]});
        assert!(selects(&selector, labels.as_object()));
        assert!(!selects(&json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}), labels.as_object()));
    }
}
