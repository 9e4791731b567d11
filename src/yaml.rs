//! The only owner of the YAML crate: text to values and back, the way Kubernetes reads and writes YAML.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a text is not the YAML that was asked for; carries line and column.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct YamlError(String);

/// Reads one document. Several documents are an error: whoever may be given several asks for [`documents`].
///
/// # Errors
/// The text is no YAML, repeats a key, or does not fit `T`; the message names line and column.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let mut found = documents(text)?;
    match (found.pop(), found.is_empty()) {
        (Some(value), true) => serde_json::from_value(value).map_err(|error| YamlError(error.to_string())),
        (None, _) => serde_json::from_value(Value::Null).map_err(|_| YamlError("the text holds no document".to_owned())),
        (Some(_), false) => Err(YamlError("one document is wanted, the text holds several".to_owned())),
    }
}

/// Reads every document of a text, in order; empty documents are left out.
///
/// The values are read as Kubernetes reads them: `on` and `yes` are true, `1_000` is 1000, `0777` is 511, and quotes
/// make any of them a text.
///
/// # Errors
/// The text is no YAML or repeats a key; the message names line and column.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let options = serde_yaml::options! { legacy_octal_numbers: true };
    let found: Vec<Value> = serde_yaml::from_multiple_with_options(text, options).map_err(|error| YamlError(error.to_string()))?;
    Ok(found.into_iter().filter(|document| !document.is_null()).collect())
}

/// Writes a value as one document that ends in a newline. Texts that some reader would take for something else are quoted.
///
/// # Errors
/// The value cannot be represented, for example a map whose keys are no texts.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, YamlError> {
    // By way of JSON, so that what is written is exactly what the API server would be sent.
    let json = serde_json::to_value(value).map_err(|error| YamlError(error.to_string()))?;
    let mut text = serde_yaml::to_string(&json).map_err(|error| YamlError(error.to_string()))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bare_words_are_read_as_kubernetes_reads_them() {
        let read: Value =
            from_str("a: on\nb: yes\nc: 1_000\nd: 0777\ne: '0777'\nf: \"on\"\ng: off\nh: 12:30\ni: ~\nj: 1.5\nk: 10Gi\n").unwrap();
        assert_eq!(
            read,
            json!({"a": true, "b": true, "c": 1000, "d": 511, "e": "0777", "f": "on", "g": false, "h": "12:30", "i": null, "j": 1.5, "k": "10Gi"})
        );
    }

    #[test]
    fn what_is_written_is_read_back_unchanged() {
        let value = json!({
            "words": ["on", "off", "yes", "no", "y", "n", "true", "null", "~", "", " ", "1_000", "0777", "1e3", "0x1f", "12:30:45", "2024-01-01", "=", "<<", "-", "#a", "a: b", "a #b", "é"],
            "block": "worker_processes 4;\nhttp {\n  listen 8080;\n}\n",
            "trailing": "a\n\n",
            "numbers": [0, -1, 1.5, 9_007_199_254_740_993_u64],
            "empty": {"map": {}, "list": []},
        });
        let text = to_string(&value).unwrap();
        assert_eq!(from_str::<Value>(&text).unwrap(), value, "{text}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_survives_writing_and_reading(text in "\\PC*|[ -~\\n\\t]*|[0-9._+-eExXoO:]*", key in "\\PC{1,20}") {
            let value = json!({ key: [text.clone(), { "nested": text }] });
            let written = to_string(&value).unwrap();
            proptest::prop_assert_eq!(from_str::<Value>(&written).unwrap(), value, "{}", written);
        }
    }

    #[test]
    fn several_documents_come_in_order_and_empty_ones_do_not_count() {
        let found = documents("---\na: 1\n---\n---\n# only a comment\n---\nb: 2\n").unwrap();
        assert_eq!(found, [json!({"a": 1}), json!({"b": 2})]);
        assert!(from_str::<Value>("a: 1\n---\nb: 2\n").is_err());
    }

    #[test]
    fn an_error_names_the_place() {
        let error = documents("a: 1\nb: [1,\nc: 2\n").unwrap_err().to_string();
        assert!(error.contains("line"), "{error}");
        assert!(documents("a: 1\na: 2\n").is_err(), "a repeated key hides one of the two values");
    }
}
