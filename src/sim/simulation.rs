//! Plays a story at the model level and judges it: safety at every decision, arrival at the end, and rest afterwards. Deterministic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::direct::{Direct, Pass, has_news};
use super::judge::{Judge, Wish};
use super::story::{Declares, Happening, Story, When};
use super::tally::Tally;
use super::walk::Act;
use super::world::World;
use crate::api::{OperationPhase, StarRocksClusterStatus};
use crate::model::Timestamp;

pub(super) const NAMESPACE: &str = "default";
pub(super) const NAME: &str = "sim";
/// Simulated time that creation may take, and the upgrade after the last happening.
const CREATE_LIMIT: Duration = Duration::from_secs(2 * 3_600);
const UPGRADE_LIMIT: Duration = Duration::from_secs(8 * 3_600);
/// How long nothing may be written once the cluster rests.
const REST: Duration = Duration::from_secs(600);
/// How long nothing may have happened before the cluster counts as arrived.
const CALM: Duration = Duration::from_secs(30);
/// Passes follow changes at this distance, as a debounced queue would let them.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// What a run was.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The story.
    pub story: Story,
    /// Why it failed; `None` when every judgement was good.
    pub failure: Option<String>,
    /// Passes made.
    pub passes: u64,
    /// Simulated seconds.
    pub seconds: u64,
    /// What was met on the way.
    pub tally: Tally,
    /// What happened, line by line; empty unless it was asked for.
    pub trace: Vec<String>,
}

/// What becomes of the trace of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Nobody wants it.
    Off,
    /// It is printed as things happen.
    Printed,
    /// It is part of the outcome.
    Kept,
}

/// Plays a story.
pub async fn play(story: &Story, trace: Trace) -> Outcome {
    let mut run = Run::new(story, trace);
    let failure = run.play().await.err().map(|error| format!("{error:#}"));
    let seconds = run.direct.world().now().since(super::world::EPOCH).as_secs();
    Outcome { story: story.clone(), failure, passes: run.passes, seconds, tally: run.tally, trace: run.kept }
}

/// The shortest story that still fails: happenings that do not matter are left out one by one.
pub async fn shorten(story: &Story) -> Story {
    let mut best = story.clone();
    let mut index = 0;
    while index < best.happenings.len() {
        let mut shorter = best.clone();
        shorter.happenings.remove(index);
        if play(&shorter, Trace::Off).await.failure.is_some() {
            best = shorter;
        } else {
            index += 1;
        }
    }
    best
}

/// A run under way.
pub(super) struct Run {
    pub(super) direct: Direct,
    pub(super) story: Story,
    pub(super) tally: Tally,
    pub(super) wish: Wish,
    /// Moment until which the operator is down.
    pub(super) operator_down: Option<Timestamp>,
    /// What the user will write into the spec, and when.
    pub(super) edits: BTreeMap<Timestamp, Vec<Value>>,
    /// Acts after which the operator dies in its next decision.
    pub(super) cut: Option<usize>,
    pub(super) judge: Judge,
    /// Statements and restarts that the operator ordered, in order.
    pub(super) acts: Vec<Act>,
    /// When it last wrote or did something, repeated statements aside.
    pub(super) acted: Timestamp,
    passes: u64,
    trace: Trace,
    kept: Vec<String>,
    told: BTreeSet<String>,
    /// The store's revision at the last pass, and when the operator wanted to look again.
    seen: Option<(u64, Timestamp)>,
    phase: Option<OperationPhase>,
    /// Nothing may be written any more.
    resting: bool,
}

impl Run {
    pub(super) fn new(story: &Story, trace: Trace) -> Self {
        let mut judge = Judge::new(NAMESPACE);
        judge.allow_away(story.manner.compute_nodes_at_once);
        Self::within(World::new(story.seed), judge, story, trace)
    }

