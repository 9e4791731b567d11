//! JSON in, a short digest of its content out; the same for the same content, however it is written and whichever release of the operator reads it.

use std::io::{self, Write};

use serde_json::Value;

/// FNV-1a, 64 bits, in hexadecimal, over the JSON with sorted keys.
pub fn digest(value: &Value) -> String {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    write_sorted(value, &mut hash);
    format!("{:016x}", hash.0)
}

/// A hash that is written to.
struct Fnv(u64);

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }
}

impl Write for Fnv {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does not rely on the order in which `serde_json` keeps keys: a feature of some other crate can change that.
fn write_sorted(value: &Value, text: &mut Fnv) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            text.add(b"{");
            for (key, field) in sorted {
                write_scalar(key, text);
                text.add(b":");
                write_sorted(field, text);
                text.add(b",");
            }
            text.add(b"}");
        }
        Value::Array(items) => {
            text.add(b"[");
            for item in items {
                write_sorted(item, text);
                text.add(b",");
            }
            text.add(b"]");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => write_scalar(value, text),
    }
}

fn write_scalar(scalar: &impl serde::Serialize, text: &mut Fnv) {
    // Writing text, numbers and truth values into a hash cannot fail.
    let _ = serde_json::to_writer(text, scalar);
}
