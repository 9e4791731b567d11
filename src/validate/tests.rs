//! Promises of the validate room, resource by resource.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::model::Share;
use crate::model::cluster::{ValueSource, VolumeSource};
use crate::release::Claim;

const VALID: &str = "
version: 3.5.9
starRocksFeSpec: {replicas: 3, storageVolumes: [{name: fe-meta, mountPath: /opt/starrocks/fe/meta, storageSize: 10Gi}]}
starRocksBeSpec: {replicas: 3, storageVolumes: [{name: be-data, mountPath: /opt/starrocks/be/storage, storageSize: 10Gi}]}
starRocksCnSpec: {replicas: 1}
starRocksFeProxySpec: {replicas: 1}
";

fn resource(spec: &Value) -> StarRocksCluster {
    serde_json::from_value(
        json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "metadata": {"name": "c", "namespace": "ns"}, "spec": spec}),
    )
    .unwrap()
}

fn valid() -> Value {
    crate::yaml::from_str(VALID).unwrap()
}

/// The valid resource with one value replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut spec = valid();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    spec
}

fn judged(spec: &Value, references: &References) -> Result<Cluster, Vec<FieldFault>> {
    validate(&resource(spec), references, &Conventions::default())
}

fn faults(spec: &Value) -> Vec<(&'static str, String)> {
    judged(spec, &References::default()).err().unwrap_or_default().into_iter().map(|fault| (fault.code, fault.field)).collect()
}

fn codes(spec: &Value) -> Vec<&'static str> {
    faults(spec).into_iter().map(|(code, _)| code).collect()
}

fn advice(spec: &Value) -> BTreeSet<(&'static str, String)> {
    judged(spec, &References::default()).unwrap().advice.into_iter().map(|advice| (advice.code, advice.field)).collect()
}

fn conf(text: &str) -> References {
    let data = [("fe.conf".to_owned(), text.to_owned())].into();
    References { config_maps: [("conf".to_owned(), Some(data))].into(), ..References::default() }
}

fn with_conf() -> Value {
    with("/starRocksFeSpec/configMapInfo", json!({"configMapName": "conf", "resolveKey": "fe.conf"}))
}

#[test]
fn a_sound_resource_becomes_a_cluster_without_faults_or_advice() {
    let cluster = judged(&valid(), &References::default()).unwrap();
    assert_eq!(cluster.advice, []);
    assert_eq!((cluster.name.as_str(), cluster.namespace.as_str(), cluster.run_mode), ("c", "ns", RunMode::SharedNothing));
    assert_eq!(cluster.frontend.image.to_string(), "starrocks/fe-ubuntu:3.5.9");
    assert!(matches!(cluster.frontend.claim, Claim::Release(_)));
    let names: Vec<_> = cluster.frontend.volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(names, ["fe-meta", "fe-log"]);
    assert_eq!(cluster.proxy.unwrap().image, "nginx:1.24.0");
    assert_eq!((cluster.policy.canary_soak.as_secs(), cluster.policy.node_timeout.as_secs()), (30, 600));
    assert_eq!((cluster.policy.drain.as_secs(), cluster.policy.compute_nodes_at_once), (0, Share::Count(1)));
    assert_eq!(cluster.login.password, ValueSource::Literal(String::new()));
}

#[test]
fn a_number_of_nodes_that_nobody_can_have_is_a_slip_of_the_hand() {
    for section in ["starRocksFeSpec", "starRocksBeSpec", "starRocksCnSpec", "starRocksFeProxySpec"] {
        let mut spec = valid();
        spec[section]["replicas"] = json!(i32::MAX);
        let found = judged(&spec, &References::default()).unwrap_err();
        assert_eq!(
            found[0].to_string(),
            format!(
                "SR-3004 spec.{section}.replicas: replicas is 2147483647 and must be at most 10000. Write the number of nodes that there are to be."
            )
        );
        spec[section]["replicas"] = json!(10_000);
        assert!(judged(&spec, &References::default()).is_ok());
    }
}

