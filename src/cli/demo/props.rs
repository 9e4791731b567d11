//! What a resource names and its file does not hold: Secrets, ConfigMaps and storage classes in, stand-ins for the embedded cluster out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Names of storage that is no claim.
const NO_CLASS: [&str; 2] = ["emptyDir", "hostPath"];

/// Objects that are missing, in the order in which they are to be made. What a stand-in holds means nothing.
pub(in crate::cli) fn stand_ins(documents: &[Value], namespace: &str) -> Vec<Value> {
    let mut wanted = Wanted::default();
    for document in documents {
        wanted.walk(&document["spec"]);
    }
    let given = |kind: &str, name: &str| documents.iter().any(|document| document["kind"] == kind && document["metadata"]["name"] == name);
    let classes = wanted.classes.iter().map(|class| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
            "provisioner": "sim.csi.k8s.io", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer"})
    });
    let objects = wanted.objects.iter().filter(|((kind, name), _)| !given(kind, name)).map(|((kind, name), keys)| {
        let data: BTreeMap<&str, &str> = keys.iter().map(|key| (key.as_str(), "stand-in")).collect();
        let field = if *kind == "Secret" { "stringData" } else { "data" };
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, field: data})
    });
    classes.chain(objects).collect()
}

#[derive(Default)]
struct Wanted {
    classes: BTreeSet<String>,
    objects: BTreeMap<(&'static str, String), BTreeSet<String>>,
}

impl Wanted {
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    self.look(field, value);
                    self.walk(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn look(&mut self, field: &str, value: &Value) {
        match field {
            "storageClassName" => {
                let class = value.as_str().filter(|class| !class.is_empty() && *class != "standard" && !NO_CLASS.contains(class));
                self.classes.extend(class.map(str::to_owned));
            }
            "secretKeyRef" | "secretRef" => self.want("Secret", value),
            "configMapKeyRef" | "configMapRef" => self.want("ConfigMap", value),
            "secrets" => value.as_array().into_iter().flatten().for_each(|item| self.want("Secret", item)),
            "configMaps" => value.as_array().into_iter().flatten().for_each(|item| self.want("ConfigMap", item)),
            _ => {}
        }
    }

    fn want(&mut self, kind: &'static str, reference: &Value) {
        let Some(name) = reference["name"].as_str().filter(|name| !name.is_empty()) else { return };
        let keys = self.objects.entry((kind, name.to_owned())).or_default();
        keys.extend(reference["key"].as_str().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_names_and_does_not_hold_gets_a_stand_in() {
        let cluster = json!({"kind": "StarRocksCluster", "spec": {"starRocksFeSpec": {
            "storageVolumes": [{"storageClassName": "fast"}, {"storageClassName": "emptyDir"}, {"storageClassName": "standard"}],
            "feEnvVars": [{"valueFrom": {"secretKeyRef": {"name": "keys", "key": "secret"}}}],
            "configMaps": [{"name": "given"}, {"name": "missing"}]}}});
        let given = json!({"kind": "ConfigMap", "metadata": {"name": "given"}});
        let made = stand_ins(&[given, cluster], "ns");
        let names: Vec<(&str, &str)> =
            made.iter().map(|object| (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())).collect();
        assert_eq!(names, [("StorageClass", "fast"), ("ConfigMap", "missing"), ("Secret", "keys")]);
        assert_eq!(made[2]["stringData"]["secret"], "stand-in");
    }
}