    /// Goes on in a world, such as a copy of another run's, with a new operator.
    pub(super) fn within(world: World, judge: Judge, story: &Story, trace: Trace) -> Self {
        Self {
            acted: world.now(),
            direct: Direct::new(Arc::new(Mutex::new(world))).with_releases(story.releases()),
            story: story.clone(),
            tally: Tally::default(),
            wish: Wish {
                version: story.to,
                counts: [story.frontends, story.backends, story.compute_nodes],
                spec: story.resource()["spec"].clone(),
            },
            operator_down: None,
            edits: BTreeMap::new(),
            cut: None,
            judge,
            acts: Vec::new(),
            passes: 0,
            trace,
            kept: Vec::new(),
            told: BTreeSet::new(),
            seen: None,
            phase: None,
            resting: false,
        }
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        self.create().await.context("while the cluster was created")?;
        self.patch(&self.story.asking_for(&self.story.to))?;
        self.upgrade().await.context("after the upgrade was asked for")?;
        self.judge.judge_the_end(&self.direct.world(), &self.story, &self.wish).context("at the end")?;
        self.rest().await.context("at rest")
    }

    pub(super) async fn create(&mut self) -> anyhow::Result<()> {
        {
            let mut world = self.direct.world();
            world.store.create(definition(), "simulate").map_err(|error| anyhow::anyhow!("{}", error.message))?;
            for object in self.story.surroundings() {
                let made = world.store.create(object, "somebody-else").map_err(|error| anyhow::anyhow!("{}", error.message))?;
                self.judge.keep_in_mind(made);
            }
            world.starrocks.fail_transfers(self.story.transfer_fault);
            world.store.create(self.story.resource(), "user").map_err(|error| anyhow::anyhow!("{}", error.message))?;
            world.settle();
        }
        let begin = self.direct.world().now();
        let from = self.story.from.to_string();
        while !self.rests_at(&from) {
            self.beat(begin, CREATE_LIMIT, None).await?;
        }
        self.direct.world().seed_tables(NAMESPACE, self.story.backends);
        Ok(())
    }

    async fn upgrade(&mut self) -> anyhow::Result<()> {
        let asked = self.direct.world().now();
        let mut pending = self.story.happenings.clone();
        let (mut last, mut calm) = (asked, None);
        loop {
            let now = self.direct.world().now();
            for happening in self.due(&mut pending, now.since(asked)) {
                self.say(&format!("! {happening:?}"));
                self.happen(&happening)?;
                last = now;
            }
            self.edit_what_is_due()?;
            let timed = |(when, _): &(When, Happening)| if let When::After(time) = when { Some(asked + *time) } else { None };
            let next = pending.iter().filter_map(timed).chain(self.edits.keys().copied()).min();
            let quiet = next.is_none() && self.operator_down.is_none() && self.direct.world().is_mended();
            let since = *calm.filter(|_| quiet).get_or_insert(now);
            calm = quiet.then_some(since);
            let rests = quiet && self.rests_at(&self.wish.version.to_string());
            if rests && now.since(since) >= CALM && !self.pass(now).await? {
                return Ok(());
            }
            let until = if rests { Some(now + CALM) } else { next };
            self.beat(last, UPGRADE_LIMIT, until).await?;
        }
    }

    /// Takes out what happens now: its time or its phase has come.
    fn due(&self, pending: &mut Vec<(When, Happening)>, passed: Duration) -> Vec<Happening> {
        let is_due = |when: &When| match when {
            When::After(time) => *time <= passed,
            When::In(phase) => self.phase.as_ref() == Some(phase),
        };
        let (due, rest) = std::mem::take(pending).into_iter().partition::<Vec<_>, _>(|(when, _)| is_due(when));
        *pending = rest;
        due.into_iter().map(|(_, happening)| happening).collect()
    }

    /// Lets time pass until the operator has a reason to look, and lets it look; or until `until`.
    pub(super) async fn beat(&mut self, begin: Timestamp, limit: Duration, until: Option<Timestamp>) -> anyhow::Result<()> {
        let now = self.pass_time(begin + limit + DEBOUNCE, until);
        if now.since(begin) > limit {
            bail!("not done after {} s; {}", limit.as_secs(), self.standing());
        }
        if self.operator_down.is_some_and(|until| until > now) {
            return Ok(());
        }
        self.operator_down = None;
        let due = {
            let world = self.direct.world();
            self.seen.is_none_or(|(revision, look)| look <= now || has_news(&world.store, revision))
        };
        if due {
            self.pass(now).await?;
        }
        Ok(())
    }

