//! Every field of the specification in, what it changes in the objects out, held against the compatibility page; never a field that is silently dropped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use starrocks_operator::api::StarRocksCluster;
use starrocks_operator::build;
use starrocks_operator::generate::crds;
use starrocks_operator::model::Object;
use starrocks_operator::model::cluster::Conventions;
use starrocks_operator::validate::{References, validate};

const UPSTREAM: &str = include_str!("data/starrockscluster-v1.11.5.fields.tsv");

/// Schemas from the specification down to one leaf: the name of each, with what its parent requires beside it.
type Leaves = BTreeMap<String, Value>;

fn specification() -> Value {
    let definition = crds::all().into_iter().map(|definition| serde_json::to_value(definition).unwrap());
    let definition = definition.into_iter().find(|definition| definition["spec"]["names"]["kind"] == "StarRocksCluster").unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Paths of all leaves (`spec.a.b[].c`, `spec.a.m{}`) and their schemas.
fn leaves(path: &str, schema: &Value, found: &mut Leaves) {
    let scalar = schema["properties"].is_null() && schema["items"].is_null() && schema["additionalProperties"].is_null();
    if scalar {
        found.insert(path.to_owned(), schema.clone());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        leaves(&format!("{path}.{name}"), property, found);
    }
    if !schema["items"].is_null() {
        leaves(&format!("{path}[]"), &schema["items"], found);
    }
    if schema["additionalProperties"].is_object() {
        leaves(&format!("{path}{{}}"), &schema["additionalProperties"], found);
    }
}

/// The first port of a Service.
fn first_port(path: &str) -> (&'static str, i32) {
    match path {
        path if path.contains("FeProxySpec") => ("http-port", 8080),
        path if path.contains("FeSpec") => ("http", 8030),
        _ => ("webserver", 8040),
    }
}

/// A value of a type; `second` is another one.
fn sample(path: &str, schema: &Value, second: bool) -> Value {
    let pick = |first: Value, other: Value| if second { other } else { first };
    if let Some(words) = schema["enum"].as_array() {
        return words[usize::from(second).min(words.len() - 1)].clone();
    }
    let name = path.rsplit('.').next().unwrap_or(path);
    if schema["x-kubernetes-int-or-string"] == true {
        return pick(json!(1), json!(2));
    }
    match (schema["type"].as_str(), name) {
        (_, "containerPort") if path.ends_with("service.ports[].containerPort") => pick(json!(1), json!(first_port(path).1)),
        (Some("boolean"), _) => pick(json!(false), json!(true)),
        (Some("integer"), _) => pick(json!(5), json!(6)),
        (_, "storageSize") => pick(json!("1Gi"), json!("2Gi")),
        (_, "podManagementPolicy") => pick(json!("Parallel"), json!("OrderedReady")),
        (_, "imagePullPolicy") if path.matches('.').count() == 2 => pick(json!("Always"), json!("Never")),
        (_, "whenDeleted" | "whenScaled") => pick(json!("Retain"), json!("Delete")),
        (_, "type") if path.ends_with("updateStrategy.type") => pick(json!("RollingUpdate"), json!("OnDelete")),
        (_, "type") if path.ends_with("service.type") => pick(json!("LoadBalancer"), json!("NodePort")),
        (_, "version") if path.ends_with("autoScalingPolicy.version") => pick(json!("v2"), json!("v1")),
        (_, "configMapName") => pick(json!("conf-one"), json!("conf-two")),
        (_, "name") if path.ends_with("service.ports[].name") => pick(json!("nobody"), json!(first_port(path).0)),
        (_, "resolveKey") => pick(json!("a.conf"), json!("b.conf")),
        (_, "mountPath" | "path") => pick(json!("/one"), json!("/two")),
        // Volumes that every component has, or that are mounted for this.
        (_, "name") if path.contains("volumeMounts[]") => pick(json!("one"), json!("two")),
        (_, "channel") if path == "spec.channel" => pick(json!("stable-3.5"), json!("stable-4.0")),
        (_, "version") if path == "spec.version" => pick(json!("3.5.9"), json!("3.5.10")),
        _ => pick(json!("one"), json!("two")),
    }
}

/// What must stand beside a field for it to count: path of the parent, and its fields.
fn beside(parent: &str, component: bool) -> Map<String, Value> {
    let fields = match parent.rsplit('.').next().unwrap_or(parent) {
        "storageVolumes[]" => json!({"name": "mine", "mountPath": "/mine", "storageSize": "1Gi"}),
        "hostPath" if parent.ends_with("storageVolumes[].hostPath") => json!({"path": "/host"}),
        "csi" if parent.ends_with("storageVolumes[].csi") => json!({"driver": "driver"}),
        "configMaps[]" | "secrets[]" if component => json!({"name": "mine", "mountPath": "/mine"}),
        "sidecars[]" | "initContainers[]" => json!({"name": "mine"}),
        "configMapInfo" => json!({"configMapName": "conf-one", "resolveKey": "a.conf"}),
        "autoScalingPolicy" => json!({"maxReplicas": 9}),
        "service" => json!({"type": "LoadBalancer"}),
        "ports[]" if parent.ends_with("service.ports[]") => json!({"name": first_port(parent).0, "port": 81}),
        "feEnvVars[]" | "beEnvVars[]" | "cnEnvVars[]" => json!({"name": "MINE"}),
        "volumeMounts[]" => json!({"name": "one"}),
        "credentials" => json!({"secretName": "one"}),
        "disasterRecovery" => json!({"enabled": true, "generation": 1}),
        _ => json!({}),
    };
    fields.as_object().cloned().unwrap()
}

/// Puts a value at a path, with what must stand beside it on the way.
fn put(path: &str, value: Value) -> Value {
    let mut value = value;
    let mut path = path;
    while let Some((parent, key)) = path.rsplit_once('.') {
        let (name, wrapping) = key.find(['[', '{']).map_or((key, ""), |at| key.split_at(at));
        for wrap in wrapping.as_bytes().chunks(2).rev() {
            value = if wrap == b"[]" { json!([value]) } else { json!({"cpu": value}) };
        }
        let mut fields = beside(parent, parent.matches('.').count() <= 2);
        if parent.ends_with("service.ports[]") && name == "containerPort" {
            fields.remove("name");
        }
        if parent.ends_with("autoScalingPolicy") && name == "version" {
            fields.insert("hpaPolicy".to_owned(), json!({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}));
        }
        if parent.ends_with("storageVolumes[]") && (name == "hostPath" || name == "csi") {
            fields.remove("storageSize");
        }
        fields.insert(name.to_owned(), value);
        value = Value::Object(fields);
        path = parent;
    }
    value
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            over.iter().for_each(|(key, value)| merge(base.entry(key).or_insert(Value::Null), value))
        }
        (base, over) => *base = over.clone(),
    }
}

