//! Promises of the api room: odd but admissible resources parse, and what is written comes back as it was.

use kube::core::cel::validate_cel_schema;
use serde_json::{Value, json};

use super::*;

fn cluster(spec: Value) -> StarRocksCluster {
    serde_json::from_value(json!({
        "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "metadata": {"name": "demo"}, "spec": spec
    }))
    .unwrap()
}

/// What is left of a value when nulls and empty strings of maps, lists and objects are taken away.
fn without_emptiness(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), without_emptiness(value)))
                .filter(|(_, value)| !(value.is_null() || *value == json!([]) || *value == json!({})))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_emptiness).collect()),
        other => other.clone(),
    }
}

fn round_trip(spec: Value) -> StarRocksCluster {
    let parsed = cluster(spec.clone());
    let back = serde_json::to_value(&parsed.spec).unwrap();
    assert_eq!(without_emptiness(&back), without_emptiness(&spec));
    parsed
}

#[test]
fn a_smallest_cluster_without_any_setting_keeps_its_two_images() {
    let parsed = round_trip(json!({
        "starRocksFeSpec": {"image": "starrocks/fe-ubuntu:3.3-latest", "replicas": 1},
        "starRocksBeSpec": {"image": "starrocks/be-ubuntu:3.3-latest", "replicas": 1},
    }));
    let frontends = parsed.spec.star_rocks_fe_spec.unwrap();
    assert_eq!(frontends.component.load.image.as_deref(), Some("starrocks/fe-ubuntu:3.3-latest"));
    assert_eq!(frontends.component.load.replicas, Some(1));
    assert_eq!(parsed.spec.star_rocks_cn_spec, None);
}

#[test]
fn claims_host_paths_and_configuration_maps_come_back_as_written() {
    round_trip(json!({
        "starRocksFeSpec": {
            "image": "starrocks/fe-ubuntu:3.3.2", "replicas": 3, "limits": {"cpu": "8", "memory": "8Gi"},
            "requests": {"cpu": "500m", "memory": "8Gi"},
            "storageVolumes": [
                {"name": "fe-meta", "storageSize": "10Gi", "mountPath": "/opt/starrocks/fe/meta", "storageClassName": "standard"},
                {"name": "fe-log", "storageSize": "5Gi", "mountPath": "/opt/starrocks/fe/log"},
            ],
            "configMapInfo": {"configMapName": "fe-cm", "resolveKey": "fe.conf"},
            "feEnvVars": [{"name": "TZ", "value": "Asia/Shanghai"},
                          {"name": "MYSQL_PWD", "valueFrom": {"secretKeyRef": {"name": "root", "key": "password"}}}],
        },
        "starRocksBeSpec": {
            "capabilities": {"add": ["PERFMON", "SYS_PTRACE"], "drop": ["SYS_ADMIN"]},
            "beEnvVars": [{"name": "TZ", "value": "Asia/Shanghai"}],
            "configMaps": [{"name": "hadoop", "mountPath": "/etc/hadoop", "subPath": "core-site.xml"}],
            "storageVolumes": [{"name": "cache", "mountPath": "/cache", "storageClassName": "hostPath",
                                "hostPath": {"path": "/data", "type": "DirectoryOrCreate"}}],
        },
    }));
}

#[test]
fn autoscaled_compute_nodes_and_a_proxy_come_back_as_written() {
    let parsed = round_trip(json!({
        "starRocksCnSpec": {
            "image": "starrocks/cn-ubuntu:latest",
            "autoScalingPolicy": {
                "version": "v2beta2", "minReplicas": 1, "maxReplicas": 10,
                "hpaPolicy": {
                    "metrics": [
                        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
                        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "4Gi"}}},
                    ],
                    "behavior": {
                        "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 10}]},
                        "scaleDown": {"selectPolicy": "Disabled"},
                    },
                },
            },
        },
        "starRocksFeProxySpec": {
            "replicas": 1, "resolver": "kube-dns.kube-system.svc.cluster.local",
            "service": {"type": "NodePort", "ports": [{"name": "http-port", "containerPort": 8080, "nodePort": 30180, "port": 8080}]},
        },
    }));
    assert_eq!(parsed.spec.star_rocks_cn_spec.unwrap().auto_scaling_policy.unwrap().max_replicas, 10);
}

