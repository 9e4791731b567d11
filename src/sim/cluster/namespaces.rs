//! What every namespace holds from the start: its default ServiceAccount and the cluster's root certificate; empties no namespace.

use serde_json::json;

use super::desk::Desk;
use super::fields::{Key, terminating};

/// One pass over one namespace.
pub(super) fn sync(desk: &mut Desk, key: &Key) {
    if desk.get(key).is_none_or(terminating) {
        return;
    }
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": key.name}});
    let certificate = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kube-root-ca.crt", "namespace": key.name},
        "data": {"ca.crt": "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVk\n-----END CERTIFICATE-----\n"},
    });
    for object in [account, certificate] {
        if desk.get(&Key::of(&object)).is_none() {
            // Refused only by a namespace that began to end in this very moment.
            let _ = desk.try_create(object);
        }
    }
}
