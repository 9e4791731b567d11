//! What is known to go wrong with the Go operator and shows only when a whole operator acts: events, addresses, odd volumes, the proxy, replicas of an autoscaler.

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, SUBJECT, resource};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{apply, change, pass, play, risen, stage, status};
use crate::warehouses::get;

fn api(embedded: &Embedded, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(embedded.client(), SUBJECT.namespace, &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
}

fn uids(embedded: &Embedded, component: &str) -> Vec<String> {
    let world = embedded.world();
    let of = |pod: &&Value| pod["metadata"]["labels"]["app.kubernetes.io/component"] == component;
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    world.store.list("Pod", Some(SUBJECT.namespace)).into_iter().filter(of).map(uid).collect()
}

/// D12: the Go operator may write events in its own namespace only, where nobody looks for them.
#[test]
fn events_are_written_in_the_namespace_of_what_they_are_about() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        change(&embedded, json!({"spec": {"starRocksBeSpec": {"annotations": {"a": "b"}}}})).await;
        pass(120).await;
        let world = embedded.world();
        let uid = world.store.get("StarRocksCluster", "prod", "kube").expect("it exists")["metadata"]["uid"].clone();
        let ours = |event: &&Value| event.to_string().contains("starrocks.com/starrocks-operator");
        let all: Vec<Value> = world.store.list("Event", None).into_iter().filter(ours).cloned().collect();
        assert!(!all.is_empty());
        for event in &all {
            let about = if event["regarding"].is_object() { &event["regarding"] } else { &event["involvedObject"] };
            assert_eq!(
                (&event["metadata"]["namespace"], &about["namespace"], &about["uid"]),
                (&json!("prod"), &json!("prod"), &uid),
                "{event}"
            );
        }
        drop(world);
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new(), "nor is one refused");
    });
}

/// D13: the Go operator leaves these out of its hashes, so that a change of one of them alone does nothing.
#[test]
fn an_address_for_a_load_balancer_alone_reaches_its_service() {
    play(async {
        let embedded = risen(1, "3.5.9", [1, 1, 0]).await;
        let service =
            |address: &str| json!({"spec": {"starRocksFeSpec": {"service": {"type": "LoadBalancer", "loadBalancerIP": address}}}});
        change(&embedded, service("10.1.2.3")).await;
        let pods = uids(&embedded, "fe");
        change(&embedded, service("10.1.2.4")).await;
        pass(30).await;
        let live = get(&embedded, "Service", "kube-fe-service").expect("it exists");
        assert_eq!((&live["spec"]["type"], &live["spec"]["loadBalancerIP"]), (&json!("LoadBalancer"), &json!("10.1.2.4")));
        assert_eq!(uids(&embedded, "fe"), pods, "no pod is touched for it");
    });
}

/// D14: a volume that is only called like the default one takes its place, as before, and it is said what does not last.
#[test]
fn a_volume_that_only_sounds_like_the_metadata_is_told_on_the_resource() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let mut wanted = resource("3.5.9", [1, 1, 0]);
        wanted["spec"]["starRocksFeSpec"]["storageVolumes"] =
            json!([{"name": "old-meta", "mountPath": "/elsewhere", "storageSize": "10Gi"}]);
        apply(&embedded, &wanted).await;
        let set = get(&embedded, "StatefulSet", "kube-fe").expect("it exists");
        let mounts = set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].to_string();
        assert!(mounts.contains("/elsewhere") && !mounts.contains("fe/meta"), "{mounts}");
        let told = serde_json::to_string(&status(&embedded).conditions).expect("JSON");
        assert!(told.contains("SR-3502"), "{told}");
    });
}

/// D24: a volume with a claim that nobody makes gives the Go operator's proxy a mount without a volume.
#[test]
fn a_proxy_with_what_it_does_not_have_serves_and_is_told() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "cache", "namespace": "prod"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        embedded.apply(&claim).await.expect("accepted");
        let mut wanted = resource("3.5.9", [1, 1, 0]);
        wanted["spec"]["starRocksFeProxySpec"] = json!({"replicas": 1, "startupProbeFailureSeconds": 60, "resolver": "dns.corp.example",
            "storageVolumes": [{"name": "cache", "mountPath": "/var/cache/nginx", "storageSize": "1Gi"}]});
        apply(&embedded, &wanted).await;
        let pod = get(&embedded, "Deployment", "kube-fe-proxy").expect("it exists")["spec"]["template"]["spec"].clone();
        let names = |list: &Value| {
            list.as_array().into_iter().flatten().filter_map(|item| item["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let volumes = names(&pod["volumes"]);
        assert!(names(&pod["containers"][0]["volumeMounts"]).iter().all(|mount| volumes.contains(mount)), "{pod}");
        let conf = get(&embedded, "ConfigMap", "kube-fe-proxy").expect("it exists")["data"]["nginx.conf"].to_string();
        assert!(conf.contains("resolver dns.corp.example"), "{conf}");
        let told = serde_json::to_string(&status(&embedded).conditions).expect("JSON");
        assert!(told.contains("SR-3507") && told.contains("starRocksFeProxySpec"), "{told}");
    });
}

