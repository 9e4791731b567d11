//! JSON in, a short digest of its content out; the same for the same content, however it is written and whichever release of the operator reads it.

use serde_json::Value;

/// FNV-1a, 64 bits, in hexadecimal, over the JSON with sorted keys.
pub fn digest(value: &Value) -> String {
    let mut text = Vec::new();
    write_sorted(value, &mut text);
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// Does not rely on the order in which `serde_json` keeps keys: a feature of some other crate can change that.
fn write_sorted(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            text.push(b'{');
            for (key, field) in sorted {
                write_scalar(key, text);
                text.push(b':');
                write_sorted(field, text);
                text.push(b',');
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for item in items {
                write_sorted(item, text);
                text.push(b',');
            }
            text.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => write_scalar(value, text),
    }
}

fn write_scalar(scalar: &impl serde::Serialize, text: &mut Vec<u8>) {
    // Writing text, numbers and truth values into memory cannot fail.
    let _ = serde_json::to_writer(text, scalar);
}