#[test]
fn all_faults_are_found_at_once_each_with_its_field_and_way_out() {
    let mut spec = valid();
    spec["starRocksFeSpec"]["replicas"] = json!(-1);
    spec["starRocksBeSpec"]["storageVolumes"][0]["storageSize"] = json!("abc10Gi");
    spec["starRocksCnSpec"]["autoScalingPolicy"] = json!({"minReplicas": 3, "maxReplicas": 2});
    spec["upgradePolicy"] = json!({"nodeTimeoutSeconds": 900});
    let found = judged(&spec, &References::default()).unwrap_err();
    let fields: Vec<_> = found.iter().map(|fault| (fault.code, fault.field.as_str())).collect();
    assert_eq!(
        fields,
        [
            ("SR-3004", "spec.starRocksFeSpec.replicas"),
            ("SR-3006", "spec.starRocksBeSpec.storageVolumes[0].storageSize"),
            ("SR-3017", "spec.starRocksCnSpec.autoScalingPolicy.maxReplicas"),
            ("SR-3021", "spec.upgradePolicy.nodeTimeoutSeconds"),
        ]
    );
    assert!(found.iter().all(|fault| !fault.way_out.is_empty()));
    assert_eq!(found[0].to_string(), "SR-3004 spec.starRocksFeSpec.replicas: replicas is -1. Write 0 or more.");
}

#[test]
fn a_cluster_without_frontends_says_whether_anything_was_declared_at_all() {
    let mut spec = valid();
    spec.as_object_mut().unwrap().remove("starRocksFeSpec");
    assert_eq!(codes(&spec), ["SR-3001"]);
    assert_eq!(codes(&json!({})), ["SR-3002"]);
    assert_eq!(codes(&json!({"version": "3.5.9", "waitForFullRollout": true})), ["SR-3002"]);
}

