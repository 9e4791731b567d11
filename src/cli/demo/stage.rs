//! Plays the story: start, create, announce, upgrade with faults, report, and keep serving if asked to.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::mishap::{Mishaps, Shortage};
use super::progress::Progress;
use super::props;
use super::report::{Before, Report, Settings};
use super::screen::Screen;
use super::{Arguments, Fault, Outcome, Script, Speed};
use crate::generate::{crds, rbac};
use crate::model::Component;
use crate::release::Image;
use crate::sim::embedded::{Embedded, OPERATOR_NAMESPACE};
use crate::sim::{kube, pace};

/// Simulated time that creating a cluster may take.
const CREATE_LIMIT: Duration = Duration::from_secs(3_600);
/// Simulated time that an upgrade may take.
const UPGRADE_LIMIT: Duration = Duration::from_secs(6 * 3_600);
/// Simulated time after which a cluster that only a person can help is given up; no fault lasts as long.
const STUCK_LIMIT: Duration = Duration::from_secs(900);
/// How often the story is looked at, in simulated time.
const GLANCE: Duration = Duration::from_secs(1);

pub(super) async fn play(arguments: Arguments, script: Script) -> anyhow::Result<Outcome> {
    let mut screen = Screen::new(arguments.output);
    let definitions = crds::all().iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let embedded = Embedded::start(arguments.seed, &definitions, rbac::cluster_role_rules()).await?;
    let mut stage = Stage { embedded, script, faults: arguments.fault.clone(), mishaps: Mishaps::default(), with_warehouses: false };
    let _pace = hold_back(&arguments);
    let server = match arguments.serve {
        Some(address) => Some(serve(&stage.embedded, address, &mut screen).await?),
        None => None,
    };
    let outcome = stage.story(&mut screen).await;
    if let Some(server) = server {
        screen.say("The story is over; the API stays open. Change the cluster with kubectl and watch; end with Ctrl-C.");
        tokio::select! {
            ended = server => ended.context("serving")?.context("serving")?,
            interrupted = tokio::signal::ctrl_c() => interrupted.context("waiting for Ctrl-C")?,
        }
    }
    stage.embedded.stop_operator().await;
    outcome
}

/// What came of a story that nobody watched.
pub(in crate::cli) struct Told {
    /// Simulated seconds until the cluster, and every warehouse with it, was Ready.
    pub(in crate::cli) ready_after_seconds: u64,
    /// Simulated seconds that the upgrade took, if there was one.
    pub(in crate::cli) upgrade_seconds: Option<u64>,
    /// Promises that did not hold in the upgrade.
    pub(in crate::cli) broken: Vec<String>,
    /// Requests of the operator that its rights did not cover.
    pub(in crate::cli) refused: Vec<String>,
}

/// Plays a script to its end without a word. `definitions` are installed, and the operator has the rights that `rules` grant.
pub(in crate::cli) async fn unwatched(script: Script, definitions: &[Value], rules: Vec<PolicyRule>) -> anyhow::Result<Told> {
    let embedded = Embedded::start(1, definitions, rules).await?;
    let mut stage = Stage { embedded, script, faults: Vec::new(), mishaps: Mishaps::default(), with_warehouses: true };
    let outcome = stage.act(&mut Screen::silent()).await;
    stage.embedded.stop_operator().await;
    let refused = stage.embedded.ledger.refused();
    let (created, report) = outcome.map_err(|error| match refused.first() {
        Some(first) => error.context(format!("requests were refused for lack of rights, the first of them `{first}`")),
        None => error,
    })?;
    Ok(Told {
        ready_after_seconds: created.at_seconds,
        upgrade_seconds: report.as_ref().map(Report::seconds),
        broken: report.map(|report| report.broken()).unwrap_or_default(),
        refused,
    })
}

