//! Publishes notices as Kubernetes events, each text once while it keeps being said; a failing event never fails anything else.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::ApiResource;
use serde_json::{Value, json};

use super::kinds::ResourceKind;
use super::objects::create;
use super::report::StepError;
use crate::model::component::FIELD_MANAGER;
use crate::model::{Notice, Timestamp};

/// How long a notice must not have been said before it is published again: as long as Kubernetes keeps an event.
const QUIET: Duration = Duration::from_secs(3_600);
/// Texts remembered at most.
const MOST: usize = 4_096;
/// Kubernetes refuses longer notes.
const LONGEST_NOTE: usize = 1_024;

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Regarding {
    /// Kind of the resource.
    pub kind: ResourceKind,
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// UID of the resource.
    pub uid: String,
}

/// Publishes events and remembers what was said.
#[derive(Debug)]
pub struct Events {
    /// Name of this process, for `reportingInstance`.
    identity: String,
    said: Mutex<BTreeMap<(Regarding, String, String), Timestamp>>,
}

impl Events {
    /// A publisher for the process called `identity`.
    pub fn new(identity: impl Into<String>) -> Self {
        Self { identity: identity.into(), said: Mutex::default() }
    }

    /// Publishes a notice unless the same was said within the last hour; returns whether it was published.
    ///
    /// # Errors
    /// When the API server refuses; the notice then counts as said.
    pub async fn publish(&self, client: &Client, regarding: &Regarding, notice: &Notice, now: Timestamp) -> Result<bool, StepError> {
        if !self.is_news(regarding, notice, now) {
            return Ok(false);
        }
        let resource = ApiResource {
            group: "events.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "events.k8s.io/v1".to_owned(),
            kind: "Event".to_owned(),
            plural: "events".to_owned(),
        };
        create(client, &regarding.namespace, &resource, self.event(regarding, notice, now)).await?;
        Ok(true)
    }

    fn is_news(&self, regarding: &Regarding, notice: &Notice, now: Timestamp) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST {
            said.retain(|_, last| now.since(*last) < QUIET);
        }
        if said.len() >= MOST {
            said.pop_first();
        }
        let key = (regarding.clone(), notice.reason.clone(), notice.message.clone());
        said.insert(key, now).is_none_or(|last| now.since(last) >= QUIET)
    }

    fn event(&self, regarding: &Regarding, notice: &Notice, now: Timestamp) -> Value {
        let time = micro_time(now);
        let note = shortened(&notice.message);
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "name": event_name(regarding, notice, now), "namespace": regarding.namespace },
            "eventTime": time,
            "type": if notice.warning { "Warning" } else { "Normal" },
            "reason": notice.reason,
            "action": "Reconcile",
            "note": note,
            "reportingController": format!("starrocks.com/{FIELD_MANAGER}"),
            "reportingInstance": self.identity,
            "regarding": {
                "apiVersion": "starrocks.com/v1",
                "kind": regarding.kind.name(),
                "name": regarding.name,
                "namespace": regarding.namespace,
                "uid": regarding.uid,
            },
        })
    }
}

/// As much of a text as Kubernetes takes for a note, cut between characters.
fn shortened(text: &str) -> &str {
    let whole = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=LONGEST_NOTE.min(text.len())).rev().find(whole).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// A name that the same event gets again and others do not.
fn event_name(regarding: &Regarding, notice: &Notice, now: Timestamp) -> String {
    // FNV-1a: stable over builds, which the standard hasher does not promise.
    let texts = [&regarding.uid, &notice.reason, &notice.message];
    let hash = texts
        .iter()
        .flat_map(|text| text.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let stem: String = regarding.name.chars().take(200).collect();
    format!("{stem}.{:x}{:08x}", now.as_millis(), hash & 0xffff_ffff)
}

/// `metav1.MicroTime` wants exactly six digits.
fn micro_time(moment: Timestamp) -> String {
    let seconds = moment.to_seconds_text();
    format!("{}.{:03}000Z", seconds.trim_end_matches('Z'), moment.as_millis().rem_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regarding() -> Regarding {
        Regarding { kind: ResourceKind::Cluster, namespace: "n".to_owned(), name: "c".to_owned(), uid: "u".to_owned() }
    }

    fn notice(message: &str) -> Notice {
        Notice { warning: false, reason: "Upgrading".to_owned(), message: message.to_owned() }
    }

    #[test]
    fn a_notice_repeated_on_every_pass_is_published_once() {
        let events = Events::new("test");
        let start = Timestamp::from_seconds(1_000);
        assert!(events.is_news(&regarding(), &notice("a"), start));
        for minute in 1..200 {
            assert!(!events.is_news(&regarding(), &notice("a"), start + Duration::from_secs(60 * minute)));
        }
        assert!(events.is_news(&regarding(), &notice("b"), start));
        assert!(events.is_news(&regarding(), &notice("a"), start + Duration::from_secs(60 * 199 + 3_600)));
    }

    #[test]
    fn an_event_has_the_time_format_and_the_bounds_that_kubernetes_demands() {
        let moment = Timestamp::from_millis(1_795_447_716_007);
        assert_eq!(micro_time(moment), "2026-11-23T15:28:36.007000Z");
        let event = Events::new("pod-1").event(&regarding(), &notice(&"ä".repeat(3_000)), moment);
        assert!(event["note"].as_str().is_some_and(|note| note.len() <= LONGEST_NOTE));
        assert_eq!(event["regarding"]["kind"], "StarRocksCluster");
    }
}