/// D29: the schema fills in one replica wherever a resource is put as a whole without them.
#[test]
fn a_resource_that_is_put_without_replicas_leaves_them_to_its_autoscaler() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let mut wanted = resource("3.5.9", [1, 1, 1]);
        let section = wanted["spec"]["starRocksCnSpec"].as_object_mut().expect("a section");
        section.remove("replicas");
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}});
        section.insert("autoScalingPolicy".to_owned(), json!({"minReplicas": 1, "maxReplicas": 5, "hpaPolicy": {"metrics": [metric]}}));
        apply(&embedded, &wanted).await;
        // What Kubernetes does: the scale, then the status.
        let clusters = api(&embedded, "starrocks.com", "v1", "StarRocksCluster");
        let scale = |replicas: u32| Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let scalers = api(&embedded, "autoscaling", "v2", "HorizontalPodAutoscaler");
        let says = |replicas: u32, active: &str| {
            let condition = json!({"type": "ScalingActive", "status": active, "lastTransitionTime": "2026-01-01T00:00:00Z"});
            Patch::Merge(json!({"status": {"desiredReplicas": replicas, "currentReplicas": replicas, "conditions": [condition]}}))
        };
        clusters.patch_scale(SUBJECT.name, &PatchParams::default(), &scale(3)).await.expect("scaled");
        scalers.patch_status("kube-cn-autoscaler", &PatchParams::default(), &says(3, "True")).await.expect("accepted");
        settle(&embedded).await;
        let pods = uids(&embedded, "cn");
        assert_eq!(pods.len(), 3);

        let mut put: DynamicObject = clusters.get(SUBJECT.name).await.expect("it exists");
        let replicas = |object: &DynamicObject| object.data["spec"]["starRocksCnSpec"]["replicas"].clone();
        put.data["spec"]["starRocksCnSpec"].as_object_mut().expect("a section").remove("replicas");
        put.data["spec"]["starRocksCnSpec"]["annotations"] = json!({});
        let seen = clusters.replace(SUBJECT.name, &PostParams::default(), &put).await.expect("accepted");
        assert_eq!(replicas(&seen), json!(1), "the schema fills it in");
        pass(600).await;
        assert_eq!((uids(&embedded, "cn"), status(&embedded).phase), (pods.clone(), "running".to_owned()));
        // The autoscaler looks again and says the same.
        clusters.patch_scale(SUBJECT.name, &PatchParams::default(), &scale(3)).await.expect("scaled");
        settle(&embedded).await;
        assert_eq!(uids(&embedded, "cn"), pods);

        // It scales in itself: first the scale, then its status.
        clusters.patch_scale(SUBJECT.name, &PatchParams::default(), &scale(1)).await.expect("scaled");
        scalers.patch_status("kube-cn-autoscaler", &PatchParams::default(), &says(1, "True")).await.expect("accepted");
        pass(300).await;
        assert_eq!(uids(&embedded, "cn").len(), 1);

        // One that cannot decide has no say.
        clusters.patch_scale(SUBJECT.name, &PatchParams::default(), &scale(3)).await.expect("scaled");
        scalers.patch_status("kube-cn-autoscaler", &PatchParams::default(), &says(3, "False")).await.expect("accepted");
        settle(&embedded).await;
        clusters.patch_scale(SUBJECT.name, &PatchParams::default(), &scale(1)).await.expect("scaled");
        pass(300).await;
        assert_eq!(uids(&embedded, "cn").len(), 1);
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

async fn settle(embedded: &Embedded) {
    let generation =
        get(embedded, "StarRocksCluster", SUBJECT.name).expect("it exists")["metadata"]["generation"].as_i64().expect("a number");
    crash::settle(embedded, SUBJECT, generation).await.expect("the cluster comes to rest");
}