/// Objects of the base resource with a value at a path, or why it is no resource.
fn objects(path: &str, value: Value) -> Result<Value, String> {
    let emptied = |name: &str| json!({"name": name, "mountPath": format!("/volumes/{name}"), "storageClassName": "emptyDir"});
    let section = |kind: &str| {
        let storage = if path.contains("storageVolumes") { json!([]) } else { json!([emptied("one"), emptied("two")]) };
        json!({"image": format!("starrocks/{kind}-ubuntu:3.5.9"), "storageVolumes": storage})
    };
    let mut spec = json!({"starRocksFeSpec": section("fe"), "starRocksBeSpec": section("be"), "starRocksCnSpec": section("cn"), "starRocksFeProxySpec": {}});
    if path == "spec.version" || path == "spec.channel" {
        spec["starRocksBeSpec"]["image"] = json!("starrocks/be-ubuntu");
        spec["starRocksFeSpec"]["image"] = json!("starrocks/fe-ubuntu");
        spec["starRocksCnSpec"]["image"] = json!("starrocks/cn-ubuntu");
    }
    merge(&mut spec, &put(path, value));
    let resource =
        json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "metadata": {"name": "c", "namespace": "ns"}, "spec": spec});
    let resource: StarRocksCluster = serde_json::from_value(resource).map_err(|error| error.to_string())?;
    let conf: BTreeMap<String, String> = [("a.conf", "8101"), ("b.conf", "8102")]
        .map(|(key, port)| (key.to_owned(), format!("http_port={port}\nwebserver_port={port}\n")))
        .into();
    let references = References {
        config_maps: ["conf-one", "conf-two", "mine"].map(|name| (name.to_owned(), Some(conf.clone()))).into(),
        ..References::default()
    };
    let cluster = validate(&resource, &references, &Conventions::default()).map_err(|faults| format!("{faults:?}"))?;
    Ok(build::objects(&cluster).iter().map(Object::to_json).collect())
}

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md")).unwrap()
}