#[test]
fn a_resource_that_names_every_field_with_an_empty_value_parses_and_keeps_the_rest() {
    let parsed = round_trip(json!({
        "serviceAccount": "",
        "starRocksFeSpec": {
            "image": "starrocks/fe-ubuntu:3.3-latest", "replicas": 1, "imagePullPolicy": "", "runAsNonRoot": false,
            "startupProbeFailureSeconds": 300, "livenessProbeFailureSeconds": 15, "readinessProbeFailureSeconds": 15,
            "annotations": {}, "podLabels": {}, "nodeSelector": {}, "affinity": {}, "tolerations": [], "imagePullSecrets": [],
            "hostAliases": [], "schedulerName": "", "serviceAccount": "", "feEnvVars": [], "secrets": [], "configMaps": [],
            "sidecars": [], "initContainers": [], "topologySpreadConstraints": [], "lifecycle": {}, "minReadySeconds": 0,
            "service": {"type": "ClusterIP", "annotations": {}, "labels": {}, "loadBalancerIP": "", "loadBalancerSourceRanges": [], "ports": []},
            "storageVolumes": [{"name": "fe-meta", "storageClassName": "", "storageSize": "0Gi", "mountPath": "/opt/starrocks/fe/meta"}],
        },
        "starRocksCnSpec": {
            "terminationGracePeriodSeconds": 0, "shareProcessNamespace": false, "readOnlyRootFilesystem": false, "sysctls": [],
            "autoScalingPolicy": {"version": "", "minReplicas": 1, "maxReplicas": 4, "hpaPolicy": {"metrics": [], "behavior": {}}},
        },
    }));
    let load = parsed.spec.star_rocks_fe_spec.unwrap().component.load;
    assert_eq!(load.storage_volumes[0].storage_class_name.as_deref(), Some(""));
    assert_eq!((load.startup_probe_failure_seconds, load.scheduler_name.as_deref()), (Some(300), Some("")));
}