#[test]
fn only_an_exact_zero_switches_a_volume_off() {
    let size = |text: &str| {
        let volume = json!([{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageSize": text}]);
        let cluster = judged(&with("/starRocksBeSpec/storageVolumes", volume), &References::default()).unwrap();
        cluster.backend.unwrap().volumes.into_iter().find(|volume| volume.name == "be-data").unwrap().source
    };
    for zero in ["0", "0Gi", "0.0Ti", "00Mi"] {
        assert_eq!(size(zero), VolumeSource::EmptyDir, "{zero} leaves the default volume");
    }
    assert!(matches!(size("0.5Gi"), VolumeSource::Claim { size, .. } if size.0 == "0.5Gi"));
    let small = with(
        "/starRocksBeSpec/storageVolumes",
        json!([{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageSize": "0.5Gi"}]),
    );
    assert_eq!(advice(&small), [("SR-3508", "spec.starRocksBeSpec.storageVolumes[0].storageSize".to_owned())].into());
}

#[test]
fn volumes_name_what_they_are_made_of() {
    let volumes = |volume: Value| codes(&with("/starRocksCnSpec/storageVolumes", json!([volume])));
    assert_eq!(volumes(json!({"name": "x", "mountPath": "/x"})), ["SR-3006"], "a claim without a size is refused by Kubernetes later");
    assert_eq!(volumes(json!({"name": "x", "mountPath": "/x", "storageSize": "-1Gi"})), ["SR-3006"]);
    assert_eq!(volumes(json!({"name": "x", "mountPath": "/x", "storageClassName": "hostPath"})), ["SR-3007"]);
    assert_eq!(volumes(json!({"name": "x", "mountPath": "/x", "hostPath": {"path": ""}})), ["SR-3007"]);
    assert_eq!(volumes(json!({"name": "x", "mountPath": "/x", "storageClassName": "csi"})), ["SR-3007"]);
    assert_eq!(volumes(json!({"name": "X_y", "mountPath": "/x", "storageClassName": "EMPTYDIR"})), ["SR-3008"]);
    assert_eq!(volumes(json!({"name": "x", "mountPath": "", "storageClassName": "emptyDir"})), ["SR-3008"]);
    assert!(volumes(json!({"name": "x", "mountPath": "/x", "hostPath": {"path": "/x"}})).is_empty());
    assert!(volumes(json!({"name": "x", "mountPath": "/x", "csi": {"driver": "d"}})).is_empty());
}

#[test]
fn mount_paths_and_volume_names_are_unique_in_a_pod() {
    let twice = json!([{"name": "a", "mountPath": "/a", "storageSize": "1Gi"}, {"name": "a", "mountPath": "/b", "storageSize": "1Gi"}]);
    assert_eq!(codes(&with("/starRocksCnSpec/storageVolumes", twice)), ["SR-3009"]);
    let mounts = json!([{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a"}]);
    assert_eq!(codes(&with("/starRocksCnSpec/configMaps", mounts)), ["SR-3009"]);
    let one_map_twice = json!([{"name": "a", "mountPath": "/a", "subPath": "a"}, {"name": "a", "mountPath": "/b", "subPath": "b"}]);
    assert!(codes(&with("/starRocksCnSpec/configMaps", one_map_twice)).is_empty());
    assert_eq!(codes(&with("/starRocksCnSpec/secrets", json!([{"name": "a"}]))), ["SR-3008"]);
    assert_eq!(
        codes(&with(
            "/starRocksFeProxySpec/storageVolumes",
            json!([{"name": "a", "mountPath": "/a", "storageClassName": "emptyDir"}, {"name": "b", "mountPath": "/a", "storageClassName": "emptyDir"}])
        )),
        ["SR-3009"]
    );
}

#[test]
fn ports_and_run_mode_come_from_the_config_map_that_the_pods_mount() {
    let spec = with_conf();
    assert_eq!(wanted_references(&resource(&spec)), ["conf".to_owned()].into());
    let cluster = judged(&spec, &conf("query_port = 19030\nrun_mode = Shared_Data\n")).unwrap();
    assert_eq!((cluster.frontend.query_port(), cluster.run_mode), (19030, RunMode::SharedData));
    let refused = |text: &str| judged(&spec, &conf(text)).unwrap_err().into_iter().map(|fault| fault.code).collect::<Vec<_>>();
    assert_eq!(refused("query_port = ${QUERY_PORT}"), ["SR-3014"]);
    assert_eq!(refused("query_port = 8030"), ["SR-3015"]);
    assert_eq!(refused("run_mode = shared"), ["SR-3016"]);
}

#[test]
fn a_config_map_that_does_not_exist_is_a_fault_and_one_that_was_not_looked_up_an_advice() {
    let spec = with_conf();
    let absent = References { config_maps: [("conf".to_owned(), None)].into(), ..References::default() };
    assert_eq!(judged(&spec, &absent).unwrap_err()[0].code, "SR-3013");
    assert_eq!(advice(&spec), [("SR-3506", "spec.starRocksFeSpec.configMapInfo".to_owned())].into());
    let without_key = References {
        config_maps: [("conf".to_owned(), Some([("other".to_owned(), String::new())].into()))].into(),
        ..References::default()
    };
    assert_eq!(judged(&spec, &without_key).unwrap().advice[0].code, "SR-3506");
}

#[test]
fn an_installation_elsewhere_moves_every_path() {
    let mut spec = with("/starRocksFeSpec/feEnvVars", json!([{"name": "starrocks_root", "value": "/data/sr"}]));
    spec["starRocksFeSpec"]["configMaps"] = json!([{"name": "conf", "mountPath": "/data/sr/fe/conf"}]);
    spec["starRocksFeSpec"]["storageVolumes"] = json!([]);
    assert_eq!(wanted_references(&resource(&spec)), ["conf".to_owned()].into());
    let cluster = judged(&spec, &conf("http_port=18030")).unwrap();
    assert_eq!(cluster.frontend.volumes[0].mount_path, "/data/sr/fe/meta");
    assert_eq!(cluster.frontend.http_port(), 18030);
    let unknown =
        with("/starRocksFeSpec/feEnvVars", json!([{"name": "STARROCKS_ROOT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]));
    assert_eq!(codes(&unknown), ["SR-3027"]);
}

#[test]
fn what_must_outlive_pods_is_asked_for() {
    let mut spec = valid();
    spec["starRocksFeSpec"]["storageVolumes"] = json!([]);
    spec["starRocksBeSpec"]["storageVolumes"] = json!([{"name": "other-data", "mountPath": "/elsewhere", "storageSize": "1Gi"}]);
    assert_eq!(
        advice(&spec),
        [("SR-3502", "spec.starRocksFeSpec.storageVolumes".to_owned()), ("SR-3503", "spec.starRocksBeSpec.storageVolumes".to_owned())]
            .into()
    );
    spec["starRocksFeSpec"]["storageVolumes"] = json!([{"name": "root", "mountPath": "/opt/starrocks/fe", "storageSize": "1Gi"}]);
    spec["starRocksBeSpec"]["storageVolumes"] =
        json!([{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageClassName": "hostPath", "hostPath": {"path": "/x"}}]);
    assert_eq!(
        advice(&spec),
        [("SR-3502", "spec.starRocksFeSpec.storageVolumes".to_owned())].into(),
        "the default volume lies over the mount above it"
    );
}

#[test]
fn frontends_too_few_or_too_small_are_accepted_with_advice() {
    for (replicas, warned) in [(0, true), (1, true), (2, true), (3, false), (4, true), (5, false)] {
        assert_eq!(!advice(&with("/starRocksFeSpec/replicas", json!(replicas))).is_empty(), warned, "{replicas}");
    }
    assert_eq!(
        advice(&with("/starRocksFeSpec/limits", json!({"memory": "2Gi"}))),
        [("SR-3504", "spec.starRocksFeSpec.limits.memory".to_owned())].into()
    );
    assert!(advice(&with("/starRocksFeSpec/limits", json!({"memory": "4Gi"}))).is_empty());
}

#[test]
fn resources_are_amounts_and_requests_stay_below_limits() {
    assert_eq!(
        faults(&with("/starRocksCnSpec/limits", json!({"cpu": "four"}))),
        [("SR-3005", "spec.starRocksCnSpec.limits.cpu".to_owned())]
    );
    let mut spec = with("/starRocksCnSpec/limits", json!({"memory": "1Gi"}));
    spec["starRocksCnSpec"]["requests"] = json!({"memory": "1025Mi", "cpu": 4});
    assert_eq!(faults(&spec), [("SR-3005", "spec.starRocksCnSpec.requests.memory".to_owned())]);
    spec["starRocksCnSpec"]["requests"] = json!({"memory": "1024Mi"});
    assert!(faults(&spec).is_empty());
}

#[test]
fn services_are_those_that_kubernetes_accepts() {
    let service = |service: Value| codes(&with("/starRocksFeSpec/service", service));
    assert_eq!(service(json!({"externalTrafficPolicy": "Local"})), ["SR-3019"]);
    assert_eq!(service(json!({"type": "ExternalName"})), ["SR-3024"]);
    assert_eq!(service(json!({"ports": [{"name": "query", "nodePort": 30030}]})), ["SR-3019"]);
    assert_eq!(service(json!({"type": "NodePort", "ports": [{"name": "query", "nodePort": 70000}]})), ["SR-3019"]);
    for number in [-1, 65_536, 70_000, i32::MAX] {
        assert_eq!(service(json!({"ports": [{"name": "query", "port": number}]})), ["SR-3019"], "{number}");
    }
    assert_eq!(service(json!({"ports": [{"name": "query", "port": 0}]})), Vec::<&str>::new(), "0 is not given");
    assert_eq!(service(json!({"ports": [{"name": "query", "port": 80}, {"name": "http", "port": 80}]})), ["SR-3019"]);
    assert_eq!(service(json!({"ports": [{"name": "query", "port": 8030}]})), ["SR-3019"], "that is the port of http");
    assert_eq!(service(json!({"ports": [{"name": "query", "port": 8030}, {"name": "http", "port": 9030}]})), Vec::<&str>::new());
    let twice = json!({"type": "NodePort", "ports": [{"name": "query", "nodePort": 30030}, {"name": "http", "nodePort": 30030}]});
    assert_eq!(service(twice), ["SR-3019"]);
    assert!(service(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerIP": "192.0.2.1"})).is_empty());
    assert!(service(json!({"type": "", "ports": [], "annotations": {}})).is_empty(), "empty is the same as absent");
    assert_eq!(
        advice(&with("/starRocksFeSpec/service", json!({"ports": [{"name": "extra", "port": 1}]}))),
        [("SR-3507", "spec.starRocksFeSpec.service.ports[0]".to_owned())].into()
    );
}

#[test]
fn labels_that_select_pods_cannot_be_taken() {
    assert_eq!(codes(&with("/starRocksBeSpec/podLabels", json!({"app.starrocks.ownerreference/name": "x"}))), ["SR-3020"]);
}

#[test]
fn what_the_go_operator_acted_on_is_accepted_with_an_advice() {
    let accepted = |pointer: &str, value: Value| advice(&with(pointer, value)).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(accepted("/starRocksBeSpec/livenessProbeFailureSeconds", json!(-5)), ["SR-3507"]);
    // Charts add TZ to whatever the user writes.
    let twice = json!([{"name": "TZ", "value": "UTC"}, {"name": "TZ", "value": "Asia/Shanghai"}]);
    assert_eq!(accepted("/starRocksBeSpec/beEnvVars", twice), ["SR-3507"]);
    assert!(accepted("/starRocksBeSpec/podLabels", json!({"app.kubernetes.io/component": "be"})).is_empty(), "as it is anyway");
    assert_eq!(accepted("/starRocksBeSpec/service", json!({"labels": {"app.kubernetes.io/component": "x"}})), ["SR-3507"]);
    let nobody = json!({"ports": [{"name": "nobody", "port": 1, "nodePort": 31000}, {"name": "brpc"}, {"name": "brpc", "nodePort": 1}]});
    assert_eq!(accepted("/starRocksBeSpec/service", nobody).len(), 2, "entries that change no port are told and not judged");
    let sized = |class: &str, size: &str| {
        json!([{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageSize": "10Gi"},
            {"name": "tmp", "mountPath": "/tmp", "storageClassName": class, "storageSize": size}])
    };
    assert!(accepted("/starRocksBeSpec/storageVolumes", sized("emptyDir", "abc10Gi")).is_empty(), "nobody reads the size of an emptyDir");
    assert_eq!(codes(&with("/starRocksBeSpec/storageVolumes", sized("standard", "abc10Gi"))), ["SR-3006"]);
}

#[test]
fn a_volume_that_only_sounds_like_the_metadata_replaces_it_as_before_and_is_told() {
    let volume = json!([{"name": "other-meta", "mountPath": "/elsewhere", "storageSize": "10Gi"}]);
    let spec = with("/starRocksFeSpec/storageVolumes", volume);
    let names: Vec<_> = judged(&spec, &References::default()).unwrap().frontend.volumes.into_iter().map(|volume| volume.name).collect();
    assert_eq!(names, ["other-meta", "fe-log"], "the pod template is that of the Go operator");
    assert!(advice(&spec).contains(&("SR-3502", "spec.starRocksFeSpec.storageVolumes".to_owned())));
}

#[test]
fn what_the_proxy_does_not_have_is_told_and_breaks_nothing() {
    let claim = json!([{"name": "cache", "mountPath": "/var/cache/nginx", "storageSize": "1Gi"}]);
    let mut spec = with("/starRocksFeProxySpec/storageVolumes", claim);
    spec["starRocksFeProxySpec"]["startupProbeFailureSeconds"] = json!(60);
    let told = advice(&spec);
    for field in ["storageVolumes", "startupProbeFailureSeconds"] {
        assert!(told.contains(&("SR-3507", format!("spec.starRocksFeProxySpec.{field}"))), "{told:?}");
    }
}

#[test]
fn an_ephemeral_claim_is_made_with_the_pod_and_never_mistaken_for_lasting_storage() {
    let volume = json!([{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageSize": "10Gi", "ephemeral": true}]);
    let spec = with("/starRocksBeSpec/storageVolumes", volume);
    let cluster = judged(&spec, &References::default()).unwrap();
    assert!(matches!(cluster.backend.unwrap().volumes[0].source, VolumeSource::Ephemeral { .. }));
    assert!(advice(&spec).contains(&("SR-3503", "spec.starRocksBeSpec.storageVolumes".to_owned())));
    let odd = json!([{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageClassName": "emptyDir", "ephemeral": true}]);
    assert!(advice(&with("/starRocksBeSpec/storageVolumes", odd)).iter().any(|(code, _)| *code == "SR-3507"));
}

#[test]
fn words_numbers_and_names_are_checked_before_kubernetes_does() {
    assert_eq!(codes(&with("/starRocksBeSpec/podManagementPolicy", json!("parallel"))), ["SR-3024"]);
    assert_eq!(codes(&with("/starRocksBeSpec/updateStrategy", json!({"rollingUpdate": {"maxUnavailable": "0%"}}))), ["SR-3018"]);
    assert!(
        codes(&with("/starRocksBeSpec/updateStrategy", json!({"type": "OnDelete", "rollingUpdate": {"maxUnavailable": 0}}))).is_empty()
    );
    assert_eq!(codes(&with("/starRocksBeSpec/terminationGracePeriodSeconds", json!(-5))), ["SR-3026"]);
    assert_eq!(codes(&with("/starRocksBeSpec/beEnvVars", json!([{"name": ""}]))), ["SR-3025"]);
    assert_eq!(codes(&with("/starRocksBeSpec/sidecars", json!([{"name": "be"}]))), ["SR-3009"]);
    assert_eq!(
        codes(&with("/starRocksBeSpec/sidecars", json!([{"name": "s", "volumeMounts": [{"name": "be-logs", "mountPath": "/l"}]}]))),
        ["SR-3023"]
    );
    assert!(
        codes(&with("/starRocksBeSpec/sidecars", json!([{"name": "s", "volumeMounts": [{"name": "be-log", "mountPath": "/l"}]}])))
            .is_empty()
    );
    assert_eq!(codes(&with("/upgradePolicy", json!({"consents": ["Everything"]}))), ["SR-3021"]);
    assert_eq!(codes(&with("/credentials", json!({}))), ["SR-3022"]);
    assert_eq!(codes(&with("/starRocksFeProxySpec/resolver", json!("8.8.8.8; } include /etc/passwd"))), ["SR-3024"]);
    assert!(codes(&with("/starRocksFeProxySpec/resolver", json!("10.0.0.10 [fd00::1]:53"))).is_empty());
    assert_eq!(codes(&with("/starRocksCnSpec/autoScalingPolicy", json!({"maxReplicas": 2, "minReplicas": 0}))), ["SR-3017"]);
    assert_eq!(codes(&with("/starRocksCnSpec/autoScalingPolicy", json!({"maxReplicas": 2, "version": "v3"}))), ["SR-3024"]);
}

#[test]
fn a_cluster_name_leaves_room_for_the_names_derived_from_it() {
    let named = |name: &str, with_proxy: bool| {
        let mut spec = valid();
        if !with_proxy {
            spec.as_object_mut().unwrap().remove("starRocksFeProxySpec");
        }
        let mut resource = resource(&spec);
        resource.metadata.name = Some(name.to_owned());
        validate(&resource, &References::default(), &Conventions::default()).is_ok()
    };
    assert!(named(&"a".repeat(46), true) && !named(&"a".repeat(47), true));
    assert!(named(&"a".repeat(49), false) && !named(&"a".repeat(50), false));
    assert!(!named("1a", false) && !named("a.b", false) && !named("", false));
}

#[test]
fn the_login_is_the_named_secret_else_roots_password_of_the_components() {
    let login = |spec: &Value| judged(spec, &References::default()).unwrap().login;
    let secret = |name: &str, key: &str| ValueSource::Secret { name: name.into(), key: key.into() };
    let mut spec = with("/starRocksBeSpec/beEnvVars", json!([{"name": "MYSQL_PWD", "value": "be"}]));
    assert_eq!(login(&spec).password, ValueSource::Literal("be".into()));
    spec["starRocksFeSpec"]["feEnvVars"] = json!([{"name": "MYSQL_PWD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    assert_eq!(login(&spec).password, secret("s", "k"));
    spec["credentials"] = json!({"secretName": "mine"});
    assert_eq!(
        login(&spec),
        crate::model::cluster::LoginSource { user: ValueSource::Literal("root".into()), password: secret("mine", "password") }
    );
    spec["credentials"] = json!({"secretName": "mine", "userKey": "u", "passwordKey": "p"});
    assert_eq!(login(&spec), crate::model::cluster::LoginSource { user: secret("mine", "u"), password: secret("mine", "p") });
}

#[test]
fn a_recovery_needs_shared_data() {
    let mut spec = with_conf();
    spec["disasterRecovery"] = json!({"enabled": true, "generation": 2});
    let recovered = judged(&spec, &conf("run_mode=shared_data")).unwrap().disaster_recovery.unwrap();
    assert_eq!((recovered.generation, recovered.snapshot_mounted), (2, false));
    let ignored = judged(&spec, &conf("")).unwrap();
    assert_eq!(ignored.disaster_recovery, None);
    assert_eq!(ignored.advice[0].code, "SR-3507");
}

#[test]
fn everything_mounted_is_listed_for_those_who_watch_it() {
    let mut spec = with_conf();
    spec["starRocksBeSpec"]["configMaps"] = json!([{"name": "b", "mountPath": "/b"}]);
    spec["starRocksCnSpec"]["secrets"] = json!([{"name": "s", "mountPath": "/s"}]);
    let mounted = mounted_references(&resource(&spec));
    assert_eq!(mounted.config_maps, ["b".to_owned(), "conf".to_owned()].into());
    assert_eq!(mounted.secrets, ["s".to_owned()].into());
}

fn warehouse_faults_of(name: &str, spec: Value) -> Vec<(&'static str, String)> {
    let resource: crate::api::StarRocksWarehouse = serde_json::from_value(
        json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksWarehouse", "metadata": {"name": name, "namespace": "ns"}, "spec": spec}),
    )
    .unwrap();
    let cluster = judged(&valid(), &References::default()).unwrap();
    let judged = warehouse(&resource, &cluster, &References::default(), &Conventions::default());
    judged.err().unwrap_or_default().into_iter().map(|fault| (fault.code, fault.field)).collect()
}

#[test]
fn a_warehouse_needs_a_name_that_starrocks_takes_a_cluster_and_a_template() {
    let spec = || json!({"starRocksCluster": "c", "template": {"replicas": 1}});
    let named = |name: &str| warehouse_faults_of(name, spec());
    assert_eq!(named("load-jobs"), []);
    for bad in ["default-warehouse", "a.b", "c", "9w", &"w".repeat(40)] {
        assert_eq!(named(bad), [("SR-3028", "metadata.name".to_owned())], "{bad}");
    }
    assert_eq!(named(&"w".repeat(39)), []);
    let parts = |field: &str| ("SR-3029", field.to_owned());
    assert_eq!(warehouse_faults_of("w", json!({})), [parts("spec.starRocksCluster"), parts("spec.template")]);
    let below = json!({"starRocksCluster": "c", "template": {"replicas": -1, "autoScalingPolicy": {"maxReplicas": 0}}});
    let faults: Vec<String> = warehouse_faults_of("w", below).into_iter().map(|(_, field)| field).collect();
    assert_eq!(faults, ["spec.template.replicas", "spec.template.autoScalingPolicy.maxReplicas"]);
}

#[test]
fn compute_nodes_that_may_be_away_are_a_number_or_a_percentage() {
    let at_once = |value: Value| {
        judged(&with("/upgradePolicy", json!({"maxUnavailableComputeNodes": value})), &References::default())
            .map(|cluster| cluster.policy.compute_nodes_at_once)
            .map_err(|faults| faults.iter().map(|fault| (fault.code, fault.field.clone())).collect::<Vec<_>>())
    };
    assert_eq!(at_once(json!(3)), Ok(Share::Count(3)));
    assert_eq!(at_once(json!("25%")), Ok(Share::Percent(25)));
    assert_eq!(at_once(json!("100%")), Ok(Share::Percent(100)));
    assert_eq!(at_once(Value::Null), Ok(Share::Count(1)));
    for wrong in
        [json!(0), json!(-1), json!(1_001), json!("0%"), json!("101%"), json!("3"), json!("+5%"), json!("%"), json!(99_999_999_999_i64)]
    {
        assert_eq!(at_once(wrong), Err(vec![("SR-3021", "spec.upgradePolicy.maxUnavailableComputeNodes".to_owned())]));
    }
}

#[test]
fn a_drain_lasts_an_hour_at_most() {
    let policy = |seconds: i32| with("/upgradePolicy", json!({"drainSeconds": seconds}));
    assert_eq!(judged(&policy(3_600), &References::default()).unwrap().policy.drain.as_secs(), 3_600);
    assert_eq!(codes(&policy(3_601)), ["SR-3021"]);
    assert_eq!(codes(&policy(-1)), ["SR-3021"]);
}

#[test]
fn canaries_and_their_verdict_are_read_and_each_mistake_is_told() {
    let canary = |value: Value| judged(&with("/upgradePolicy", json!({"canary": value})), &References::default());
    let read = canary(json!({"nodes": 2, "verdict": {"sql": " Select 1 ", "metrics": [
        {"name": "a_b:c", "labels": {"x": "y"}, "max": "500m", "min": -1}, {"name": "_d", "max": 0}]}}));
    let read = read.unwrap().policy.canary.unwrap();
    assert_eq!((read.nodes, read.sql.as_deref(), read.metrics.len()), (2, Some("Select 1"), 2));
    let (max, min) = (read.metrics[0].max.unwrap(), read.metrics[0].min.unwrap());
    assert_eq!((max.to_string().as_str(), min.to_string().as_str()), ("0.5", "-1"));
    assert_eq!(canary(json!({})).unwrap().policy.canary.map(|canary| canary.nodes), Some(1));
    assert_eq!(judged(&valid(), &References::default()).unwrap().policy.canary, None);

    let verdict = |sql: &str| json!({"verdict": {"sql": sql}});
    let metric = |value: Value| json!({"verdict": {"metrics": [value]}});
    for (value, field) in [
        (json!({"nodes": 0}), "nodes"),
        (json!({"nodes": 1_001}), "nodes"),
        (json!({"verdict": {}}), "verdict"),
        (verdict("DROP TABLE t"), "verdict.sql"),
        (verdict("SELECT"), "verdict.sql"),
        (verdict("SELECT 1; DROP TABLE t"), "verdict.sql"),
        (verdict("SELECTED 1"), "verdict.sql"),
        (verdict("WITH a AS (SELECT 1) SELECT * FROM a"), "verdict.sql"),
        (verdict("SELECT 1 INTO  OUTFILE 'x'"), "verdict.sql"),
        (verdict(&format!("SELECT {}", "1".repeat(4_096))), "verdict.sql"),
        (metric(json!({"name": "x"})), "verdict.metrics[0]"),
        (metric(json!({"name": "1x", "max": 1})), "verdict.metrics[0].name"),
        (metric(json!({"max": 1})), "verdict.metrics[0].name"),
        (metric(json!({"name": "x", "max": "many"})), "verdict.metrics[0].max"),
        (metric(json!({"name": "x", "min": "1 %"})), "verdict.metrics[0].min"),
        (metric(json!({"name": "x", "max": 1, "min": 2})), "verdict.metrics[0].max"),
    ] {
        let expected = ("SR-3021", format!("spec.upgradePolicy.canary.{field}"));
        assert_eq!(faults(&with("/upgradePolicy", json!({"canary": value}))), [expected], "{value}");
    }
}
