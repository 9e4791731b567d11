//! A path and the size of a cluster in, every step of the walk in order out; a description for people, it does nothing.

use serde::{Deserialize, Serialize};

use super::facts::{Condition, ConditionKind, ConfigHow, ConfigStep, RunMode, Stage};
use super::hop::{DOWNGRADE_DOCS, Hop, HopKind, UPGRADE_DOCS};
use super::path::{Direction, Path};
use super::version::Version;

/// How many nodes of each kind a cluster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Frontends, observers included.
    pub frontends: u32,
    /// Backends; none in a shared-data cluster.
    pub backends: u32,
    /// Compute nodes.
    pub compute_nodes: u32,
}

/// A part of the walk through one hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// What must hold before anything changes.
    Preflight,
    /// An image of the metadata on every frontend.
    Image,
    /// Scheduler settings saved and set.
    Freeze,
    /// The first node of the kind that goes first.
    Canary,
    /// The other backends.
    Backends,
    /// The compute nodes.
    ComputeNodes,
    /// Frontends that are not the leader.
    Followers,
    /// The leader.
    Leader,
    /// Saved settings put back, routine loads resumed.
    Thaw,
    /// An image written by the new version, after the last hop.
    Finish,
}

/// How the steps of one hop are numbered: preflight, image, freeze, one for each node, thaw. After the last hop there is one more for
/// the whole walk. The operation in a cluster's status counts by the same numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    with_image: bool,
    with_freeze: bool,
    nodes: u32,
}

impl Frame {
    /// The numbering of a hop for a cluster of the given size.
    pub fn of(hop: &Hop, topology: &Topology) -> Self {
        let nodes = topology.frontends.saturating_add(topology.backends).saturating_add(topology.compute_nodes);
        let with_freeze =
            [&hop.freeze, &hop.frontend_config_while_mixed, &hop.frontend_config_before].iter().any(|steps| !steps.is_empty());
        Self { with_image: hop.kind != HopKind::Patch || hop.direction == Direction::Downgrade, with_freeze, nodes }
    }

    /// The number of the image within the hop; the preflight is 1.
    pub fn image(&self) -> Option<u32> {
        self.with_image.then_some(2)
    }

    /// The number of the freeze.
    pub fn freeze(&self) -> Option<u32> {
        self.with_freeze.then(|| 2 + u32::from(self.with_image))
    }

    /// The number of the first node; the others follow in the order in which they are restarted.
    pub fn first_node(&self) -> u32 {
        2 + u32::from(self.with_image) + u32::from(self.with_freeze)
    }

    /// The number of the thaw, which is the last of the hop.
    pub fn thaw(&self) -> u32 {
        self.first_node().saturating_add(self.nodes)
    }

    /// How many steps the hop has.
    pub fn steps(&self) -> u32 {
        self.thaw()
    }
}

/// One line about a step of the walk; the lines of a step share its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlineStep {
    /// Step of the whole walk, from 1, as `status.operation.step` counts.
    pub number: u32,
    /// Which hop it belongs to, from 1.
    pub hop: u32,
    /// Which part of the hop it belongs to.
    pub phase: Phase,
    /// What is done, or what must hold.
    pub text: String,
    /// The rule or condition behind it.
    pub rule_code: String,
    /// Where the rule is written.
    pub source: String,
}

/// More nodes of a kind than this are told in one line for all that follow the first ones.
const NODES_TOLD_MAX: u32 = 32;

/// ALTER SYSTEM CREATE IMAGE exists from this release on; before, the leader is restarted instead.
const CREATE_IMAGE_SINCE: Version = Version::new(2, 5, 3);

const GRACEFUL_DOCS: &str = "docs: administration/management/graceful_exit.md";
const OPERATOR: &str = "safety rule of this operator";
const MEASURED: &str = "measured on 3.5.0 and 4.0";

