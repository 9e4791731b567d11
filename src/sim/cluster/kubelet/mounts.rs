//! What a container finds under its mount paths: volumes of a pod go in, identities and files come out, or what is still missing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::desk::Desk;
use super::super::fields::{Key, flag, items, map, namespace, text, uid};
use super::environment::{SelfKnowledge, field};
use crate::sim::runtime::Mount;

/// Checks that every volume of a pod can be mounted; an error is the message of the `FailedMount` event.
pub(super) fn mountable(desk: &Desk, pod: &Value) -> Result<(), String> {
    for volume in items(pod, "/spec/volumes") {
        let volume_name = text(volume, "/name");
        for (kind, object, optional) in references(volume) {
            if !optional && desk.get(&Key::new(kind, namespace(pod), &object)).is_none() {
                return Err(format!(
                    "MountVolume.SetUp failed for volume \"{volume_name}\" : {} \"{object}\" not found",
                    kind.to_lowercase()
                ));
            }
        }
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if !claim.is_empty() {
            match desk.get(&Key::new("PersistentVolumeClaim", namespace(pod), claim)) {
                Some(known) if text(known, "/status/phase") == "Bound" => {}
                Some(_) => return Err(format!("error processing PVC {}/{claim}: PVC is not bound", namespace(pod))),
                None => {
                    return Err(format!(
                        "error processing PVC {0}/{claim}: failed to fetch PVC from API server: persistentvolumeclaims \"{claim}\" not found",
                        namespace(pod)
                    ));
                }
            }
        }
    }
    Ok(())
}

/// ConfigMaps and Secrets behind a volume: kind, name, whether it may be absent.
fn references(volume: &Value) -> Vec<(&'static str, String, bool)> {
    let mut found = Vec::new();
    if let Some(source) = volume.get("configMap") {
        found.push(("ConfigMap", text(source, "/name").to_owned(), flag(source, "/optional")));
    }
    if let Some(source) = volume.get("secret") {
        found.push(("Secret", text(source, "/secretName").to_owned(), flag(source, "/optional")));
    }
    for source in items(volume, "/projected/sources") {
        for (part, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
            if let Some(source) = source.get(part) {
                found.push((kind, text(source, "/name").to_owned(), flag(source, "/optional")));
            }
        }
    }
    found
}

/// Mount paths of a container with what lies behind them; a file mounted by `subPath` is the one file named as its path ends.
pub(super) fn mounts(desk: &Desk, container: &Value, known: &SelfKnowledge) -> BTreeMap<String, Mount> {
    let mut mounts = BTreeMap::new();
    for mount in items(container, "/volumeMounts") {
        let Some(volume) = items(known.pod, "/spec/volumes").iter().find(|volume| text(volume, "/name") == text(mount, "/name")) else {
            continue;
        };
        let path = text(mount, "/mountPath");
        let sub_path = text(mount, "/subPath");
        let behind = match files(desk, volume, known) {
            Some(files) if sub_path.is_empty() => Mount::Files(files),
            Some(mut files) => {
                let file = path.rsplit('/').next().unwrap_or(path).to_owned();
                Mount::Files(files.remove(sub_path).map(|content| BTreeMap::from([(file, content)])).unwrap_or_default())
            }
            None => {
                let identity = identity(desk, volume, known);
                Mount::Volume(if sub_path.is_empty() { identity } else { format!("{identity}/{sub_path}") })
            }
        };
        mounts.insert(path.to_owned(), behind);
    }
    mounts
}

/// Identities of the volumes that end with the pod.
pub(super) fn ephemeral(pod: &Value) -> Vec<String> {
    let volumes = items(pod, "/spec/volumes").iter().filter(|volume| volume.get("emptyDir").is_some() || volume.get("ephemeral").is_some());
    volumes.map(|volume| format!("{}/{}", uid(pod), text(volume, "/name"))).collect()
}

fn identity(desk: &Desk, volume: &Value, known: &SelfKnowledge) -> String {
    let claim = text(volume, "/persistentVolumeClaim/claimName");
    if !claim.is_empty() {
        let key = Key::new("PersistentVolumeClaim", namespace(known.pod), claim);
        return desk.get(&key).map(|claim| uid(claim).to_owned()).unwrap_or_default();
    }
    let host_path = text(volume, "/hostPath/path");
    if !host_path.is_empty() {
        return format!("{}:{host_path}", text(known.pod, "/spec/nodeName"));
    }
    format!("{}/{}", uid(known.pod), text(volume, "/name"))
}

fn files(desk: &Desk, volume: &Value, known: &SelfKnowledge) -> Option<BTreeMap<String, String>> {
    if let Some(source) = volume.get("configMap") {
        return Some(selected(desk, "ConfigMap", text(source, "/name"), source, known));
    }
    if let Some(source) = volume.get("secret") {
        return Some(selected(desk, "Secret", text(source, "/secretName"), source, known));
    }
    if let Some(source) = volume.get("downwardAPI") {
        return Some(downward(source, known));
    }
    volume.get("projected")?;
    let mut files = BTreeMap::new();
    for source in items(volume, "/projected/sources") {
        for (part, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
            if let Some(source) = source.get(part) {
                files.extend(selected(desk, kind, text(source, "/name"), source, known));
            }
        }
        if let Some(source) = source.get("downwardAPI") {
            files.extend(downward(source, known));
        }
    }
    Some(files)
}

fn selected(desk: &Desk, kind: &str, object: &str, source: &Value, known: &SelfKnowledge) -> BTreeMap<String, String> {
    let mut content = desk.get(&Key::new(kind, namespace(known.pod), object)).map(content_of).unwrap_or_default();
    let chosen = items(source, "/items");
    if chosen.is_empty() {
        return content;
    }
    chosen.iter().filter_map(|item| Some((text(item, "/path").to_owned(), content.remove(text(item, "/key"))?))).collect()
}

fn downward(source: &Value, known: &SelfKnowledge) -> BTreeMap<String, String> {
    items(source, "/items").iter().map(|item| (text(item, "/path").to_owned(), field(known, text(item, "/fieldRef/fieldPath")))).collect()
}

/// Entries of a ConfigMap or Secret as text; bytes that are no text are replaced.
pub(super) fn content_of(object: &Value) -> BTreeMap<String, String> {
    let secret = text(object, "/kind") == "Secret";
    let mut entries = BTreeMap::new();
    for (key, value) in map(object, "/data").into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        entries.insert(key.clone(), if secret { decode(value) } else { value.to_owned() });
    }
    for (key, value) in map(object, "/binaryData").into_iter().flatten() {
        entries.insert(key.clone(), decode(value.as_str().unwrap_or_default()));
    }
    for (key, value) in map(object, "/stringData").into_iter().flatten() {
        entries.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    entries
}

/// Base64 to text.
fn decode(encoded: &str) -> String {
    let (mut bits, mut count, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in encoded.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap_or(0));
            bits &= (1 << count) - 1;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_decode_to_the_text_that_was_stored() {
        assert_eq!(decode("cGFzc3dvcmQh"), "password!");
        assert_eq!(decode("cA=="), "p");
        assert_eq!(decode(""), "");
    }
}
