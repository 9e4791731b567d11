//! The environment and the command of a container: references go in, resolved texts come out, or the reason why the container cannot be created.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::desk::Desk;
use super::super::fields::{Key, annotation, flag, items, label, map, name, namespace, number, quantity_milli, text, uid};
use super::mounts::content_of;

/// What a pod can say about itself.
pub(super) struct SelfKnowledge<'a> {
    pub(super) pod: &'a Value,
    pub(super) ip: &'a str,
    pub(super) host_ip: &'a str,
}

/// Resolves `envFrom` and `env`; an error is the message of `CreateContainerConfigError`.
pub(super) fn environment(desk: &Desk, container: &Value, known: &SelfKnowledge) -> Result<BTreeMap<String, String>, String> {
    let mut resolved = service_links(desk, known.pod);
    for source in items(container, "/envFrom") {
        let prefix = text(source, "/prefix");
        for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
            let Some(reference) = source.get(field) else { continue };
            match content(desk, kind, namespace(known.pod), text(reference, "/name")) {
                Some(entries) => resolved.extend(entries.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value))),
                None if flag(reference, "/optional") => {}
                None => return Err(format!("{} \"{}\" not found", kind.to_lowercase(), text(reference, "/name"))),
            }
        }
    }
    for entry in items(container, "/env") {
        let value = match entry.get("valueFrom").filter(|source| source.is_object()) {
            Some(source) => value_from(desk, container, source, known)?,
            None => Some(expand(text(entry, "/value"), &resolved)),
        };
        if let Some(value) = value {
            resolved.insert(text(entry, "/name").to_owned(), value);
        }
    }
    Ok(resolved)
}

/// Command and args with `$(VAR)` expanded; `$$(VAR)` stays `$(VAR)`, unknown names stay as they are.
pub(super) fn command(container: &Value, environment: &BTreeMap<String, String>) -> Vec<String> {
    ["/command", "/args"]
        .iter()
        .flat_map(|part| items(container, part))
        .filter_map(Value::as_str)
        .map(|word| expand(word, environment))
        .collect()
}

/// Where the namespace's Services and the API server are, as every pod with `enableServiceLinks` is told (without it: the API server only).
fn service_links(desk: &Desk, pod: &Value) -> BTreeMap<String, String> {
    let linked = pod.pointer("/spec/enableServiceLinks").and_then(Value::as_bool).unwrap_or(true);
    let own = if linked { desk.list("Service", namespace(pod)) } else { Vec::new() };
    let mut links = BTreeMap::new();
    for service in desk.get(&Key::new("Service", "default", "kubernetes")).into_iter().chain(own) {
        let address = text(service, "/spec/clusterIP");
        if address.is_empty() || address == "None" {
            continue;
        }
        let prefix = name(service).to_ascii_uppercase().replace('-', "_");
        links.insert(format!("{prefix}_SERVICE_HOST"), address.to_owned());
        for (position, port) in items(service, "/spec/ports").iter().enumerate() {
            let number = number(port, "/port").unwrap_or(0);
            let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
            let url = format!("{}://{address}:{number}", protocol.to_ascii_lowercase());
            if position == 0 {
                links.insert(format!("{prefix}_SERVICE_PORT"), number.to_string());
                links.insert(format!("{prefix}_PORT"), url.clone());
            }
            if !text(port, "/name").is_empty() {
                let port_name = text(port, "/name").to_ascii_uppercase().replace('-', "_");
                links.insert(format!("{prefix}_SERVICE_PORT_{port_name}"), number.to_string());
            }
            let stem = format!("{prefix}_PORT_{number}_{protocol}");
            links.insert(format!("{stem}_PROTO"), protocol.to_ascii_lowercase());
            links.insert(format!("{stem}_PORT"), number.to_string());
            links.insert(format!("{stem}_ADDR"), address.to_owned());
            links.insert(stem, url);
        }
    }
    links
}

