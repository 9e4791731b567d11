//! `config/console`: what the web console of OpenShift shows of the operator: a tour, YAML to begin with, a link to the documentation; nothing on other clusters.
//!
//! There is no ConsoleCLIDownload: it would need a place from which the binary can be downloaded for every system, and there is none.

use serde_json::{Value, json};

use super::super::GeneratedFile;
use super::super::rbac::{NAME, labels};
use super::{kustomization, objects};
use crate::yaml::YamlError;

/// A resource to begin with: name, title, what it is, and the file of `examples/` that has it.
const YAML_SAMPLES: [(&str, &str, &str, &str); 3] = [
    (
        "starrocks-cluster-minimal",
        "The smallest cluster",
        "One frontend and one backend without storage that outlives their pods: for a first look only.",
        include_str!("../../../examples/minimal.yaml"),
    ),
    (
        "starrocks-cluster-high-availability",
        "A cluster that survives the loss of a node",
        "Three frontends and three backends, spread over zones, with storage that outlives their pods.",
        include_str!("../../../examples/high-availability.yaml"),
    ),
    (
        "starrocks-cluster-channel",
        "A cluster that follows a channel",
        "Patches of StarRocks come by themselves; another release line waits for your approval.",
        include_str!("../../../examples/channel.yaml"),
    ),
];

/// The cluster of the tour: with volumes, since a single frontend without one is never restarted, and with the consents that an upgrade of one of each needs.
pub(super) const TOUR: &str = "\
apiVersion: starrocks.com/v1
kind: StarRocksCluster
metadata:
  name: first
spec:
  version: 3.5.9
  upgradePolicy:
    # There is one of each: whoever upgrades it accepts that nobody is served meanwhile.
    consents: [SingleFrontendOutage, SingleReplicaTables]
  starRocksFeSpec:
    replicas: 1
    storageVolumes:
    - {name: fe-meta, mountPath: /opt/starrocks/fe/meta, storageSize: 10Gi}
  starRocksBeSpec:
    replicas: 1
    storageVolumes:
    - {name: be-data, mountPath: /opt/starrocks/be/storage, storageSize: 20Gi}
";

/// The folder.
pub(super) fn folder() -> Result<Vec<GeneratedFile>, YamlError> {
    let samples: Vec<Value> = YAML_SAMPLES.iter().map(yaml_sample).collect();
    Ok(vec![
        objects("console/quick_start.yaml", &[quick_start()])?,
        objects("console/yaml_samples.yaml", &samples)?,
        objects("console/link.yaml", &[link()])?,
        kustomization(
            "console",
            &[
                "For the web console of OpenShift: a tour, YAML to begin with, and a link to the documentation. Refused where console.openshift.io is not served.",
            ],
            &["quick_start.yaml", "yaml_samples.yaml", "link.yaml"],
            Value::Null,
        )?,
    ])
}

fn object(version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("console.openshift.io/{version}"), "kind": kind,
        "metadata": { "name": name, "labels": labels() },
        "spec": spec,
    })
}

fn yaml_sample((name, title, description, yaml): &(&str, &str, &str, &str)) -> Value {
    let target = json!({ "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster" });
    object("v1", "ConsoleYAMLSample", name, &json!({ "targetResource": target, "title": title, "description": description, "yaml": yaml }))
}

fn link() -> Value {
    let href = format!("{}/blob/main/docs/README.md", env!("CARGO_PKG_REPOSITORY"));
    object("v1", "ConsoleLink", NAME, &json!({ "location": "HelpMenu", "text": "StarRocks Operator documentation", "href": href }))
}

fn quick_start() -> Value {
    let tasks = [task_create(), task_watch(), task_connect(), task_upgrade()];
    object(
        "v1",
        "ConsoleQuickStart",
        "starrocks-first-cluster",
        &json!({
            "displayName": "A first StarRocks cluster",
            "durationMinutes": 10,
            "description": "Create a small StarRocks database, watch it come up, ask it something, and see what an upgrade would do.",
            "prerequisites": [
                "The StarRocks Operator is installed.",
                "A project in which pods may run as root: StarRocks' images do. See docs/openshift.md of the operator.",
            ],
            "introduction": "The operator makes a StarRocks cluster of one resource, keeps it as declared, and walks it from release to release.",
            "tasks": tasks,
            "conclusion": "You have a cluster of one frontend and one backend: every restart of either is an outage. Take the sample **A cluster that survives the loss of a node** for one that you want to keep.",
            "accessReviewResources": [{ "group": "starrocks.com", "resource": "starrocksclusters", "verb": "create" }],
        }),
    )
}

fn task(title: &str, description: &str, check: &str, if_not: &str, done: &str) -> Value {
    json!({
        "title": title,
        "description": description,
        "review": { "instructions": check, "failedTaskHelp": if_not },
        "summary": { "success": done, "failed": "Try these steps again." },
    })
}

fn task_create() -> Value {
    task(
        "Create a cluster",
        &format!(
            "1. Choose a project, and click the **+** in the header (**Import YAML**).\n1. Paste this and click **Create**:\n\n```yaml\n{TOUR}```"
        ),
        "Is there a StarRocksCluster `first` in the project?",
        "If the kind is not known, the operator is not installed.",
        "The operator is making the cluster.",
    )
}

fn task_watch() -> Value {
    task(
        "Watch it come up",
        "1. Open **Workloads > Pods**: `first-fe-0` comes first, `first-be-0` once the frontend serves.\n1. Open the resource `first` and look at its **Conditions**: what is awaited stands in them, with a code.",
        "Is the condition `Ready` of `first` True?",
        "A pod that is not admitted wants a user that the project does not allow; docs/openshift.md of the operator says what to grant. The condition `Stalled` has the reason of everything else.",
        "Frontend and backend serve.",
    )
}

fn task_connect() -> Value {
    task(
        "Ask it something",
        "1. Open the pod `first-fe-0`, tab **Terminal**.\n1. Enter `mysql -h 127.0.0.1 -P 9030 -u root -e 'SHOW BACKENDS\\G'`.",
        "Do you see one backend with `Alive: true`?",
        "A backend is counted as alive a few seconds after its start; ask again.",
        "You have asked the database.",
    )
}

fn task_upgrade() -> Value {
    task(
        "See an upgrade",
        "1. Edit `first` and set `spec.version` to `3.5.20`.\n1. Open **Home > Search**, kind **StarRocksUpgrade**: the operator made one, with the way, its steps and what it waits for.",
        "Is `status.version` of `first` 3.5.20?",
        "Steps that wait say in the StarRocksUpgrade and in the conditions of `first` why, and what to do.",
        "You know where an upgrade shows what it does.",
    )
}