/// Rows of the table below a heading row, cell by cell.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = page();
    let rows = page.lines().skip_while(|line| *line != heading).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "the page has a table {heading}");
    rows
}

/// Whether a path is a pattern's or lies below it; `*` stands for one section.
fn covers(pattern: &str, path: &str) -> bool {
    let plain = path.replace("[]", "").replace("{}", "");
    let (mut wanted, mut found) = (pattern.split('.'), plain.split('.'));
    wanted.all(|step| found.next().is_some_and(|found| step == "*" || step == found))
}

#[test]
fn every_field_of_the_specification_changes_an_object_or_is_listed_with_the_reason_why_not() {
    let mut all = Leaves::new();
    leaves("spec", &specification(), &mut all);
    assert!(all.len() > 1_500, "{}", all.len());
    let excused: Vec<String> = table("| field without an effect on objects | why |").into_iter().map(|mut row| row.remove(0)).collect();
    let mut needed = BTreeSet::new();
    let mut idle = Vec::new();
    for (path, schema) in &all {
        let outcome = match (objects(path, sample(path, schema, false)), objects(path, sample(path, schema, true))) {
            (Ok(first), Ok(second)) if first == second => "changes nothing".to_owned(),
            (Ok(_), Ok(_)) => continue,
            (Err(why), _) | (_, Err(why)) => why,
        };
        match excused.iter().position(|pattern| covers(pattern, path)) {
            Some(row) => {
                needed.insert(row);
            }
            None => idle.push(format!("{path}: {outcome}")),
        }
    }
    assert!(idle.is_empty(), "{} of {} fields:\n{}", idle.len(), all.len(), idle.join("\n"));
    let idle: Vec<_> = excused.iter().enumerate().filter(|(row, _)| !needed.contains(row)).map(|(_, pattern)| pattern).collect();
    assert!(idle.is_empty(), "these do have an effect: {idle:?}");
}

#[test]
fn the_compatibility_page_has_a_row_for_every_field_and_says_truly_which_are_new() {
    let mut ours = Leaves::new();
    leaves("spec", &specification(), &mut ours);
    let upstream: Vec<&str> =
        UPSTREAM.lines().filter_map(|line| line.split('\t').next()).filter(|path| path.starts_with("spec.")).collect();
    let rows = table("| field | | what |");
    let row_of = |path: &str| rows.iter().filter(|row| covers(&row[0], path)).max_by_key(|row| row[0].len());
    let missing: Vec<&String> = ours.keys().filter(|path| row_of(path).is_none()).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    for row in &rows {
        assert!(row.len() == 3 && !row[2].is_empty(), "{row:?}");
        let known = upstream.iter().any(|path| covers(&row[0], path));
        match row[1].as_str() {
            "same" | "better" => assert!(known, "{} was not there before", row[0]),
            "new" => assert!(!known, "{} was there before", row[0]),
            other => panic!("{other:?} is neither same, better nor new"),
        }
        assert!(ours.keys().any(|path| covers(&row[0], path)), "{} is no field", row[0]);
    }
}

