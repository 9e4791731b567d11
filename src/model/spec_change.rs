//! What a resource asks for in, whether that is new out: numbers of nodes, which autoscalers write through the scale subresource, are no change.

use serde::Serialize;
use serde_json::Value;

use super::digest::digest;
use crate::api::{ResourceChange, StarRocksClusterStatus};

/// The digest of a spec without what says how many nodes there are.
pub fn spec_digest(spec: &impl Serialize) -> String {
    // Serialising these types cannot fail: they hold no maps with keys that are not text.
    let mut json = serde_json::to_value(spec).unwrap_or_default();
    for section in json.as_object_mut().into_iter().flat_map(|spec| spec.values_mut()).filter_map(Value::as_object_mut) {
        section.remove("replicas");
        section.remove("autoScalingPolicy");
    }
    digest(&json)
}

/// Whether what is asked was not asked yet when a status was written. Operators before 0.2 noted no more than the generation.
pub fn is_new(asked: &ResourceChange, status: &StarRocksClusterStatus) -> bool {
    status.observed_generation != Some(asked.generation) && status.last_change.as_ref().is_none_or(|known| known.digest != asked.digest)
}

/// The last change, to be noted; the status is that of the pass before. Another digest in the same generation is another release of the operator, which
/// reads more, or less, of the same spec.
pub fn last_change(asked: &ResourceChange, status: &StarRocksClusterStatus) -> ResourceChange {
    let known = status.last_change.as_ref().filter(|_| !is_new(asked, status));
    ResourceChange { generation: known.map_or(asked.generation, |known| known.generation), digest: asked.digest.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(generation: i64, digest: &str) -> ResourceChange {
        ResourceChange { generation, digest: digest.to_owned() }
    }

    fn seen(generation: i64, last_change: Option<ResourceChange>) -> StarRocksClusterStatus {
        StarRocksClusterStatus { observed_generation: Some(generation), last_change, ..StarRocksClusterStatus::default() }
    }

    #[test]
    fn numbers_of_nodes_do_not_count_and_everything_else_does() {
        let spec = |replicas: i32, max: i32, image: &str| {
            spec_digest(&json!({"version": "3.5.9", "starRocksCnSpec":
                {"replicas": replicas, "autoScalingPolicy": {"maxReplicas": max}, "image": image}}))
        };
        assert_eq!(spec(1, 3, "a"), spec(2, 5, "a"));
        assert_ne!(spec(1, 3, "a"), spec(1, 3, "b"));
    }

    #[test]
    fn a_change_is_another_digest_in_another_generation() {
        let status = seen(5, Some(asked(2, "a")));
        let judged = |asked: ResourceChange| (is_new(&asked, &status), last_change(&asked, &status).generation);
        assert_eq!(judged(asked(5, "a")), (false, 2));
        assert_eq!(judged(asked(6, "a")), (false, 2), "scaled");
        assert_eq!(judged(asked(6, "b")), (true, 6));
        assert_eq!(judged(asked(5, "b")), (false, 2), "the operator reads the spec otherwise");
        assert_eq!(last_change(&asked(5, "b"), &status).digest, "b");
    }

    #[test]
    fn a_status_without_a_digest_is_compared_by_its_generation() {
        let status = seen(5, None);
        assert!(!is_new(&asked(5, "a"), &status) && is_new(&asked(6, "a"), &status));
        assert_eq!(last_change(&asked(5, "a"), &status), asked(5, "a"));
    }
}
