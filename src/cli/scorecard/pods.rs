//! A pod's specification in, what keeps it from running restricted and being looked after out. Source: the restricted Pod Security Standard.

use serde_json::Value;

use super::bundle::text;
use super::verdict::Finding;

/// Judges the pod of a Deployment.
pub(super) fn judge(file: &str, field: &str, pod: &Value, errors: &mut Vec<Finding>) {
    let mut find = |below: &str, rule: &str, way_out: &str| errors.push(Finding::new(file, format!("{field}.{below}"), rule, way_out));
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[host] == true {
            find(host, "shares the node", "take it out");
        }
    }
    for (index, volume) in pod["volumes"].as_array().into_iter().flatten().enumerate() {
        if volume.get("hostPath").is_some() {
            find(&format!("volumes[{index}]"), "is a path of the node", "use an emptyDir");
        }
    }
    judge_identity("securityContext", &pod["securityContext"], &mut find);
    for list in ["initContainers", "containers"] {
        for (index, container) in pod[list].as_array().into_iter().flatten().enumerate() {
            let place = format!("{list}[{index}]");
            judge_container(&place, container, &pod["securityContext"], &mut find);
            if list == "containers" {
                judge_care(&place, container, &mut find);
            }
        }
    }
}

/// OpenShift gives a user and a group of its own to each namespace.
fn judge_identity(place: &str, context: &Value, find: &mut impl FnMut(&str, &str, &str)) {
    for identity in ["runAsUser", "runAsGroup", "fsGroup"] {
        if !context[identity].is_null() {
            find(&format!("{place}.{identity}"), "is fixed", "take it out: OpenShift gives one, and the image names a numeric user");
        }
    }
}

fn judge_container(place: &str, container: &Value, of_pod: &Value, find: &mut impl FnMut(&str, &str, &str)) {
    let own = &container["securityContext"];
    let context = format!("{place}.securityContext");
    judge_identity(&context, own, find);
    let inherited = |field: &str| if own[field].is_null() { &of_pod[field] } else { &own[field] };
    let at = |field: &str| format!("{context}.{field}");
    if inherited("runAsNonRoot") != true {
        find(&at("runAsNonRoot"), "is not true", "set it, here or for the pod");
    }
    if !matches!(text(inherited("seccompProfile"), "/type"), Some("RuntimeDefault" | "Localhost")) {
        find(&at("seccompProfile"), "is not RuntimeDefault", "set it, here or for the pod");
    }
    if own["allowPrivilegeEscalation"] != false {
        find(&at("allowPrivilegeEscalation"), "is not false", "set it");
    }
    if own["readOnlyRootFilesystem"] != true {
        find(&at("readOnlyRootFilesystem"), "is not true", "set it: the operator writes no file");
    }
    if own["privileged"] == true {
        find(&at("privileged"), "is true", "take it out");
    }
    let words = |list: &Value| list.as_array().cloned().unwrap_or_default();
    if !words(&own["capabilities"]["drop"]).contains(&Value::from("ALL")) {
        find(&at("capabilities.drop"), "does not name ALL", "drop all");
    }
    if !words(&own["capabilities"]["add"]).is_empty() {
        find(&at("capabilities.add"), "is not empty", "take it out");
    }
    for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
        if !port["hostPort"].is_null() {
            find(&format!("{place}.ports[{index}].hostPort"), "takes a port of the node", "take it out");
        }
    }
}

/// What the scheduler and the kubelet need to look after a container.
fn judge_care(place: &str, container: &Value, find: &mut impl FnMut(&str, &str, &str)) {
    for probe in ["livenessProbe", "readinessProbe"] {
        if !container[probe].is_object() {
            find(&format!("{place}.{probe}"), "is missing", "add it: /healthz or /readyz of the operator");
        }
    }
    for (kind, resource) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
        if container["resources"][kind][resource].is_null() {
            find(&format!("{place}.resources.{kind}.{resource}"), "is missing", "set it");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Package;
    use super::*;

    /// Where something is found when a change was made to the operator's pod, or to its container.
    fn found(pod: bool, pointer: &str, value: Value) -> String {
        let mut package = Package::sound();
        let spec = package.csv().pointer_mut("/spec/install/spec/deployments/0/spec/template/spec").unwrap();
        let place = if pod { &mut *spec } else { &mut spec["containers"][0] };
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        place.pointer_mut(parent).unwrap()[last] = value;
        let mut errors = Vec::new();
        judge("file", "pod", spec, &mut errors);
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0).field
    }

    #[test]
    fn the_pod_of_a_sound_package_passes() {
        let mut package = Package::sound();
        let mut errors = Vec::new();
        judge("file", "pod", package.csv().pointer("/spec/install/spec/deployments/0/spec/template/spec").unwrap(), &mut errors);
        assert_eq!(errors, []);
    }

    #[test]
    fn a_pod_that_is_not_restricted_is_found() {
        for (pointer, value, field) in [
            ("/hostNetwork", json!(true), "pod.hostNetwork"),
            ("/volumes", json!([{"name": "v", "hostPath": {"path": "/"}}]), "pod.volumes[0]"),
            ("/securityContext/runAsUser", json!(1000), "pod.securityContext.runAsUser"),
            ("/securityContext/runAsNonRoot", json!(false), "pod.containers[0].securityContext.runAsNonRoot"),
            ("/securityContext/seccompProfile", json!({"type": "Unconfined"}), "pod.containers[0].securityContext.seccompProfile"),
        ] {
            assert_eq!(found(true, pointer, value), field);
        }
        for (pointer, value, field) in [
            ("/securityContext/allowPrivilegeEscalation", json!(true), "securityContext.allowPrivilegeEscalation"),
            ("/securityContext/readOnlyRootFilesystem", json!(false), "securityContext.readOnlyRootFilesystem"),
            ("/securityContext/privileged", json!(true), "securityContext.privileged"),
            ("/securityContext/runAsUser", json!(0), "securityContext.runAsUser"),
            ("/securityContext/capabilities/drop", json!(["NET_RAW"]), "securityContext.capabilities.drop"),
            ("/securityContext/capabilities/add", json!(["NET_ADMIN"]), "securityContext.capabilities.add"),
            ("/ports", json!([{"hostPort": 80}]), "ports[0].hostPort"),
            ("/livenessProbe", Value::Null, "livenessProbe"),
            ("/readinessProbe", Value::Null, "readinessProbe"),
            ("/resources/requests/cpu", Value::Null, "resources.requests.cpu"),
            ("/resources/limits/memory", Value::Null, "resources.limits.memory"),
        ] {
            assert_eq!(found(false, pointer, value), format!("pod.containers[0].{field}"));
        }
    }
}