/// A cluster with this specification beside a frontend; the ConfigMap `conf` has this be.conf, the ConfigMap `shared` a fe.conf for shared data.
fn resource(spec: Value, conf: Option<&str>) -> Result<Vec<Value>, Vec<&'static str>> {
    let mut whole =
        json!({"starRocksFeSpec": {"image": "starrocks/fe-ubuntu:3.5.9"}, "starRocksBeSpec": {"image": "starrocks/be-ubuntu:3.5.9"}});
    merge(&mut whole, &spec);
    let resource = json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": whole});
    let mut references = References::default();
    references.config_maps.insert("shared".to_owned(), Some([("fe.conf".to_owned(), "run_mode = shared_data".to_owned())].into()));
    references.config_maps.insert("conf".to_owned(), conf.map(|conf| [("be.conf".to_owned(), conf.to_owned())].into()));
    let resource: StarRocksCluster = serde_json::from_value(resource).unwrap();
    let cluster = validate(&resource, &references, &Conventions::default())
        .map_err(|faults| faults.iter().map(|fault| fault.code).collect::<Vec<_>>())?;
    let mut objects: Vec<Value> = build::objects(&cluster).iter().map(Object::to_json).collect();
    if let Some(recovery) = cluster.disaster_recovery {
        let set = build::for_recovery(build::stateful_set(&cluster, &cluster.frontend), &cluster.frontend, recovery);
        objects.push(json!({"recovering": Object::StatefulSet(Box::new(set)).to_json()}));
    }
    Ok(objects)
}

/// The pod that backends are made of.
fn backend_pod(spec: Value, conf: Option<&str>) -> Value {
    let objects = resource(json!({ "starRocksBeSpec": spec }), conf).unwrap_or_else(|codes| panic!("{codes:?}"));
    let set = objects.into_iter().find(|object| object["kind"] == "StatefulSet" && object["metadata"]["name"] == "a-be").unwrap();
    set["spec"].clone()
}

fn with_conf(conf: Option<&str>) -> Result<Vec<Value>, Vec<&'static str>> {
    resource(json!({"starRocksBeSpec": {"configMapInfo": {"configMapName": "conf", "resolveKey": "be.conf"}}}), conf)
}

fn values<'v>(list: &'v Value, name: &str) -> Vec<&'v Value> {
    list.as_array().into_iter().flatten().filter(|item| item["name"] == name).map(|item| &item["value"]).collect()
}

fn what_is_twice() -> bool {
    let spec = json!({"beEnvVars": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}], "imagePullSecrets": [{"name": "s"}, {"name": "s"}],
        "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a"]}, {"ip": "1.1.1.1", "hostnames": ["b"]}]});
    let pod = backend_pod(spec, None)["template"]["spec"].clone();
    values(&pod["containers"][0]["env"], "A") == [&json!("2")]
        && pod["imagePullSecrets"] == json!([{"name": "s"}])
        && pod["hostAliases"] == json!([{"ip": "1.1.1.1", "hostnames": ["a", "b"]}])
}

fn the_mount_path() -> bool {
    let spec = json!({"beEnvVars": [{"name": "CONFIGMAP_MOUNT_PATH", "value": "/mine"}], "configMapInfo": {"configMapName": "conf", "resolveKey": "be.conf"}});
    let pod = backend_pod(spec, Some(""));
    values(&pod["template"]["spec"]["containers"][0]["env"], "CONFIGMAP_MOUNT_PATH") == [&json!("/etc/starrocks/be/conf")]
}