/// Every step of the walk along a path, for a cluster of the given size.
pub fn outline(path: &Path, topology: &Topology) -> Vec<OutlineStep> {
    let mut walk = Walk { steps: Vec::new(), hop_number: 0, phase: Phase::Preflight, number: 0 };
    for hop in &path.hops {
        walk.hop_number = walk.hop_number.saturating_add(1);
        let before = walk.number;
        let frame = Frame::of(hop, topology);
        walk.preflight(hop, topology);
        walk.image(hop, &frame);
        walk.freeze(hop, &frame);
        if hop.direction == Direction::Downgrade {
            walk.frontends(hop, topology);
            walk.data_nodes(hop, topology);
        } else {
            walk.data_nodes(hop, topology);
            walk.frontends(hop, topology);
        }
        walk.number = before.saturating_add(frame.thaw()).saturating_sub(1);
        walk.thaw(hop);
    }
    if let (Some(first), Some(last)) = (path.hops.first(), path.hops.last()) {
        walk.finish(last, first.from.line() != last.to.line());
    }
    walk.steps
}

struct Walk {
    steps: Vec<OutlineStep>,
    hop_number: u32,
    phase: Phase,
    number: u32,
}

impl Walk {
    /// Begins the next step.
    fn step(&mut self, phase: Phase) {
        self.phase = phase;
        self.number = self.number.saturating_add(1);
    }

    /// One line about the present step.
    fn say(&mut self, rule_code: &str, source: &str, text: impl Into<String>) {
        self.steps.push(OutlineStep {
            number: self.number,
            hop: self.hop_number,
            phase: self.phase,
            text: text.into(),
            rule_code: rule_code.to_owned(),
            source: source.to_owned(),
        });
    }

    fn preflight(&mut self, hop: &Hop, topology: &Topology) {
        self.step(Phase::Preflight);
        self.say("SR-1301", OPERATOR, "Check that every node is alive with a heartbeat newer than its start, that one frontend leads, and that no tablet of a user table lacks a healthy replica.");
        self.say("SR-1302", OPERATOR, "Check that no backup, restore, schema change or decommission runs, disks are under 85 % full, and the journal has fewer than 100,000 entries since the last image.");
        if topology.frontends > 0 && topology.frontends < 3 {
            self.say(
                "SR-1303",
                OPERATOR,
                "With fewer than three frontends the restart of one is an outage: needs the consent SingleFrontendOutage.",
            );
        }
        if topology.backends > 0 {
            self.say("SR-1303", OPERATOR, "User tables with a single replica cannot be read while their backend restarts: if there are any, needs the consent SingleReplicaTables.");
        }
        self.conditions(hop, Stage::Before);
        self.say("SR-1313", OPERATOR, "Remember which routine loads run.");
        for step in &hop.sql_before {
            self.say("SR-1304", &step.source, format!("{} ({})", step.sql, unended(&step.why)));
        }
        if !Frame::of(hop, topology).with_image {
            self.conditions(hop, Stage::Prepared);
        }
    }

    fn conditions(&mut self, hop: &Hop, stage: Stage) {
        for condition in hop.conditions.iter().filter(|condition| condition.stage == stage) {
            self.say(&condition.code, &condition.source, condition_text(condition));
        }
    }

    fn image(&mut self, hop: &Hop, frame: &Frame) {
        if frame.image().is_none() {
            return;
        }
        self.step(Phase::Image);
        if !hop.frontend_config_before.is_empty() {
            self.say("SR-1306", docs(hop), format!("Save the present values of {} in the status.", keys(&hop.frontend_config_before)));
        }
        self.settings_before(hop);
        self.conditions(hop, Stage::Prepared);
        self.say("SR-1305", docs(hop), "Note the journal id of the leader, send ALTER SYSTEM CREATE IMAGE, and wait until each frontend holds an image at or after that id: one to four minutes.");
        if hop.from < CREATE_IMAGE_SINCE {
            self.say(
                "SR-1305",
                docs(hop),
                format!("{} does not know that statement, so the operator goes no further: go to 2.5.3 or later by hand.", hop.from),
            );
        }
        self.conditions(hop, Stage::Imaged);
    }

