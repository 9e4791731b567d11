//! The scheduler: an unassigned pod goes in, a node is bound or the reason why none fits is written; moves no running pod.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::desk::Desk;
use super::fields::{
    Key, condition, controller_of, expression_holds, finished, has_labels, items, label, map, name, namespace, number, put_condition,
    quantity_milli, selects, set, terminating, text, uid,
};

const COMPONENT: &str = "default-scheduler";

/// Labels of a node that its pods get too (the admission plugin PodTopologyLabels, on since 1.35).
const TOPOLOGY: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// Nodes promised to pods by UID while their volumes are being made.
pub(super) type Promises = BTreeMap<String, String>;

/// A pod that takes room, and where: bound to the node or promised to it.
type Placed<'a> = (&'a Value, &'a str);

/// One attempt to place one pod; one that does not fit is tried again when nodes, claims or pods change.
pub(super) fn sync(desk: &mut Desk, promises: &mut Promises, key: &Key) {
    let Some(pod) = desk.get(key).cloned() else { return };
    if !text(&pod, "/spec/nodeName").is_empty() || terminating(&pod) || finished(&pod) || !items(&pod, "/spec/schedulingGates").is_empty() {
        return;
    }
    desk.write_as("kube-scheduler");
    match claims_ready(desk, &pod).and_then(|unbound| choose(desk, promises, &pod).map(|node| (unbound, node))) {
        Ok((unbound, node)) if unbound.is_empty() => {
            promises.remove(uid(&pod));
            bind(desk, &pod, &node);
        }
        Ok((unbound, node)) => {
            for mut claim in unbound {
                if super::fields::annotation(&claim, "volume.kubernetes.io/selected-node").is_none() {
                    set(&mut claim, &["metadata", "annotations", "volume.kubernetes.io/selected-node"], json!(node));
                    desk.update(claim);
                }
            }
            promises.insert(uid(&pod).to_owned(), node);
        }
        Err(message) => {
            promises.remove(uid(&pod));
            refuse(desk, &pod, &message);
        }
    }
    desk.write_as("kube-controller-manager");
}

/// The claims that still have to be provisioned for the chosen node; an error if the pod cannot be placed yet.
fn claims_ready(desk: &Desk, pod: &Value) -> Result<Vec<Value>, String> {
    let total = desk.list("Node", "").len();
    let mut unbound = Vec::new();
    for volume in items(pod, "/spec/volumes") {
        let claim_name = text(volume, "/persistentVolumeClaim/claimName");
        if claim_name.is_empty() {
            continue;
        }
        let Some(claim) = desk.get(&Key::new("PersistentVolumeClaim", namespace(pod), claim_name)) else {
            return Err(format!(
                "0/{total} nodes are available: persistentvolumeclaim \"{claim_name}\" not found. preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling."
            ));
        };
        if terminating(claim) {
            return Err(format!(
                "0/{total} nodes are available: persistentvolumeclaim \"{claim_name}\" is being deleted. preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling."
            ));
        }
        if text(claim, "/status/phase") == "Bound" {
            continue;
        }
        if !waits_for_consumer(desk, claim) {
            return Err(format!(
                "0/{total} nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling."
            ));
        }
        unbound.push(claim.clone());
    }
    Ok(unbound)
}

fn waits_for_consumer(desk: &Desk, claim: &Value) -> bool {
    let class = Key::new("StorageClass", "", text(claim, "/spec/storageClassName"));
    desk.get(&class).is_some_and(|class| text(class, "/volumeBindingMode") == "WaitForFirstConsumer")
}