    /// Lets the world go on to the next change that the operator watches and a debounce further, but not beyond what is due then.
    fn pass_time(&self, end: Timestamp, until: Option<Timestamp>) -> Timestamp {
        let mut world = self.direct.world();
        let start = world.now();
        let look = self.operator_down.or(self.seen.map(|(_, look)| look)).unwrap_or(start);
        let end = until.map_or(end, |until| until.min(end)).min(look).max(start);
        let mut cursor = self.seen.map_or(0, |(revision, _)| revision);
        let awake = self.operator_down.is_none();
        loop {
            if awake && has_news(&world.store, cursor) {
                let at = (world.now() + DEBOUNCE).min(end.max(start + DEBOUNCE));
                world.advance(at);
                return world.now();
            }
            cursor = world.store.revision();
            if world.now() >= end {
                return world.now();
            }
            let next = world.next_wakeup().map_or(end, |next| next.min(end)).max(world.now());
            world.advance(next);
        }
    }

    /// Lets the operator look now; whether it wrote or did anything.
    async fn pass(&mut self, now: Timestamp) -> anyhow::Result<bool> {
        let (truth, majority, revision) = {
            let world = self.direct.world();
            (self.judge.look(&world)?, world.starrocks.majority(NAMESPACE), world.store.revision())
        };
        let pass = self.direct.pass(NAMESPACE, NAME, self.cut.take()).await?;
        self.passes += 1;
        self.note(&pass);
        if let Some(violation) = pass.violations.first() {
            bail!("a decision broke rule {} ({}): {}", violation.rule, violation.code, violation.detail);
        }
        self.judge.judge(&truth, &pass, majority, now)?;
        let acted = pass.status_written || pass.executed > 0;
        // A statement alone is a repetition: whatever is done for the first time is written down first.
        let repeats = |step: &crate::model::Step| matches!(step, crate::model::Step::Execute { .. });
        if pass.status_written || !pass.decision.steps.iter().take(pass.executed).all(repeats) {
            self.acted = now;
        }
        if self.resting && acted {
            let steps: Vec<String> = pass.decision.steps.iter().map(crate::plan::describe).collect();
            let change = super::judge::differences(&json!(pass.observed.status), &json!(pass.decision.status));
            bail!("something was written although nothing changed: status {change:?}, steps {steps:?}");
        }
        let look = pass.decision.look_again.map_or(Timestamp::from_seconds(i64::MAX / 1_000), |after| now + after);
        self.phase = pass.decision.status.operation.as_ref().map(|operation| operation.phase.clone());
        self.seen = Some((revision, look));
        Ok(acted)
    }

    /// A cluster at rest is not written to, whenever the operator looks at it.
    pub(super) async fn rest(&mut self) -> anyhow::Result<()> {
        let begin = self.direct.world().now();
        self.resting = true;
        let end = begin + REST;
        while self.direct.world().now() < end {
            self.beat(begin, REST + DEBOUNCE, Some(end)).await?;
        }
        self.pass(end).await?;
        Ok(())
    }

    pub(super) fn resource(&self, field: &str) -> Value {
        let world = self.direct.world();
        let found = world.store.get("StarRocksCluster", NAMESPACE, NAME).and_then(|resource| resource.pointer(field));
        found.cloned().unwrap_or_default()
    }