fn value_from(desk: &Desk, container: &Value, source: &Value, known: &SelfKnowledge) -> Result<Option<String>, String> {
    if let Some(path) = source.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
        return Ok(Some(field(known, path)));
    }
    if let Some(resource) = source.pointer("/resourceFieldRef") {
        return Ok(Some(resource_field(container, resource)));
    }
    for (reference, kind, noun) in [("configMapKeyRef", "ConfigMap", "configmap"), ("secretKeyRef", "Secret", "secret")] {
        let Some(wanted) = source.get(reference) else { continue };
        let (object, key) = (text(wanted, "/name"), text(wanted, "/key"));
        let optional = flag(wanted, "/optional");
        return match content(desk, kind, namespace(known.pod), object) {
            None if optional => Ok(None),
            None => Err(format!("{noun} \"{object}\" not found")),
            Some(mut entries) => match entries.remove(key) {
                Some(value) => Ok(Some(value)),
                None if optional => Ok(None),
                None => Err(format!("couldn't find key {key} in {kind} {}/{object}", namespace(known.pod))),
            },
        };
    }
    Ok(None)
}

fn content(desk: &Desk, kind: &str, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
    desk.get(&Key::new(kind, namespace, name)).map(content_of)
}

/// A field of the downward API.
pub(super) fn field(known: &SelfKnowledge, path: &str) -> String {
    let bracketed = |prefix: &str| path.strip_prefix(prefix).and_then(|rest| rest.strip_suffix("']"));
    if let Some(key) = bracketed("metadata.labels['") {
        return label(known.pod, key).unwrap_or_default().to_owned();
    }
    if let Some(key) = bracketed("metadata.annotations['") {
        return annotation(known.pod, key).unwrap_or_default().to_owned();
    }
    match path {
        "metadata.name" => name(known.pod),
        "metadata.namespace" => namespace(known.pod),
        "metadata.uid" => uid(known.pod),
        "metadata.labels" => return listing(known.pod, "/metadata/labels"),
        "metadata.annotations" => return listing(known.pod, "/metadata/annotations"),
        "spec.nodeName" => text(known.pod, "/spec/nodeName"),
        "spec.serviceAccountName" => match text(known.pod, "/spec/serviceAccountName") {
            "" => "default",
            account => account,
        },
        "status.podIP" | "status.podIPs" => known.ip,
        "status.hostIP" | "status.hostIPs" => known.host_ip,
        _ => "",
    }
    .to_owned()
}

/// Lines of `key="value"`, as downward API files show labels and annotations.
fn listing(pod: &Value, pointer: &str) -> String {
    let lines: Vec<String> = map(pod, pointer)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}=\"{}\"", value.as_str().unwrap_or_default().replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    lines.join("\n")
}

fn resource_field(container: &Value, wanted: &Value) -> String {
    let path = text(wanted, "/resource").replace('.', "/");
    let divisor = quantity_milli(wanted.get("divisor")).max(0);
    let divisor = if divisor == 0 { 1_000 } else { divisor };
    let amount = quantity_milli(container.pointer(&format!("/resources/{path}")));
    ((amount + divisor - 1) / divisor).to_string()
}

fn expand(input: &str, environment: &BTreeMap<String, String>) -> String {
    let mut output = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(position) = rest.find('$') {
        output.push_str(&rest[..position]);
        rest = &rest[position + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            output.push('$');
            rest = after;
        } else if let Some((variable, after)) = rest.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
            match environment.get(variable) {
                Some(value) => output.push_str(value),
                None => {
                    output.push_str("$(");
                    output.push_str(variable);
                    output.push(')');
                }
            }
            rest = after;
        } else {
            output.push('$');
        }
    }
    output.push_str(rest);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_escapes_stay_and_unknown_names_are_left_alone() {
        let environment = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(expand("$(A)-$$(A)-$(B)-$A", &environment), "1-$(A)-$(B)-$A");
    }
}
