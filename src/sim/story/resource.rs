//! A story in, the resource and what it refers to out, as a user would write them; never looks at a seed.

use serde_json::{Value, json};

use super::{Declares, FRONTEND_CONFIG, Manner, Story};
use crate::release::Version;

/// The sections of a resource, with the name of each component in image names.
const SECTIONS: [(&str, &str); 3] = [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be"), ("starRocksCnSpec", "cn")];

/// What a user has to accept so that clusters with single nodes can be upgraded.
pub const CONSENTS: [&str; 2] = ["SingleFrontendOutage", "SingleReplicaTables"];

/// `fe.conf` of a shared-data cluster.
pub const SHARED_CONF: &str = "run_mode = shared_data\ncloud_native_storage_type = S3\n";

impl Story {
    /// The resource at the beginning, with every consent that a small cluster needs: [`CONSENTS`].
    pub fn resource(&self) -> Value {
        let mut spec = json!({
            "upgradePolicy": self.policy(),
            "starRocksFeSpec": {
                "replicas": self.frontends,
                "storageVolumes": [{"name": "fe-meta", "mountPath": "/opt/starrocks/fe/meta", "storageSize": "10Gi"}],
            },
        });
        if self.backends > 0 {
            spec["starRocksBeSpec"] = json!({
                "replicas": self.backends,
                "storageVolumes": [{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageSize": "100Gi"}],
            });
        }
        if self.compute_nodes > 0 {
            spec["starRocksCnSpec"] = json!({"replicas": self.compute_nodes});
        }
        if self.is_shared_data() {
            spec["starRocksFeSpec"]["configMapInfo"] = json!({"configMapName": FRONTEND_CONFIG, "resolveKey": "fe.conf"});
        }
        merge(&mut spec, &self.asking_for(&self.from));
        json!({
            "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster",
            "metadata": {"name": "sim", "namespace": "default"}, "spec": spec,
        })
    }

    /// Nothing is written that means what is meant without it.
    fn policy(&self) -> Value {
        let (manner, usual) = (self.manner, Manner::default());
        let mut policy = json!({"consents": CONSENTS, "canarySoakSeconds": 10});
        if manner.compute_nodes_at_once != usual.compute_nodes_at_once {
            policy["maxUnavailableComputeNodes"] = json!(manner.compute_nodes_at_once);
        }
        if manner.drain != usual.drain {
            policy["drainSeconds"] = json!(manner.drain.as_secs());
        }
        if manner.canaries != usual.canaries {
            policy["canary"]["nodes"] = json!(manner.canaries);
        }
        if manner.verdict {
            policy["canary"]["verdict"] = json!({
                "sql": "SELECT COUNT(*) < 3 FROM information_schema.loads",
                "metrics": [{"name": "starrocks_be_engine_requests_total", "labels": {"status": "failed"}, "max": 0}],
            });
        }
        policy
    }

    /// The part of a spec that asks for a release.
    pub fn asking_for(&self, version: &Version) -> Value {
        self.asking_for_text(&version.to_string())
    }

    /// The part of a spec that asks for something that no table can allow.
    pub fn asking_in_vain(&self) -> Value {
        self.asking_for_text(if self.declares == Declares::Version { "2.5.0" } else { "latest" })
    }

    /// The part of a spec that asks for whatever stands in a tag.
    pub fn asking_for_text(&self, version: &str) -> Value {
        match self.declares {
            Declares::Version => json!({"version": version}),
            Declares::Images => {
                let counts = [self.frontends, self.backends, self.compute_nodes];
                let present = SECTIONS.iter().zip(counts).filter(|(_, count)| *count > 0).map(|(section, _)| section);
                let image = |component: &str| json!({"image": format!("starrocks/{component}-ubuntu:{version}")});
                present.map(|(section, component)| ((*section).to_owned(), image(component))).collect()
            }
        }
    }

    /// What the resource refers to, and what belongs to others in the same namespace and must stay as it is.
    pub fn surroundings(&self) -> Vec<Value> {
        let labels = json!({"app.kubernetes.io/managed-by": "somebody-else"});
        let others = |kind: &str, rest: Value| {
            let mut object = json!({
                "apiVersion": "v1", "kind": kind,
                "metadata": {"name": "of-somebody-else", "namespace": "default", "labels": labels},
            });
            merge(&mut object, &rest);
            object
        };
        let mut objects = vec![
            others("ConfigMap", json!({"data": {"key": "value"}})),
            others("Service", json!({"spec": {"ports": [{"port": 80}]}})),
            others("Secret", json!({"type": "Opaque"})),
        ];
        if self.is_shared_data() {
            objects.push(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": FRONTEND_CONFIG, "namespace": "default"}, "data": {"fe.conf": SHARED_CONF},
            }));
        }
        objects
    }
}

/// A JSON merge patch (RFC 7396).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            if let Some(fields) = target.as_object_mut() {
                fields.remove(key);
            }
        } else {
            merge(&mut target[key], change);
        }
    }
}
