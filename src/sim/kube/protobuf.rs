//! The few protobuf bodies that kubectl sends although it can speak JSON: bytes in, the same object as JSON out, `None` for kinds not in the table.

use serde_json::{Map, Value, json};

use super::defaults::base64;

/// What every Kubernetes protobuf body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// How a field is read.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
    Integer,
    Flag,
    TextMap,
    BytesMap,
    Message(Fields),
}

type Fields = &'static [(u64, &'static str, Kind)];

// Field numbers: the `generated.proto` files of k8s.io/api and k8s.io/apimachinery.
const METADATA: Fields = &[
    (1, "name", Kind::Text),
    (2, "generateName", Kind::Text),
    (3, "namespace", Kind::Text),
    (5, "uid", Kind::Text),
    (6, "resourceVersion", Kind::Text),
    (11, "labels", Kind::TextMap),
    (12, "annotations", Kind::TextMap),
    (14, "finalizers", Kind::Texts),
];
const PRECONDITIONS: Fields = &[(1, "uid", Kind::Text), (2, "resourceVersion", Kind::Text)];
const DELETE_OPTIONS: Fields = &[
    (1, "gracePeriodSeconds", Kind::Integer),
    (2, "preconditions", Kind::Message(PRECONDITIONS)),
    (4, "propagationPolicy", Kind::Text),
    (5, "dryRun", Kind::Texts),
];
const RESOURCE_ATTRIBUTES: Fields = &[
    (1, "namespace", Kind::Text),
    (2, "verb", Kind::Text),
    (3, "group", Kind::Text),
    (4, "version", Kind::Text),
    (5, "resource", Kind::Text),
    (6, "subresource", Kind::Text),
    (7, "name", Kind::Text),
];
const PATH_ATTRIBUTES: Fields = &[(1, "path", Kind::Text), (2, "verb", Kind::Text)];
const REVIEW_SPEC: Fields =
    &[(1, "resourceAttributes", Kind::Message(RESOURCE_ATTRIBUTES)), (2, "nonResourceAttributes", Kind::Message(PATH_ATTRIBUTES))];

/// Kinds that can be read.
const KINDS: &[(&str, Fields)] = &[
    ("Namespace", &[(1, "metadata", Kind::Message(METADATA))]),
    ("ServiceAccount", &[(1, "metadata", Kind::Message(METADATA))]),
    (
        "ConfigMap",
        &[
            (1, "metadata", Kind::Message(METADATA)),
            (2, "data", Kind::TextMap),
            (3, "binaryData", Kind::BytesMap),
            (4, "immutable", Kind::Flag),
        ],
    ),
    (
        "Secret",
        &[
            (1, "metadata", Kind::Message(METADATA)),
            (2, "data", Kind::BytesMap),
            (3, "type", Kind::Text),
            (4, "stringData", Kind::TextMap),
            (5, "immutable", Kind::Flag),
        ],
    ),
    ("DeleteOptions", DELETE_OPTIONS),
    ("Eviction", &[(1, "metadata", Kind::Message(METADATA)), (2, "deleteOptions", Kind::Message(DELETE_OPTIONS))]),
    ("Scale", &[(1, "metadata", Kind::Message(METADATA)), (2, "spec", Kind::Message(&[(1, "replicas", Kind::Integer)]))]),
    ("SelfSubjectAccessReview", &[(1, "metadata", Kind::Message(METADATA)), (2, "spec", Kind::Message(REVIEW_SPEC))]),
];

enum Item<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next field: its number and its value.
    fn field(&mut self) -> Option<(u64, Item<'a>)> {
        let tag = self.varint()?;
        let item = match tag & 7 {
            0 => Item::Number(self.varint()?),
            1 => Item::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Item::Bytes(self.take(length)?)
            }
            5 => Item::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, item))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn entry(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value): (String, &[u8]) = (String::new(), &[]);
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        match reader.field()? {
            (1, Item::Bytes(bytes)) => key = text(bytes),
            (2, Item::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Some((key, value))
}

fn message(bytes: &[u8], fields: Fields) -> Option<Value> {
    let mut map = Map::new();
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        let (number, item) = reader.field()?;
        let Some((_, name, kind)) = fields.iter().find(|(known, _, _)| *known == number) else { continue };
        match (kind, item) {
            // An empty text is how protobuf says nothing.
            (Kind::Text, Item::Bytes([])) => {}
            (Kind::Text, Item::Bytes(bytes)) => {
                map.insert((*name).to_string(), json!(text(bytes)));
            }
            (Kind::Texts, Item::Bytes(bytes)) => {
                let list = map.entry(*name).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(json!(text(bytes)));
                }
            }
            (Kind::Integer, Item::Number(number)) => {
                map.insert((*name).to_string(), json!(number.cast_signed()));
            }
            (Kind::Flag, Item::Number(number)) => {
                map.insert((*name).to_string(), json!(number != 0));
            }
            (Kind::TextMap | Kind::BytesMap, Item::Bytes(bytes)) => {
                let (key, value) = entry(bytes)?;
                let value = if matches!(kind, Kind::BytesMap) { base64(value) } else { text(value) };
                map.entry(*name).or_insert_with(|| json!({}))[key] = json!(value);
            }
            (Kind::Message(fields), Item::Bytes(bytes)) => {
                map.insert((*name).to_string(), message(bytes, fields)?);
            }
            _ => return None,
        }
    }
    Some(Value::Object(map))
}

/// Whether a body is Kubernetes protobuf.
pub(super) fn is_protobuf(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// The object in a protobuf body; `None` if it is broken or of a kind that is not in the table.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    let mut reader = Reader(body.strip_prefix(MAGIC)?);
    let (mut api_version, mut kind, mut raw): (String, String, &[u8]) = (String::new(), String::new(), &[]);
    while !reader.0.is_empty() {
        match reader.field()? {
            (1, Item::Bytes(bytes)) => {
                let identity = message(bytes, &[(1, "apiVersion", Kind::Text), (2, "kind", Kind::Text)])?;
                api_version = identity["apiVersion"].as_str().unwrap_or_default().to_string();
                kind = identity["kind"].as_str().unwrap_or_default().to_string();
            }
            (2, Item::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let (_, fields) = KINDS.iter().find(|(known, _)| *known == kind)?;
    let mut object = message(raw, fields)?;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn a_config_map_in_protobuf_is_the_same_in_json() {
        let identity = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
        let object = [field(1, &field(1, b"m")), field(2, &[field(1, b"a"), field(2, b"b")].concat())].concat();
        let body = [MAGIC.to_vec(), field(1, &identity), field(2, &object), field(4, b"")].concat();
        assert!(is_protobuf(&body));
        let wanted = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": { "a": "b" } });
        assert_eq!(decode(&body), Some(wanted));
        assert_eq!(decode(&body[..body.len() - 5]), None);
    }
}