fn a_small_size() -> bool {
    let spec = json!({"storageVolumes": [{"name": "be-data", "mountPath": "/opt/starrocks/be/storage", "storageSize": "0.5Gi"}]});
    backend_pod(spec, None)["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "0.5Gi"
}

fn odd_ports() -> bool {
    let spellings = ["be_port: 9999", "be_port 9999", "BE_PORT = 9999", "be_port = ${PORT}\nPORT = 9999"];
    spellings.iter().all(|conf| match with_conf(Some(conf)) {
        Ok(objects) => !serde_json::to_string(&objects).unwrap().contains("9999"),
        // What StarRocks itself would stumble over is a fault.
        Err(codes) => codes == ["SR-3014"],
    })
}

fn operators_labels() -> bool {
    let spec = json!({"starRocksBeSpec": {"service": {"labels": {"app.kubernetes.io/component": "mine", "team": "data"}}}});
    let objects = resource(spec, None).unwrap();
    let service = objects.iter().find(|object| object["metadata"]["name"] == "a-be-service").unwrap();
    let labels = &service["metadata"]["labels"];
    labels["app.kubernetes.io/component"] == "be" && labels["team"] == "data"
}

fn scalers() -> bool {
    ["v1", "v2beta2", "v2"].iter().all(|version| {
        let spec =
            json!({"starRocksCnSpec": {"image": "starrocks/cn-ubuntu:3.5.9", "autoScalingPolicy": {"maxReplicas": 3, "version": version}}});
        let objects = resource(spec, None).unwrap();
        objects.iter().any(|object| object["kind"] == "HorizontalPodAutoscaler" && object["apiVersion"] == "autoscaling/v2")
    })
}

fn restore_variables() -> bool {
    let mine = json!([{"name": "RESTORE_CLUSTER_SNAPSHOT", "value": "false"}, {"name": "RESTORE_CLUSTER_GENERATION", "value": "7"}]);
    let spec = json!({"starRocksFeSpec": {"feEnvVars": mine, "configMapInfo": {"configMapName": "shared", "resolveKey": "fe.conf"}}, "disasterRecovery": {"enabled": true, "generation": 2}});
    let objects = resource(spec, None).unwrap();
    let Some(set) = objects.iter().find_map(|object| object.get("recovering")) else { return false };
    let env = &set["spec"]["template"]["spec"]["containers"][0]["env"];
    values(env, "RESTORE_CLUSTER_SNAPSHOT") == [&json!("true")] && values(env, "RESTORE_CLUSTER_GENERATION") == [&json!("2")]
}

/// How a row of the guide's second table begins, and what proves it.
type Meaning = (&'static str, fn() -> bool);

/// The rows of the guide's second table. What shows only in time is proven by tests on the wire.
const MEANINGS: [Meaning; 11] = [
    ("a variable, pull Secret or host address twice", what_is_twice),
    ("`CONFIGMAP_MOUNT_PATH` beside", the_mount_path),
    ("`storageSize` that begins with 0", a_small_size),
    ("a port in be.conf or cn.conf written with", odd_ports),
    ("a port that is no number", || with_conf(Some("be_port = many")) == Err(vec!["SR-3014"])),
    ("`webserver_port` and `be_http_port`", || with_conf(Some("webserver_port = 8041\nbe_http_port = 8042")) == Err(vec!["SR-3015"])),
    ("a ConfigMap that is not there", || with_conf(None) == Err(vec!["SR-3013"])),
    ("`service.labels` with a label of the operator's", operators_labels),
    ("`autoScalingPolicy.version`", scalers),
    ("`disasterRecovery` with RESTORE variables", restore_variables),
    ("`disasterRecovery` of a cluster that runs", || {
        include_str!("wire/drop_in.rs").contains("fn three_frontends_recover_and_all_three_are_in_the_restored_group")
    }),
];

#[test]
fn what_resources_mean_otherwise_than_there_is_as_the_guide_says() {
    let guide = include_str!("../docs/migrate-from-go-operator.md");
    let rows: Vec<&str> = guide
        .lines()
        .skip_while(|line| *line != "| in the resource | there | here | reason |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_start_matches("| "))
        .collect();
    assert_eq!(rows.len(), MEANINGS.len(), "each row has its proof, and each proof its row");
    for (row, (beginning, holds)) in rows.iter().zip(MEANINGS) {
        assert!(row.starts_with(beginning), "{row}: expected {beginning}");
        assert!(holds(), "{row}");
    }
}