#[test]
fn fields_of_the_two_later_upstream_releases_and_ours_come_back_as_written() {
    let parsed = round_trip(json!({
        "version": "3.5.9",
        "upgradePolicy": {"paused": true, "canarySoakSeconds": 0, "nodeTimeoutSeconds": 850, "drainSeconds": 60,
                          "maxUnavailableComputeNodes": "25%",
                          "canary": {"nodes": 2, "verdict": {"sql": "SELECT 1", "metrics": [
                              {"name": "x", "labels": {"a": "b"}, "max": "500m", "min": -1}]}},
                          "consents": ["SingleFrontendOutage", "FromTheFuture"]},
        "credentials": {"secretName": "operator", "userKey": "user", "passwordKey": "pw"},
        "starRocksFeSpec": {
            "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerIP": "10.0.0.9"},
            "storageVolumes": [{"name": "secrets", "mountPath": "/secrets", "storageClassName": "csi", "readOnly": true,
                                "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"a": "b"}}}],
        },
        "disasterRecovery": {"enabled": true, "generation": 2},
        "waitForFullRollout": true,
    }));
    let consents = parsed.spec.upgrade_policy.unwrap().consents;
    assert_eq!(consents, [Consent::SingleFrontendOutage, Consent::Other("FromTheFuture".to_owned())]);
}

#[test]
fn a_catalog_comes_back_as_written_and_its_rule_says_what_is_wrong() {
    let spec = json!({
        "package": "starrocks",
        "channels": [{"name": "ours", "entries": [{"version": "3.5.9", "replaces": "3.5.8", "skips": ["3.5.7"], "skipRange": "<3.5.7"}]}],
        "deprecations": [{"channel": "old", "message": "leave it"}, {"version": "3.4.10", "message": "leave it"}],
        "releases": [{
            "version": "3.5.9", "state": "Recommended", "reason": "r", "overrides": true, "endOfLife": "2027-03-31", "java": 17,
            "images": {"fe": {"ref": "fe:3.5.9", "digest": "sha256:0"}, "be": {"ref": "be"}, "cn": {"ref": "cn"}},
            "upgradeFrom": ">=3.4.0 <3.6.0", "downgradeTo": ">=3.4.0",
            "config": {"removed": [{"component": "fe", "key": "a"}], "renamed": [{"component": "be", "key": "a", "to": "b"}],
                "mutable": [{"component": "cn", "key": "c"}]},
            "sql": {"before": ["EnablePipelineEngine"], "after": ["FromTheFuture"]},
            "knownIssues": [{"id": "1", "match": {"from": "<3.5.0", "runMode": "SharedData"}, "level": "Warn", "text": "t", "url": "u"}],
            "cves": {"fixed": ["a"], "known": ["b"]},
        }],
    });
    let parsed: StarRocksVersionCatalogSpec = serde_json::from_value(spec.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), spec);
    let odd =
        json!({"package": null, "channels": null, "releases": [{"version": null, "knownIssues": null, "images": {"fe": {"ref": null}}}]});
    assert!(serde_json::from_value::<StarRocksVersionCatalogSpec>(odd).is_ok());
    let both = json!({"package": "starrocks", "deprecations": [{"channel": "c", "version": "3.5.9", "message": "m"}]});
    let error = validate_cel_schema::<StarRocksVersionCatalogSpec>(&both, None).unwrap_err();
    assert!(format!("{error:?}").contains("and not both"));
}

#[test]
fn a_resource_with_an_empty_spec_or_none_parses() {
    assert_eq!(cluster(json!({})).spec, StarRocksClusterSpec::default());
    let bare: StarRocksCluster = serde_json::from_value(json!({"metadata": {"name": "demo"}})).unwrap();
    assert_eq!(bare.spec, StarRocksClusterSpec::default());
    assert_eq!(bare.metadata.name.as_deref(), Some("demo"));
}

#[test]
fn nulls_and_empty_values_are_read_as_not_given() {
    let parsed = cluster(json!({
        "starRocksFeSpec": {
            "image": null, "replicas": null, "limits": null, "requests": {"cpu": null}, "annotations": null, "service": null,
            "storageVolumes": [{"name": "meta", "mountPath": "/meta", "storageClassName": null, "storageSize": null}],
            "feEnvVars": null, "sidecars": null, "lifecycle": null, "updateStrategy": null, "podLabels": {}, "tolerations": [],
        },
        "starRocksBeSpec": null, "version": null, "upgradePolicy": {"consents": null}, "credentials": {"secretName": null},
    }));
    let frontends = parsed.spec.star_rocks_fe_spec.unwrap();
    assert_eq!(frontends.component.load.storage_volumes.len(), 1);
    let others = FeSpec {
        component: ComponentSpec { load: LoadSpec { storage_volumes: Vec::new(), ..frontends.component.load }, ..frontends.component },
        ..frontends
    };
    assert_eq!(others, FeSpec::default());
    assert_eq!(parsed.spec.star_rocks_be_spec, None);
}