    pub(super) fn rests_at(&self, version: &str) -> bool {
        let status = self.resource("/status");
        let is_true = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        (self.story.declares == Declares::Images || status["version"] == version)
            && status["operation"].is_null()
            && status["observedGeneration"] == self.resource("/metadata/generation")
            && status["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(is_true))
    }

    /// What the operator says it does and waits for.
    fn standing(&self) -> String {
        let status: StarRocksClusterStatus = serde_json::from_value(self.resource("/status")).unwrap_or_default();
        let waits: Vec<String> = status.blocked.iter().map(|blocked| format!("{} {}", blocked.code, blocked.message)).collect();
        format!("phase {:?}; waits for: {}", status.operation.map(|operation| operation.phase), waits.join("; "))
    }

    fn note(&mut self, pass: &Pass) {
        self.acts.extend(pass.decision.steps.iter().take(pass.executed).filter_map(|step| Act::of(step, &pass.decision.status)));
        for wait in &pass.decision.waiting_on {
            self.tally.meet(wait.code());
        }
        if let Some(operation) = &pass.decision.status.operation {
            self.tally.meet(&format!("{} {}", operation.kind, operation.phase));
        }
        if self.trace == Trace::Off {
            return;
        }
        for step in pass.decision.steps.iter().take(pass.executed) {
            self.say(&format!("> {}", crate::plan::describe(step)));
        }
        let waits: BTreeSet<String> = pass.decision.waiting_on.iter().map(|wait| format!("  {} {wait}", wait.code())).collect();
        let fresh: Vec<String> = waits.difference(&self.told).cloned().collect();
        for wait in fresh {
            self.say(&wait);
        }
        self.told = waits;
    }

    fn say(&mut self, line: &str) {
        let at = self.direct.world().now().since(super::world::EPOCH).as_secs();
        match self.trace {
            Trace::Off => {}
            Trace::Printed => println!("{at:>6} s {line}"),
            Trace::Kept => self.kept.push(format!("{at:>6} s {line}")),
        }
    }
}

/// The CRD, permissive: what the schema does is proven elsewhere, and this level is about decisions.
fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "starrocksclusters.starrocks.com"},
        "spec": {
            "group": "starrocks.com", "scope": "Namespaced",
            "names": {"kind": "StarRocksCluster", "plural": "starrocksclusters", "singular": "starrockscluster"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::starrocks::TransferFault;
    use super::super::walk::Deed;
    use super::*;
    use crate::model::Statement;

    /// Of a patch upgrade in the line after the newest known one: how many elections it took, and what was asked of frontends or done to their pods.
    fn elections_and_deeds(change: impl FnOnce(&mut Story)) -> (u64, Vec<String>) {
        let mut story = Story::of(16);
        (story.from, story.to) = (crate::release::Version::new(4, 2, 0), crate::release::Version::new(4, 2, 1));
        (story.frontends, story.backends, story.compute_nodes) = (3, 1, 0);
        (story.transfer_fault, story.happenings, story.manner) = (None, Vec::new(), super::super::story::Manner::default());
        change(&mut story);
        let played = async move {
            let mut run = Run::new(&story, Trace::Off);
            let elections = |run: &Run| {
                let world = run.direct.world();
                world.starrocks.metrics(world.now()).elections
            };
            run.create().await?;
            let before = elections(&run);
            run.patch(&story.asking_for(&story.to))?;
            run.upgrade().await?;
            run.judge.judge_the_end(&run.direct.world(), &run.story, &run.wish)?;
            let told = |act: &Act| match &act.deed {
                Deed::Statement(Statement::TransferLeader { .. }) => Some("transfer".to_owned()),
                Deed::Restart { pod, led } if pod.contains("-fe-") => Some(if *led { "leader" } else { "follower" }.to_owned()),
                _ => None,
            };
            anyhow::Ok((elections(&run) - before, run.acts.iter().filter_map(told).collect()))
        };
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let player = move || runtime().block_on(played).unwrap();
        std::thread::Builder::new().stack_size(16 * 1024 * 1024).spawn(player).unwrap().join().unwrap()
    }

    #[test]
    fn a_lead_that_is_handed_over_changes_once_and_every_frontend_restarts_as_a_follower() {
        let told = elections_and_deeds(|_| ());
        assert_eq!(told, (1, ["follower", "follower", "transfer", "follower"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_lead_that_is_kept_ends_in_the_restart_of_the_leader_after_two_attempts() {
        for fault in [TransferFault::Silent, TransferFault::Refused] {
            let told = elections_and_deeds(|story| story.transfer_fault = Some(fault));
            assert_eq!(told, (1, ["follower", "follower", "transfer", "transfer", "leader"].map(str::to_owned).to_vec()), "{fault:?}");
        }
    }

    #[test]
    fn where_the_statement_is_not_known_or_the_data_is_shared_the_leader_restarts_as_before() {
        let plain = (1, ["follower", "follower", "leader"].map(str::to_owned).to_vec());
        assert_eq!(elections_and_deeds(|story| story.from = crate::release::Version::new(4, 1, 7)), plain);
        assert_eq!(elections_and_deeds(|story| (story.backends, story.compute_nodes) = (0, 1)), plain);
    }
}
