//! A workload, an image and a node in, a pod that does nothing but have the image pulled there out; nothing selects it, and it runs no StarRocks.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

use super::metadata;
use super::stateful_set::stateful_set_with;
use crate::model::cluster::{Cluster, Workload};
use crate::model::component::{PULL_CONTAINER, pull_labels};
use crate::model::digest::digest;
use crate::release::Image;

/// Enough to start a program that ends at once.
const RESOURCES: [(&str, &str); 2] = [("cpu", "10m"), ("memory", "32Mi")];
/// Taints that a kubelet puts on its node for a while; a pod of the component that runs there bears them as well.
const PASSING: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Name of the pod that has an image pulled to a node: the same for the same pair.
pub fn pull_name(cluster: &Cluster, node: &str, image: &str) -> String {
    let hash = digest(&json!([node, image]));
    format!("{}-pull-{}", cluster.name, hash.get(..10).unwrap_or(&hash))
}

/// The pod. It has what decides about pulling and admission from the component's own pods (pull secrets, account, security, runtime, tolerations), goes to the
/// node past the scheduler, since that is where the component's pod is, and asks for next to nothing.
pub fn pull_pod(cluster: &Cluster, workload: &Workload, node: &str, image: &str) -> Pod {
    let written = stateful_set_with(cluster, workload, &Image::parse(image), super::Strategy::AsWritten);
    let template = written.spec.and_then(|spec| spec.template.spec).unwrap_or_default();
    let main = template.containers.into_iter().find(|container| container.name == workload.component.container()).unwrap_or_default();
    let resources: BTreeMap<String, Quantity> =
        RESOURCES.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).collect();
    let mut tolerations = template.tolerations.unwrap_or_default();
    tolerations.extend(PASSING.into_iter().map(|key| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        ..Toleration::default()
    }));
    let mut metadata = metadata::owned(cluster, pull_name(cluster, node, image), pull_labels(&cluster.name));
    // It goes with the cluster, which is no controller to it: a PodDisruptionBudget that selects the pod would take the scale of its controller for pods that
    // should run, and never allow anything.
    for owner in metadata.owner_references.iter_mut().flatten() {
        owner.controller = Some(false);
    }
    Pod {
        metadata,
        spec: Some(PodSpec {
            containers: vec![Container {
                name: PULL_CONTAINER.to_owned(),
                image: Some(image.to_owned()),
                image_pull_policy: main.image_pull_policy,
                command: Some(vec!["true".to_owned()]),
                resources: Some(ResourceRequirements {
                    limits: Some(resources.clone()),
                    requests: Some(resources),
                    ..ResourceRequirements::default()
                }),
                security_context: main.security_context,
                ..Container::default()
            }],
            node_name: Some(node.to_owned()),
            restart_policy: Some("Never".to_owned()),
            termination_grace_period_seconds: Some(0),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            service_account_name: template.service_account_name,
            image_pull_secrets: template.image_pull_secrets,
            security_context: template.security_context,
            runtime_class_name: template.runtime_class_name,
            tolerations: Some(tolerations),
            ..PodSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::StarRocksCluster;
    use crate::model::Component;
    use crate::model::cluster::Conventions;
    use crate::validate::{References, validate};

    fn pull(spec: Value) -> Value {
        let resource: StarRocksCluster = serde_json::from_value(json!({
            "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "metadata": { "name": "c", "namespace": "n", "uid": "u" },
            "spec": { "version": "3.5.9", "starRocksFeSpec": { "replicas": 1 }, "starRocksBeSpec": spec },
        }))
        .expect("a resource");
        let cluster = validate(&resource, &References::default(), &Conventions::default()).expect("valid");
        let workload = cluster.workload(Component::Backend).expect("there are backends");
        serde_json::to_value(pull_pod(&cluster, workload, "node-1", "r/be-ubuntu:3.5.20")).expect("JSON")
    }

    #[test]
    fn it_goes_with_the_cluster_and_no_budget_counts_it_by_the_scale_of_a_controller() {
        let owners = &pull(json!({ "replicas": 1 }))["metadata"]["ownerReferences"];
        assert_eq!(
            (&owners[0]["kind"], &owners[0]["uid"], &owners[0]["controller"]),
            (&json!("StarRocksCluster"), &json!("u"), &json!(false))
        );
        assert_eq!(owners.as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn it_is_pulled_and_admitted_as_the_components_own_pods_are_and_carries_nothing_else_of_them() {
        let pod = pull(json!({
            "replicas": 1, "serviceAccount": "mine", "imagePullSecrets": [{ "name": "registry" }], "runAsNonRoot": true,
            "tolerations": [{ "key": "db", "operator": "Exists" }], "podLabels": { "team": "data" }, "beEnvVars": [{ "name": "A", "value": "b" }],
            "storageVolumes": [{ "name": "be-data", "storageSize": "10Gi", "mountPath": "/opt/starrocks/be/storage" }],
        }));
        let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
        assert_eq!(
            (&spec["nodeName"], &spec["restartPolicy"], &spec["serviceAccountName"]),
            (&json!("node-1"), &json!("Never"), &json!("mine"))
        );
        assert_eq!((&spec["imagePullSecrets"][0]["name"], &spec["tolerations"][0]["key"]), (&json!("registry"), &json!("db")));
        assert_eq!((&container["image"], &container["command"]), (&json!("r/be-ubuntu:3.5.20"), &json!(["true"])));
        assert_eq!((&container["securityContext"]["runAsNonRoot"], &spec["automountServiceAccountToken"]), (&json!(true), &json!(false)));
        assert_eq!(
            pod["metadata"]["labels"],
            json!({ "app.kubernetes.io/component": "image-pull", "app.starrocks.ownerreference/name": "c-image-pull" })
        );
        for absent in ["volumes", "initContainers", "affinity"] {
            assert!(spec[absent].is_null(), "{absent}");
        }
        assert!(container["env"].is_null() && container["volumeMounts"].is_null() && container["livenessProbe"].is_null());
    }
}
