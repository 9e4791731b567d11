//! How odd but admissible JSON is read: null as absent, numbers where the schema says int-or-string. Never judges a value.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// Reads an explicit `null` as the empty value.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a map; entries whose value is `null` are left out, as the API server leaves them out.
pub(super) fn map_without_nulls<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let entries = Option::<BTreeMap<String, Option<T>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(entries.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect())
}

/// Reads Kubernetes types that hold int-or-string values other than quantities (ports, `maxUnavailable`).
///
/// The schema puts no bound on such an integer, the Rust type takes 32 bits only. A number beyond becomes a string of
/// the same digits, which `validate` refuses on this one object.
pub(super) fn with_any_integer<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(T::default()),
        mut value => {
            quote_wide_integers(&mut value);
            serde_json::from_value(value).map_err(D::Error::custom)
        }
    }
}

/// Reads one int-or-string of ours. What is neither, or takes more than 32 bits, becomes the text that was written, which `validate` refuses.
pub(super) fn any_int_or_string<'de, D>(deserializer: D) -> Result<Option<IntOrString>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(IntOrString::String(text)),
        other => match other.as_i64().and_then(|number| i32::try_from(number).ok()) {
            Some(number) => Some(IntOrString::Int(number)),
            None => Some(IntOrString::String(other.to_string())),
        },
    })
}

const INT_OR_STRING_KEYS: [&str; 2] = ["port", "maxUnavailable"];

fn quote_wide_integers(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                if INT_OR_STRING_KEYS.contains(&key.as_str()) && is_wide(field) {
                    *field = Value::String(field.to_string());
                } else {
                    quote_wide_integers(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(quote_wide_integers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_wide(value: &Value) -> bool {
    value.is_number() && value.as_i64().is_none_or(|number| i32::try_from(number).is_err())
}