// A paused clock leaps whenever nothing is to be done; people and kubectl need it to pass evenly.
fn hold_back(arguments: &Arguments) -> Option<tokio::task::JoinHandle<()>> {
    let speed = match (arguments.speed, arguments.serve) {
        (Speed::Times(speed), _) => speed,
        (Speed::Max, Some(_)) => 60.0,
        (Speed::Max, None) => return None,
    };
    Some(tokio::spawn(pace::hold_back(speed)))
}

async fn serve(
    embedded: &Embedded,
    address: std::net::SocketAddr,
    screen: &mut Screen,
) -> anyhow::Result<tokio::task::JoinHandle<std::io::Result<()>>> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    let address = listener.local_addr()?;
    screen.say(&format!("The embedded API listens on http://{address}:  kubectl --server http://{address} get src,sts,pods"));
    Ok(tokio::spawn(kube::serve(listener, embedded.service())))
}

/// The routine load that runs during the upgrade.
const LOAD: &str = "shop.clicks";
const OPERATOR_LOST: &str = "the operator is lost; another one starts after 30 s";

struct Stage {
    embedded: Embedded,
    script: Script,
    faults: Vec<Fault>,
    mishaps: Mishaps,
    /// Whether warehouses are waited for as well.
    with_warehouses: bool,
}

impl Stage {
    async fn story(&mut self, screen: &mut Screen) -> anyhow::Result<Outcome> {
        match self.act(screen).await? {
            (_, None) => Ok(Outcome::Done),
            (_, Some(report)) => {
                screen.document("report", &report, &report.text());
                Ok(if report.holds() { Outcome::Done } else { bail!("the upgrade ended, but a promise was broken; see the report") })
            }
        }
    }

    /// Creates the cluster and upgrades it if the script says so: how it was when it had been created, and what came of the upgrade.
    async fn act(&mut self, screen: &mut Screen) -> anyhow::Result<(Progress, Option<Report>)> {
        let (namespace, name) = (self.script.namespace.clone(), self.script.name.clone());
        let started_as = self.script.from.map_or_else(|| "the images it names".to_owned(), |version| version.to_string());
        screen.say(&format!(
            "An embedded Kubernetes is up. Applying StarRocksCluster {namespace}/{name} at {started_as}; the operator starts.\n"
        ));
        let generation = self.apply_documents(screen).await?;
        self.embedded.start_operator();
        let created = self.watch(screen, generation, CREATE_LIMIT, &mut Vec::new()).await.context("creating the cluster")?;
        screen.say(&format!("\nThe cluster is Ready after {} of cluster time.\n", super::screen::stamp(created.at_seconds)));
        let backends = created.nodes.iter().filter(|node| node.component == "BE").count();
        self.embedded.world().seed_tables(&namespace, u32::try_from(backends).unwrap_or(3));
        let (Some(from), Some(to)) = (self.script.from, self.script.to) else { return Ok((created, None)) };
        let before = Before { tally: self.embedded.ledger.tally(), settings: self.seed_loads(&namespace) };
        let outline = &self.script.outline;
        screen.document("plan", &outline.value, &format!("Before anything happens, the plan:\n\n{}", outline.text));
        screen.say(&format!("Asking for {to} now.\n"));
        let generation = self.ask_for(to).await?;
        let mut faults = std::mem::take(&mut self.faults);
        let finished = self.watch(screen, generation, UPGRADE_LIMIT, &mut faults).await.context("upgrading the cluster")?;
        for fault in faults {
            let name = fault.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            screen.say(&format!("    the fault {name} found no moment: this upgrade has nothing for it to strike"));
        }
        let report = Report::new(&self.embedded, (from, to), (&created, &finished), &before, &self.mishaps, &format!("{namespace}/{LOAD}"));
        Ok((created, Some(report)))
    }