/// The promised node if it still fits, else the fitting one with the fewest pods of the same owner, then the fewest pods, then the first name.
fn choose(desk: &Desk, promises: &Promises, pod: &Value) -> Result<String, String> {
    let nodes = desk.list("Node", "");
    let placed: Vec<Placed> = desk
        .list_everywhere("Pod")
        .into_iter()
        .filter(|other| !finished(other) && uid(other) != uid(pod))
        .filter_map(|other| match text(other, "/spec/nodeName") {
            "" => promises.get(uid(other)).map(|node| (other, node.as_str())),
            node => Some((other, node)),
        })
        .collect();
    let promised = promises.get(uid(pod)).and_then(|promised| nodes.iter().find(|node| name(node) == promised));
    if let Some(node) = promised.filter(|node| fits(pod, node, &nodes, &placed).is_ok()) {
        return Ok(name(node).to_owned());
    }
    let owner = controller_of(pod).map_or("", |owner| text(owner, "/uid"));
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<((usize, usize, &str), &Value)> = None;
    for &node in &nodes {
        if let Err(reason) = fits(pod, node, &nodes, &placed) {
            *refusals.entry(reason).or_insert(0) += 1;
            continue;
        }
        let here = placed.iter().filter(|(_, host)| *host == name(node));
        let siblings = here.clone().filter(|(other, _)| controller_of(other).map_or("", |owner| text(owner, "/uid")) == owner).count();
        let rank = (siblings, here.count(), name(node));
        if best.as_ref().is_none_or(|(known, _)| rank < *known) {
            best = Some((rank, node));
        }
    }
    match best {
        Some((_, node)) => Ok(name(node).to_owned()),
        None => {
            let total = nodes.len();
            let reasons: Vec<String> = refusals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            Err(format!(
                "0/{total} nodes are available: {}. preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling.",
                reasons.join(", ")
            ))
        }
    }
}

fn fits(pod: &Value, node: &Value, nodes: &[&Value], placed: &[Placed]) -> Result<(), String> {
    if super::fields::flag(node, "/spec/unschedulable") && !tolerates(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule") {
        return Err("node(s) were unschedulable".to_owned());
    }
    for taint in items(node, "/spec/taints") {
        let (key, value, effect) = (text(taint, "/key"), text(taint, "/value"), text(taint, "/effect"));
        let hard = effect == "NoSchedule" || (effect == "NoExecute" && !key.starts_with("node.kubernetes.io/"));
        if hard && !tolerates(pod, key, value, effect) {
            return Err(format!("node(s) had untolerated taint {{{key}: {value}}}"));
        }
    }
    if !matches_selection(pod, node) {
        return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    if repelled(pod, node, nodes, placed) {
        return Err("node(s) didn't match pod anti-affinity rules".to_owned());
    }
    if skewed(pod, node, nodes, placed) {
        return Err("node(s) didn't match pod topology spread constraints".to_owned());
    }
    enough_room(pod, node, placed)
}

fn tolerates(pod: &Value, key: &str, value: &str, effect: &str) -> bool {
    items(pod, "/spec/tolerations").iter().any(|toleration| {
        let names = text(toleration, "/key");
        let exists = text(toleration, "/operator") == "Exists";
        let key_fits = if names.is_empty() { exists } else { names == key };
        let effect_fits = text(toleration, "/effect").is_empty() || text(toleration, "/effect") == effect;
        key_fits && effect_fits && (exists || text(toleration, "/value") == value)
    })
}

fn matches_selection(pod: &Value, node: &Value) -> bool {
    let labels = map(node, "/metadata/labels");
    let plain = map(pod, "/spec/nodeSelector").is_none_or(|required| has_labels(labels, required));
    let terms = items(pod, "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    plain
        && (terms.is_empty()
            || terms.iter().any(|term| items(term, "/matchExpressions").iter().all(|expression| expression_holds(expression, labels))))
}

/// Whether the pod's own required anti-affinity keeps it off the node's topology domain.
fn repelled(pod: &Value, node: &Value, nodes: &[&Value], placed: &[Placed]) -> bool {
    items(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution").iter().any(|term| {
        let topology = text(term, "/topologyKey");
        let domain = label(node, topology);
        let selector = term.get("labelSelector").unwrap_or(&Value::Null);
        domain.is_some()
            && placed.iter().any(|(other, place)| {
                namespace(other) == namespace(pod)
                    && selects(selector, map(other, "/metadata/labels"))
                    && nodes.iter().any(|host| name(host) == *place && label(host, topology) == domain)
            })
    })
}

/// Whether one more pod in the node's domain would break a hard topology spread constraint.
fn skewed(pod: &Value, node: &Value, nodes: &[&Value], placed: &[Placed]) -> bool {
    let constraints = items(pod, "/spec/topologySpreadConstraints").iter();
    constraints.filter(|constraint| text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway").any(|constraint| {
        let topology = text(constraint, "/topologyKey");
        let Some(domain) = label(node, topology) else { return true };
        let selector = constraint.get("labelSelector").unwrap_or(&Value::Null);
        let mut counts: BTreeMap<&str, i64> = nodes
            .iter()
            .filter(|host| matches_selection(pod, host))
            .filter_map(|host| label(host, topology))
            .map(|domain| (domain, 0))
            .collect();
        for (_, place) in
            placed.iter().filter(|(other, _)| namespace(other) == namespace(pod) && selects(selector, map(other, "/metadata/labels")))
        {
            let host = nodes.iter().find(|host| name(host) == *place);
            if let Some(count) = host.and_then(|host| label(host, topology)).and_then(|domain| counts.get_mut(domain)) {
                *count += 1;
            }
        }
        let least = counts.values().min().copied().unwrap_or(0);
        counts.get(domain).copied().unwrap_or(0) + 1 - least > number(constraint, "/maxSkew").unwrap_or(1)
    })
}

