//! `managedFields`: who owns which field after an update or an apply, and who is in the way of an apply; changes no object but its bookkeeping.

use serde_json::{Value, json};

use super::error::ApiError;
use super::field_set::FieldSet;
use super::field_walk::{compare, fields_of, merge, take_out};
use super::write::Target;
use crate::model::Timestamp;

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// Server-side apply.
    Apply,
    /// Everything else.
    Update,
}

/// Who writes, how, in which version, through which subresource and when.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub manager: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: Option<String>,
    pub time: String,
}

/// Fields that nobody owns, below the root.
const UNOWNED: &[&[&str]] = &[
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:deletionTimestamp"],
    &["f:metadata", "f:deletionGracePeriodSeconds"],
    &["f:metadata", "f:selfLink"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:managedFields"],
    &["f:metadata", "f:resourceVersion"],
];

impl Writer {
    pub fn new(manager: &str, operation: Operation, target: &Target, subresource: Option<&str>, now: Timestamp) -> Self {
        Self {
            manager: manager.to_string(),
            operation,
            api_version: target.resource.api_version(&target.version.name),
            subresource: subresource.map(str::to_string),
            time: now.to_seconds_text(),
        }
    }

    fn owns(&self, entry: &Entry) -> bool {
        let Entry { manager, operation, subresource, api_version, .. } = entry;
        *manager == self.manager
            && *operation == self.operation
            && *subresource == self.subresource
            && (self.operation == Operation::Apply || *api_version == self.api_version)
    }

    /// Leaves of `set` that this writer can own: no server metadata, status only through the status subresource.
    fn ownable(&self, mut set: FieldSet, target: &Target) -> FieldSet {
        set.member = false;
        for path in UNOWNED {
            set.cut(path);
        }
        if let Some(metadata) = set.children.get_mut("f:metadata") {
            metadata.member = false;
        }
        if self.subresource.as_deref() == Some("status") {
            set.cut(&["f:spec"]);
        } else if target.version.status {
            set.cut(&["f:status"]);
        }
        set.tidy();
        set
    }
}

#[derive(Clone, Debug)]
struct Entry {
    manager: String,
    operation: Operation,
    api_version: String,
    subresource: Option<String>,
    time: String,
    fields: FieldSet,
    /// The whole entry as it is written down, where its fields were not read because nothing of it changes.
    kept: Option<Value>,
}

fn decode(managed: &Value) -> Vec<Entry> {
    managed.as_array().into_iter().flatten().filter_map(decode_entry).collect()
}

/// As `decode`, for books that this server wrote: of entries that `concerns` does not pick only the head is read.
fn decode_some(managed: &Value, concerns: impl Fn(&Entry, &Value) -> bool) -> Vec<Entry> {
    let read = |entry: &Value| {
        let (head, fields) = (decode_head(entry)?, entry.get("fieldsV1")?);
        Some(if concerns(&head, fields) {
            Entry { fields: FieldSet::from_json(fields), ..head }
        } else {
            Entry { kept: Some(entry.clone()), ..head }
        })
    };
    managed.as_array().into_iter().flatten().filter_map(read).collect()
}

fn decode_entry(entry: &Value) -> Option<Entry> {
    Some(Entry { fields: FieldSet::from_json(entry.get("fieldsV1")?), ..decode_head(entry)? })
}

/// Everything of an entry but its fields.
fn decode_head(entry: &Value) -> Option<Entry> {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_string();
    let operation = match entry.get("operation")?.as_str()? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let subresource = Some(text("subresource")).filter(|name| !name.is_empty());
    let (manager, api_version, time) = (text("manager"), text("apiVersion"), text("time"));
    Some(Entry { manager, operation, api_version, subresource, time, fields: FieldSet::default(), kept: None })
}

fn encode(mut entries: Vec<Entry>) -> Value {
    entries.retain(|entry| entry.kept.is_some() || !entry.fields.is_empty());
    entries.sort_by(|a, b| {
        (a.operation, &a.time, &a.manager, &a.api_version, &a.subresource).cmp(&(
            b.operation,
            &b.time,
            &b.manager,
            &b.api_version,
            &b.subresource,
        ))
    });
    entries.into_iter().map(encode_entry).collect()
}

fn encode_entry(mut entry: Entry) -> Value {
    if let Some(kept) = entry.kept.take() {
        return kept;
    }
    let operation = match entry.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let mut value = json!({
        "manager": entry.manager, "operation": operation, "apiVersion": entry.api_version, "time": entry.time,
        "fieldsType": "FieldsV1", "fieldsV1": entry.fields.to_json(),
    });
    if let Some(subresource) = &entry.subresource {
        value["subresource"] = json!(subresource);
    }
    value
}

fn claim(entries: &mut Vec<Entry>, writer: &Writer, fields: FieldSet) {
    match entries.iter_mut().find(|entry| writer.owns(entry)) {
        Some(entry) if entry.fields == fields => {}
        Some(entry) => {
            entry.fields = fields;
            entry.time.clone_from(&writer.time);
            entry.api_version.clone_from(&writer.api_version);
        }
        None => entries.push(Entry {
            manager: writer.manager.clone(),
            operation: writer.operation,
            api_version: writer.api_version.clone(),
            subresource: writer.subresource.clone(),
            time: writer.time.clone(),
            fields,
            kept: None,
        }),
    }
}

/// `managedFields` of a new object that was created by an ordinary write.
pub(super) fn after_create(object: &Value, target: &Target, writer: &Writer) -> Value {
    let blank = json!({ "metadata": {} });
    let fields = writer.ownable(compare(&blank, object, target.schema()).changed, target);
    let mut entries = Vec::new();
    claim(&mut entries, writer, fields);
    encode(entries)
}

/// `managedFields` after an ordinary write: what changed now belongs to the writer, and to nobody else.
/// A client may send books of its own, which then count instead of the recorded ones; with `managedFields: [{}]` it clears them.
pub(super) fn after_edit(live: &Value, sent: Option<&Value>, object: &Value, target: &Target, writer: &Writer) -> Value {
    let reset = sent.is_some_and(|sent| *sent == json!([{}]));
    let known = &live["metadata"]["managedFields"];
    let brought = sent.filter(|sent| *sent != known && !decode(sent).is_empty());
    let recorded = brought.unwrap_or(known);
    let difference = compare(live, object, target.schema());
    let changed = writer.ownable(difference.changed, target);
    let removed = writer.ownable(difference.removed, target);
    if changed.is_empty() && removed.is_empty() && !reset {
        return recorded.clone();
    }
    let concerns = |entry: &Entry, fields: &Value| writer.owns(entry) || changed.meets(fields) || removed.meets(fields);
    let mut entries = match brought {
        _ if reset => Vec::new(),
        Some(brought) => decode(brought),
        None => decode_some(known, concerns),
    };
    let mut own = FieldSet::default();
    for entry in &mut entries {
        if writer.owns(entry) {
            own = entry.fields.clone();
        } else {
            entry.fields.subtract(&changed);
        }
        entry.fields.subtract(&removed);
    }
    own.subtract(&removed);
    own.union(&changed);
    claim(&mut entries, writer, own);
    if !changed.is_empty()
        && let Some(entry) = entries.iter_mut().find(|entry| writer.owns(entry))
    {
        entry.time.clone_from(&writer.time);
    }
    encode(entries)
}

/// An object after an apply, with its new `managedFields`.
pub(super) struct Applied {
    pub object: Value,
    pub managed: Value,
}

/// Merges what a manager applies into the live object (`None`: there is none). 409 when other managers own fields that would change, unless forced.
pub(super) fn apply(live: Option<&Value>, wanted: &Value, target: &Target, writer: &Writer, force: bool) -> Result<Applied, ApiError> {
    let schema = target.schema();
    let blank = json!({ "apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": {} });
    let base = live.unwrap_or(&blank);
    let mut entries = decode(&base["metadata"]["managedFields"]);
    let fields = writer.ownable(fields_of(wanted, schema), target);
    let mut object = merge(base, wanted, schema);

    let changed = compare(base, &object, schema).changed.intersection(&fields);
    let mut conflicts = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !writer.owns(entry)) {
        let disputed = entry.fields.intersection(&changed);
        conflicts.extend(disputed.paths().into_iter().map(|path| (described(entry), path)));
        if force {
            entry.fields.subtract(&disputed);
        }
    }
    if !conflicts.is_empty() && !force {
        return Err(ApiError::apply_conflict(&conflicts));
    }

    let mut last = FieldSet::default();
    let mut others = FieldSet::default();
    for entry in &entries {
        if writer.owns(entry) {
            last = entry.fields.clone();
        } else {
            others.union(&entry.fields);
        }
    }
    // Every configuration names its object, so its metadata is never abandoned.
    let mut mentioned = fields.clone();
    mentioned.child("f:metadata").member = true;
    take_out(&mut object, schema, &last, Some(&mentioned), Some(&others));
    claim(&mut entries, writer, fields);
    Ok(Applied { object, managed: encode(entries) })
}

fn described(entry: &Entry) -> String {
    let mut text = format!("\"{}\"", entry.manager);
    if let Some(subresource) = &entry.subresource {
        text.push_str(&format!(" with subresource \"{subresource}\""));
    }
    if entry.operation == Operation::Update {
        text.push_str(&format!(" using {}", entry.api_version));
    }
    text
}