#[test]
fn quantities_written_as_numbers_are_read_everywhere() {
    let container = json!([{"name": "side", "resources": {"limits": {"cpu": 2}, "requests": {"memory": 1_073_741_824_i64}},
        "env": [{"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}}}]}]);
    let parsed = cluster(json!({"starRocksCnSpec": {
        "limits": {"cpu": 8, "memory": 34_359_738_368_i64, "nvidia.com/gpu": 0.5},
        "sidecars": container.clone(), "initContainers": container,
        "autoScalingPolicy": {"maxReplicas": 2, "hpaPolicy": {"metrics": [{"type": "Pods", "pods": {
            "metric": {"name": "queries"}, "target": {"type": "AverageValue", "averageValue": 60}}}]}},
    }}));
    let nodes = parsed.spec.star_rocks_cn_spec.unwrap();
    let limits = &nodes.component.load.limits;
    assert_eq!((limits["cpu"].0.as_str(), limits["memory"].0.as_str(), limits["nvidia.com/gpu"].0.as_str()), ("8", "34359738368", "0.5"));
    for containers in [&nodes.component.sidecars, &nodes.component.init_containers] {
        let resources = containers[0].resources.as_ref().unwrap();
        assert_eq!(resources.limits.as_ref().unwrap()["cpu"].0, "2");
        assert_eq!(resources.requests.as_ref().unwrap()["memory"].0, "1073741824");
    }
    let metrics = nodes.auto_scaling_policy.unwrap().hpa_policy.unwrap().metrics;
    assert_eq!(metrics[0].pods.as_ref().unwrap().target.average_value.as_ref().unwrap().0, "60");
}

#[test]
fn words_that_no_kubernetes_knows_parse_and_are_left_to_validation() {
    let parsed = cluster(json!({"starRocksBeSpec": {
        "podManagementPolicy": "Sometimes", "imagePullPolicy": "Maybe", "service": {"type": "Teleport", "externalTrafficPolicy": "Moon"},
        "updateStrategy": {"type": "Wish", "rollingUpdate": {"maxUnavailable": 99_999_999_999_i64}},
        "storageVolumes": [{"name": "!", "mountPath": "", "storageClassName": "EMPTYDIR", "storageSize": "abc10Gi"}],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Burn"},
    }}));
    let backends = parsed.spec.star_rocks_be_spec.unwrap();
    assert_eq!(backends.component.pod_management_policy.as_deref(), Some("Sometimes"));
    let rolling = backends.component.update_strategy.unwrap().rolling_update.unwrap();
    assert_eq!(serde_json::to_value(rolling.max_unavailable).unwrap(), json!("99999999999"));
}

#[test]
fn the_status_of_a_cluster_that_the_go_operator_ran_comes_back_as_written() {
    let status = json!({
        "phase": "running",
        "disasterRecoveryStatus": {"phase": "done", "startTimestamp": 1_700_000_000, "endTimestamp": 1_700_000_100, "observedGeneration": 1},
        "starRocksFeStatus": {"phase": "running", "serviceName": "demo-fe-service", "resourceNames": ["demo-fe"],
                              "runningInstances": ["demo-fe-0", "demo-fe-1"], "creatingInstances": ["demo-fe-2"]},
        "starRocksCnStatus": {"phase": "reconciling", "reason": "1/2 pods", "replicas": 2, "failedInstances": ["demo-cn-1"],
                              "horizontalScaler": {"name": "demo-cn-autoscaler", "version": "v2"},
                              "selector": "app.kubernetes.io/component=cn,app.starrocks.ownerreference/name=demo-cn"},
        "starRocksFeProxyStatus": {"phase": "running"},
    });
    let parsed: StarRocksClusterStatus = serde_json::from_value(status.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), status);
    assert_eq!(parsed.star_rocks_cn_status.unwrap().component.failed_instances, ["demo-cn-1"]);
    assert_eq!(serde_json::from_value::<StarRocksClusterStatus>(json!({})).unwrap(), StarRocksClusterStatus::default());
}

#[test]
fn an_operation_and_what_blocks_it_come_back_as_written() {
    let status = json!({
        "phase": "reconciling", "observedGeneration": 4, "leader": "demo-fe-1",
        "conditions": [{"type": "Ready", "status": "False", "reason": "Upgrading", "message": "step 7 of 31",
                        "lastTransitionTime": "2026-11-23T10:00:00Z", "observedGeneration": 4}],
        "operation": {"kind": "Upgrade", "from": "3.3.14", "to": "3.5.9", "path": ["3.4.10", "3.5.9"], "hop": 1, "phase": "Backends",
                      "step": 7, "steps": 31, "message": "waiting for demo-be-1", "startedAt": "2026-11-23T09:58:00Z",
                      "image": {"journalId": 4711, "markedAt": "2026-11-23T09:58:02Z", "requestedAt": "2026-11-23T09:58:02Z"},
                      "savedSettings": {"tablet_sched_disable_balance": "false"}, "canarySince": "2026-11-23T09:59:00Z"},
        "blocked": [{"node": "demo-be-1", "code": "SR-0412", "message": "no heartbeat yet", "since": "2026-11-23T10:00:00Z"}],
        "lastUpgrade": {"from": "3.2.9", "to": "3.3.14", "finishedAt": "2026-10-01T00:00:00Z"},
        "starRocksBeStatus": {"phase": "reconciling", "runningVersions": {"3.3.14": 2, "3.4.10": 1}},
    });
    let parsed: StarRocksClusterStatus = serde_json::from_value(status.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), status);
    let operation = parsed.operation.unwrap();
    assert_eq!((operation.kind, operation.phase), (OperationKind::Upgrade, OperationPhase::Backends));
    let later: Operation = serde_json::from_value(json!({"kind": "Migrate", "phase": "Prewarm"})).unwrap();
    assert_eq!((later.kind.as_str(), later.phase.to_string().as_str()), ("Migrate", "Prewarm"));
}

#[test]
fn the_rules_on_our_own_fields_say_what_is_wrong() {
    let faults = |spec: Value| match validate_cel_schema::<StarRocksClusterSpec>(&spec, None) {
        Ok(()) => String::new(),
        Err(errors) => format!("{errors:?}"),
    };
    assert_eq!(faults(json!({"version": "3.5.9", "upgradePolicy": {"nodeTimeoutSeconds": 850, "canarySoakSeconds": 0}})), "");
    assert_eq!(faults(json!({"version": "3.5.0-rc01", "starRocksFeSpec": {}})), "");
    assert_eq!(faults(json!({"channel": "stable-3.5", "upgradePolicy": {"automatic": {"patch": "Off"}}})), "");
    assert!(faults(json!({"version": "3.5.9", "channel": "stable-3.5"})).contains("cannot both be set"));
    assert!(faults(json!({"version": "3.5"})).contains("full release such as 3.5.9"));
    assert!(faults(json!({"version": "latest"})).contains("full release"));
    assert!(faults(json!({"upgradePolicy": {"nodeTimeoutSeconds": 900}})).contains("repairs a lost backend after 900 seconds"));
    assert!(faults(json!({"upgradePolicy": {"canarySoakSeconds": -1}})).contains("between 0 and 86400"));
    assert!(faults(json!({"upgradePolicy": {"drainSeconds": 3_601}})).contains("between 0 and 3600"));
    for allowed in [json!(1), json!(1_000), json!("1%"), json!("100%")] {
        assert_eq!(faults(json!({"upgradePolicy": {"maxUnavailableComputeNodes": allowed, "drainSeconds": 0}})), "");
    }
    let verdict = |verdict: Value| faults(json!({"upgradePolicy": {"canary": {"nodes": 2, "verdict": verdict}}}));
    assert_eq!(verdict(json!({"sql": "SELECT 1", "metrics": [{"name": "x", "labels": {"a": "b"}, "max": "500m"}]})), "");
    assert_eq!(verdict(json!({"sql": "\n select\n1"})), "");
    assert!(verdict(json!({})).contains("a verdict needs sql or metrics"));
    assert!(verdict(json!({"sql": "SELECT 1; DROP TABLE t"})).contains("one SELECT statement"));
    assert!(verdict(json!({"sql": "DROP TABLE t"})).contains("one SELECT statement"));
    assert!(verdict(json!({"metrics": [{"name": "x"}]})).contains("max or min"));
    assert!(faults(json!({"upgradePolicy": {"canary": {"nodes": 0}}})).contains("between 1 and 1000"));
}