    fn settings_before(&mut self, hop: &Hop) {
        for step in &hop.frontend_config_before {
            self.say("SR-1304", &step.source, config_text(step));
        }
    }

    fn freeze(&mut self, hop: &Hop, frame: &Frame) {
        if frame.freeze().is_none() {
            return;
        }
        self.step(Phase::Freeze);
        let before = if frame.with_image { &[] } else { hop.frontend_config_before.as_slice() };
        let saved = keys(hop.freeze.iter().chain(&hop.frontend_config_while_mixed).chain(before));
        if !saved.is_empty() {
            self.say("SR-1306", docs(hop), format!("Save the present values of {saved} in the status."));
        }
        for step in &hop.freeze {
            self.say("SR-1306", &step.source, config_text(step));
        }
        for step in &hop.frontend_config_while_mixed {
            self.say("SR-1307", &step.source, config_text(step));
        }
        if !frame.with_image {
            self.settings_before(hop);
        }
        self.say("SR-1306", MEASURED, "Ask every frontend for these settings before each restart of a node, and set again what one has lost: what ADMIN SET changed is forgotten when a frontend restarts.");
    }

    fn nodes(&mut self, phase: Phase, kind: &str, (first, last, total): (u32, u32, u32), said: &Said<'_>) {
        let kind = capitalised(kind);
        let told = last.min(NODES_TOLD_MAX);
        for number in first..=told {
            self.step(phase);
            self.say(said.code, said.source, format!("{kind} {number} of {total} to {}: {}.", said.to, said.how));
        }
        if last > told {
            let next = told.saturating_add(1).max(first);
            self.step(phase);
            self.say(said.code, said.source, format!("{kind}s {next} to {last} of {total} to {}, one at a time: {}.", said.to, said.how));
            self.number = self.number.saturating_add(last.saturating_sub(next));
        }
    }

    fn data_nodes(&mut self, hop: &Hop, topology: &Topology) {
        let downgrade = hop.direction == Direction::Downgrade;
        let order = if downgrade { "every frontend is at the old version" } else { "no frontend has moved" };
        let code = if downgrade { "SR-1309" } else { "SR-1308" };
        let backend = "stop gracefully, start, alive with a later start time, tablets reported; under 900 seconds, when StarRocks would copy its tablets elsewhere";
        let compute = "stop gracefully so that its queries end, start, alive with a later start time";
        let (backends, nodes) = (topology.backends, topology.compute_nodes);
        let said = |how, source| Said { to: hop.to, how, code, source };
        if backends > 0 {
            let canary = format!("canary, while {order}; {backend}; watch it before going on");
            self.nodes(Phase::Canary, "backend", (1, 1, backends), &Said { code: "SR-1310", ..said(&canary, docs(hop)) });
            self.nodes(Phase::Backends, "backend", (2, backends, backends), &said(backend, docs(hop)));
            self.nodes(Phase::ComputeNodes, "compute node", (1, nodes, nodes), &said(compute, GRACEFUL_DOCS));
        } else if nodes > 0 {
            let canary = format!("canary, while {order}; {compute}; watch it before going on");
            self.nodes(Phase::Canary, "compute node", (1, 1, nodes), &Said { code: "SR-1310", ..said(&canary, docs(hop)) });
            self.nodes(Phase::ComputeNodes, "compute node", (2, nodes, nodes), &said(compute, GRACEFUL_DOCS));
        }
    }

    fn frontends(&mut self, hop: &Hop, topology: &Topology) {
        if topology.frontends == 0 {
            return;
        }
        let followers = topology.frontends - 1;
        let code = if hop.direction == Direction::Downgrade { "SR-1309" } else { "SR-1311" };
        let healthy =
            "ready, alive, at its version, journal caught up, one leader, settings in force, and quorum would survive one more loss";
        let first = format!("the highest ordinal that is not the leader; {healthy}");
        let said = |how, code| Said { to: hop.to, how, code, source: docs(hop) };
        self.nodes(Phase::Followers, "follower", (1, followers.min(1), followers), &said(&first, "SR-1310"));
        let next = format!("the next lower ordinal that is not the leader; {healthy}");
        self.nodes(Phase::Followers, "follower", (2, followers, followers), &said(&next, code));
        self.step(Phase::Leader);
        let handed = if hop.leader_transfer && followers > 1 { "; but in shared-data, ALTER SYSTEM TRANSFER LEADER first" } else { "" };
        let text = format!(
            "Leader to {}, last: ask again who leads, since leadership may have moved{handed}; one election of about two seconds.",
            hop.to
        );
        self.say(code, docs(hop), text);
    }