    /// A job that loads while nodes restart. Returns the scheduler settings of every frontend.
    fn seed_loads(&self, namespace: &str) -> Settings {
        let mut world = self.embedded.world();
        world.starrocks.set_routine_load(namespace, LOAD, "RUNNING");
        world.starrocks.pause_routine_loads(true);
        let now = world.now();
        world.starrocks.metrics(now).settings_now
    }

    async fn apply_documents(&self, screen: &mut Screen) -> anyhow::Result<i64> {
        for namespace in [OPERATOR_NAMESPACE, self.script.namespace.as_str()] {
            self.embedded.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await?;
        }
        for stand_in in props::stand_ins(&self.script.documents.all, &self.script.namespace) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&stand_in["kind"]), text(&stand_in["metadata"]["name"]));
            screen.say(&format!("The file does not hold {kind} {name}: the demo makes a stand-in."));
            self.embedded.apply(&stand_in).await?;
        }
        let mut applied = Value::Null;
        for document in &self.script.documents.all {
            applied = self.embedded.apply(document).await?;
        }
        Ok(applied["metadata"]["generation"].as_i64().unwrap_or_default())
    }

    /// Asks for a release the way the resource does: by `spec.version`, or by the tags of its images.
    async fn ask_for(&self, to: crate::release::Version) -> anyhow::Result<i64> {
        let (namespace, name) = (&self.script.namespace, &self.script.name);
        let spec = &self.script.documents.resource.spec;
        if spec.version.as_deref().is_some_and(|version| !version.is_empty()) {
            return self.embedded.set_version(namespace, name, &to.to_string()).await;
        }
        let images = [
            (Component::Frontend, "starRocksFeSpec", spec.star_rocks_fe_spec.as_ref().map(|spec| &spec.component)),
            (Component::Backend, "starRocksBeSpec", spec.star_rocks_be_spec.as_ref().map(|spec| &spec.component)),
            (Component::ComputeNode, "starRocksCnSpec", spec.star_rocks_cn_spec.as_ref().map(|spec| &spec.component)),
        ];
        let mut patch = serde_json::Map::new();
        for (_, field, component) in images {
            if let Some(image) = component.and_then(|component| component.load.image.as_deref()) {
                patch.insert(field.to_owned(), json!({"image": Image::parse(image).with_version(&to)}));
            }
        }
        self.embedded.patch_cluster(namespace, name, json!({"spec": patch})).await
    }

    /// Tells what happens until the cluster rests at `generation`.
    async fn watch(&mut self, screen: &mut Screen, generation: i64, limit: Duration, faults: &mut Vec<Fault>) -> anyhow::Result<Progress> {
        let begin = self.embedded.clock().now();
        loop {
            tokio::time::sleep(GLANCE).await;
            let progress = Progress::read(&self.embedded.world(), &self.script.namespace, &self.script.name);
            screen.progress(&progress);
            let audit = {
                let world = self.embedded.world();
                world.starrocks.metrics(world.now())
            };
            let shortage = Shortage { quorum_lost_ms: audit.quorum_lost_ms, below_two_replicas_ms: audit.below_two_ms };
            for line in self.mishaps.glance(&progress, shortage) {
                if line.contains(OPERATOR_LOST) {
                    self.embedded.start_operator();
                }
                screen.say(&line);
            }
            let warehouses = self.warehouses_wait();
            if progress.settled(generation) && warehouses.is_empty() {
                return Ok(progress);
            }
            self.mischief(screen, &progress, faults);
            let stuck = progress.needs_a_person_since().is_some_and(|since| self.embedded.clock().now().since(since) > STUCK_LIMIT);
            let late = self.embedded.clock().now().since(begin);
            if stuck || late > limit {
                let why = if stuck { "it needs a person" } else { "it takes too long" };
                let reasons = [progress.reasons(), warehouses].concat().join("\n  ");
                bail!("given up after {} s of cluster time, {why}:\n  {reasons}", late.as_secs());
            }
        }
    }

    /// What the warehouses of the script wait for, if they are waited for; nothing once all of them rest.
    fn warehouses_wait(&self) -> Vec<String> {
        let world = self.embedded.world();
        let documents =
            self.script.documents.all.iter().filter(|document| self.with_warehouses && document["kind"] == "StarRocksWarehouse");
        let waits = documents.filter_map(|document| {
            let name = document["metadata"]["name"].as_str().unwrap_or_default();
            let warehouse = world.store.get("StarRocksWarehouse", &self.script.namespace, name);
            let status = warehouse.map_or(&Value::Null, |warehouse| &warehouse["status"]);
            let is_current = warehouse.is_some_and(|warehouse| status["observedGeneration"] == warehouse["metadata"]["generation"]);
            let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            let rests = is_current && is_ready && status["operation"].is_null();
            (!rests).then(|| format!("StarRocksWarehouse {name} is not Ready: {}", status["conditions"][0]["message"]))
        });
        waits.collect()
    }

    /// Plays each fault once, when its moment has come.
    fn mischief(&mut self, screen: &mut Screen, progress: &Progress, faults: &mut Vec<Fault>) {
        let Some(phase) = progress.status.operation.as_ref().map(|operation| operation.phase.as_str().to_owned()) else { return };
        faults.retain(|fault| {
            let moments: &[&str] = match fault {
                Fault::HangSql => &["Followers", "Leader"],
                Fault::MissingImage => &["Image", "Freeze", "Canary"],
                Fault::KillBackend | Fault::KillLeader | Fault::LoseOperator | Fault::LoseNode => {
                    &["Backends", "ComputeNodes", "Followers", "Leader"]
                }
            };
            !(moments.contains(&phase.as_str()) && self.strike(screen, *fault, progress).is_some())
        });
    }

    /// Does it; `None` when nothing is there to be hit.
    fn strike(&mut self, screen: &mut Screen, fault: Fault, progress: &Progress) -> Option<()> {
        let is_well = |component: &str, leader: bool| {
            let mut nodes = progress.nodes.iter();
            nodes.find(|node| node.component == component && node.leader == leader && node.state == "ready").map(|node| node.pod.clone())
        };
        let data_node = || is_well("BE", false).or_else(|| is_well("CN", false));
        let namespace = self.script.namespace.clone();
        let (what, lasts_seconds, victim) = match fault {
            Fault::KillBackend => {
                let pod = data_node()?;
                self.embedded.world().kill(&namespace, &pod);
                (format!("the process of {pod} dies"), 0, Some(pod))
            }
            Fault::KillLeader => {
                let pod = is_well("FE", true)?;
                self.embedded.world().kill(&namespace, &pod);
                (format!("the process of the leader {pod} dies"), 0, Some(pod))
            }
            Fault::HangSql => {
                let pod = is_well("FE", false)?;
                self.embedded.world().hang_sql(&namespace, &pod, Duration::from_secs(120));
                (format!("{pod} accepts SQL and does not answer for 120 s"), 120, Some(pod))
            }
            Fault::LoseNode => {
                let pod = data_node()?;
                self.embedded.world().lose_node_of(&namespace, &pod, Duration::from_secs(180));
                (format!("the Kubernetes node of {pod} is gone for 180 s"), 180, Some(pod))
            }
            Fault::MissingImage => {
                let operation = progress.status.operation.as_ref()?;
                let release = operation.path.get(usize::try_from(operation.hop - 1).ok()?)?;
                self.embedded.world().lose_images(release, Duration::from_secs(120));
                (format!("images of {release} cannot be pulled for 120 s"), 120, None)
            }
            Fault::LoseOperator => {
                self.embedded.lose_operator();
                (OPERATOR_LOST.to_owned(), 30, None)
            }
        };
        screen.say(&format!("{} fault: {what}", super::screen::stamp(progress.at_seconds)));
        self.mishaps.begin(fault, what, lasts_seconds, victim, progress);
        Some(())
    }
}
