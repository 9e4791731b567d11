//! Core events about objects: equal ones raise a count, floods are cut as client-go cuts them, old ones go after an hour; reads no other object.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::fields::{name, namespace, set, text, uid};
use crate::model::Timestamp;
use crate::sim::kube::{DeleteOptions, Store};

/// Events of one object before the flood filter speaks up (client-go's `defaultSpamBurst`).
const BURST: u32 = 25;
/// One more event is allowed each five minutes (client-go's `defaultSpamQPS` of 1/300).
const REFILL: Duration = Duration::from_secs(300);
/// The API server's `--event-ttl`.
const LIFETIME: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    filled: Timestamp,
}

#[derive(Clone, Debug)]
struct Known {
    namespace: String,
    name: String,
    count: i64,
}

/// Remembers which events exist.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder {
    known: BTreeMap<(String, String, String), Known>,
    buckets: BTreeMap<(String, String), Bucket>,
    expiry: VecDeque<(Timestamp, String, String)>,
    serial: u64,
}

impl Recorder {
    /// Records `(type, reason, message, component)`, the component as `NAME`, `NAME/HOST` or `NAME/HOST#FIELD.PATH`.
    pub(super) fn record(&mut self, store: &mut Store, now: Timestamp, object: &Value, what: (&str, &str, &str, &str)) {
        let (_, reason, message, component) = what;
        let subject = if uid(object).is_empty() { name(object) } else { uid(object) };
        let source = component.split_once('#').map_or(component, |(source, _)| source);
        if !self.allowed(subject, source, now) {
            return;
        }
        let identity = (subject.to_owned(), reason.to_owned(), message.to_owned());
        if let Some(known) = self.known.get_mut(&identity)
            && let Some(mut event) = store.get("Event", &known.namespace, &known.name).cloned()
        {
            known.count += 1;
            set(&mut event, &["count"], json!(known.count));
            set(&mut event, &["lastTimestamp"], json!(now.to_seconds_text()));
            self.expiry.push_back((now + LIFETIME, known.namespace.clone(), known.name.clone()));
            // An event that nobody can store is nobody's loss.
            let _ = store.update(event, component_manager(component));
            return;
        }
        self.serial += 1;
        let event = self.compose(object, what, now);
        let (event_namespace, event_name) = (namespace(&event).to_owned(), name(&event).to_owned());
        if store.create(event, component_manager(component)).is_err() {
            return;
        }
        self.expiry.push_back((now + LIFETIME, event_namespace.clone(), event_name.clone()));
        self.known.insert(identity, Known { namespace: event_namespace, name: event_name, count: 1 });
    }

    /// Deletes events that nobody repeated for an hour.
    pub(super) fn expire(&mut self, store: &mut Store, now: Timestamp) {
        while self.expiry.front().is_some_and(|(at, _, _)| *at <= now) {
            let Some((_, event_namespace, event_name)) = self.expiry.pop_front() else { return };
            let last = store.get("Event", &event_namespace, &event_name).and_then(|event| Timestamp::parse(text(event, "/lastTimestamp")));
            // A repetition queued the event again with a later end.
            if last.is_some_and(|last| last + LIFETIME > now) {
                continue;
            }
            // A bucket that has filled up again is as good as none.
            self.buckets.retain(|_, bucket| now.since(bucket.filled) < REFILL * BURST);
            let _ = store.delete("Event", &event_namespace, &event_name, DeleteOptions::default());
            self.known.retain(|_, known| known.name != event_name || known.namespace != event_namespace);
        }
    }

    fn allowed(&mut self, subject: &str, component: &str, now: Timestamp) -> bool {
        let bucket = self.buckets.entry((subject.to_owned(), component.to_owned())).or_insert(Bucket { tokens: BURST, filled: now });
        let gained = u32::try_from(now.since(bucket.filled).as_secs() / REFILL.as_secs()).unwrap_or(u32::MAX);
        if gained > 0 {
            bucket.tokens = bucket.tokens.saturating_add(gained).min(BURST);
            bucket.filled = bucket.filled + REFILL * gained;
        }
        match bucket.tokens.checked_sub(1) {
            Some(left) => {
                bucket.tokens = left;
                true
            }
            None => false,
        }
    }

    fn compose(&self, object: &Value, (kind, reason, message, component): (&str, &str, &str, &str), now: Timestamp) -> Value {
        let place = if namespace(object).is_empty() { "default" } else { namespace(object) };
        let (component, place_in_object) = component.split_once('#').unwrap_or((component, ""));
        let (component, host) = component.split_once('/').unwrap_or((component, ""));
        let mut source = json!({"component": component});
        if !host.is_empty() {
            set(&mut source, &["host"], json!(host));
        }
        let mut involved = json!({"apiVersion": text(object, "/apiVersion"), "kind": text(object, "/kind"), "name": name(object)});
        for (field, value) in [
            ("namespace", namespace(object)),
            ("uid", uid(object)),
            ("resourceVersion", text(object, "/metadata/resourceVersion")),
            ("fieldPath", place_in_object),
        ] {
            if !value.is_empty() {
                set(&mut involved, &[field], json!(value));
            }
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": format!("{}.{:016x}", name(object), (u64::try_from(now.as_millis()).unwrap_or(0) << 16) | (self.serial & 0xffff)), "namespace": place},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": source,
            "reportingComponent": component,
            "reportingInstance": host,
            "count": 1,
            "firstTimestamp": now.to_seconds_text(),
            "lastTimestamp": now.to_seconds_text(),
        })
    }
}

/// The name under which a component writes.
fn component_manager(component: &str) -> &'static str {
    if component.starts_with("kubelet") {
        "kubelet"
    } else if component.starts_with("default-scheduler") {
        "kube-scheduler"
    } else {
        "kube-controller-manager"
    }
}