fn requested(pod: &Value, resource: &str) -> i128 {
    let of = |container: &Value| {
        let request = container.pointer(&format!("/resources/requests/{resource}"));
        quantity_milli(request.or_else(|| container.pointer(&format!("/resources/limits/{resource}"))))
    };
    let main: i128 = items(pod, "/spec/containers").iter().map(of).sum();
    let first = items(pod, "/spec/initContainers").iter().map(of).max().unwrap_or(0);
    main.max(first)
}

fn enough_room(pod: &Value, node: &Value, placed: &[Placed]) -> Result<(), String> {
    let here: Vec<&Value> = placed.iter().filter(|(_, host)| *host == name(node)).map(|(other, _)| *other).collect();
    let capacity = node.pointer("/status/allocatable/pods").map_or(110, |pods| quantity_milli(Some(pods)) / 1_000);
    if i128::try_from(here.len()).unwrap_or(i128::MAX) >= capacity {
        return Err("Too many pods".to_owned());
    }
    for resource in ["cpu", "memory"] {
        let Some(allocatable) = node.pointer(&format!("/status/allocatable/{resource}")) else { continue };
        let wanted = requested(pod, resource);
        let used: i128 = here.iter().map(|other| requested(other, resource)).sum();
        if wanted > 0 && used + wanted > quantity_milli(Some(allocatable)) {
            return Err(format!("Insufficient {resource}"));
        }
    }
    Ok(())
}

fn bind(desk: &mut Desk, pod: &Value, node: &str) {
    let mut bound = pod.clone();
    set(&mut bound, &["spec", "nodeName"], json!(node));
    // Binding gives a pod the topology of its node.
    let topology: Vec<(&str, String)> = TOPOLOGY
        .iter()
        .filter_map(|key| label(desk.get(&Key::new("Node", "", node))?, key).map(|value| (*key, value.to_owned())))
        .collect();
    for (key, value) in topology {
        set(&mut bound, &["metadata", "labels", key], json!(value));
    }
    let Ok(mut bound) = desk.try_update(bound) else { return };
    let mut conditions = items(&bound, "/status/conditions").to_vec();
    put_condition(&mut conditions, json!({"type": "PodScheduled", "status": "True"}), desk.now());
    set(&mut bound, &["status", "conditions"], json!(conditions));
    desk.update_status(bound);
    let what = format!("Successfully assigned {}/{} to {node}", namespace(pod), name(pod));
    desk.event(pod, "Normal", "Scheduled", &what, COMPONENT);
}

fn refuse(desk: &mut Desk, pod: &Value, message: &str) {
    let known = condition(pod, "PodScheduled");
    if known.is_some_and(|known| text(known, "/message") == message) {
        return;
    }
    let mut fresh = pod.clone();
    let mut conditions = items(&fresh, "/status/conditions").to_vec();
    let why = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    put_condition(&mut conditions, why, desk.now());
    set(&mut fresh, &["status", "conditions"], json!(conditions));
    desk.update_status(fresh);
    desk.event(pod, "Warning", "FailedScheduling", message, COMPONENT);
}