    fn thaw(&mut self, hop: &Hop) {
        self.step(Phase::Thaw);
        let keys = keys(hop.freeze.iter().chain(&hop.frontend_config_while_mixed).chain(&hop.frontend_config_before));
        if !keys.is_empty() {
            self.say("SR-1312", docs(hop), format!("Put the saved values of {keys} back, and read them back from every frontend."));
        }
        for step in &hop.sql_after {
            self.say("SR-1304", &step.source, format!("By you: {} ({})", step.sql, unended(&step.why)));
        }
        self.say("SR-1313", OPERATOR, "Resume the routine loads that ran before the hop and are paused now.");
        self.conditions(hop, Stage::After);
    }

    fn finish(&mut self, hop: &Hop, with_image: bool) {
        self.step(Phase::Finish);
        if with_image {
            let text = format!(
                "All nodes at {}: ALTER SYSTEM CREATE IMAGE, and wait until each frontend holds it. Between two hops the image of the next one does this.",
                hop.to
            );
            self.say("SR-1305", docs(hop), text);
        } else {
            self.say("SR-1301", OPERATOR, format!("Check that all nodes are at {} and healthy.", hop.to));
        }
        for step in &hop.frontend_config_after {
            self.say("SR-1304", &step.source, config_text(step));
        }
    }
}

/// What is said of each node of a kind.
struct Said<'t> {
    to: Version,
    how: &'t str,
    code: &'t str,
    source: &'t str,
}

/// The names of settings.
fn keys<'s>(steps: impl IntoIterator<Item = &'s ConfigStep>) -> String {
    steps.into_iter().map(|step| step.key.as_str()).collect::<Vec<_>>().join(", ")
}

fn docs(hop: &Hop) -> &'static str {
    if hop.direction == Direction::Downgrade { DOWNGRADE_DOCS } else { UPGRADE_DOCS }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn condition_text(condition: &Condition) -> String {
    let kind = match condition.kind {
        ConditionKind::Required => "Required",
        ConditionKind::Recommended => "Recommended",
        ConditionKind::Note => "Note",
    };
    let scope = match condition.only_in {
        Some(RunMode::SharedData) => " (shared-data)",
        Some(RunMode::SharedNothing) => " (shared-nothing)",
        None => "",
    };
    let checked = condition.check.as_ref().is_some_and(super::MachineCheck::is_made);
    let who = match (condition.kind, checked) {
        (ConditionKind::Required, true) => " Checked by the operator.",
        (ConditionKind::Required, false) => " Yours to confirm: the operator does not check it.",
        (ConditionKind::Recommended | ConditionKind::Note, _) => "",
    };
    format!("{kind}{scope}: {}{who}", condition.text)
}

fn config_text(step: &ConfigStep) -> String {
    let (key, value, why) = (&step.key, &step.value, unended(&step.why));
    let statement = format!("ADMIN SET FRONTEND CONFIG (\"{key}\"=\"{value}\")");
    match step.how {
        ConfigHow::Dynamic => format!("{statement} ({why})."),
        ConfigHow::OnceTheNewerLeads => {
            format!("As soon as a frontend that knows the key leads: save its value, {statement} ({why}).")
        }
        ConfigHow::DynamicAndUsersFile => {
            format!(
                "{statement} ({why}). By you, before: {key} = {value} in fe.conf, which the operator does not write, for frontends that restart."
            )
        }
        ConfigHow::UsersFile => format!("By you, afterwards: {key} = {value} in fe.conf, which the operator does not write ({why})."),
    }
}

fn unended(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}
