//! A happening in, the world or the resource changed as it says; never judges what comes of it.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::simulation::{NAME, NAMESPACE, Run};
use super::starrocks::Component;
use super::story::{CONSENTS, Happening, merge};
use crate::release::Version;

/// How long a user insists on a release that cannot be had any more.
const SECOND_THOUGHTS: Duration = Duration::from_secs(120);

impl Run {
    /// Lets something happen now.
    pub(super) fn happen(&mut self, happening: &Happening) -> anyhow::Result<()> {
        self.tally.meet(happening.name());
        let now = self.direct.world().now();
        let pod = |component: &str, ordinal: u32| format!("{NAME}-{component}-{ordinal}");
        match happening {
            Happening::KillProcess { component, ordinal } => self.direct.world().kill(NAMESPACE, &pod(component, *ordinal)),
            Happening::LoseNode { component, ordinal, lasting } => {
                self.direct.world().lose_node_of(NAMESPACE, &pod(component, *ordinal), *lasting);
            }
            Happening::CutNetwork { component, ordinal, lasting } => {
                self.direct.world().cut_network(NAMESPACE, &pod(component, *ordinal), *lasting);
            }
            Happening::HangSql { ordinal, lasting } => self.direct.world().hang_sql(NAMESPACE, &pod("fe", *ordinal), *lasting),
            Happening::LoseReplies { ordinal, count } => {
                self.direct.world().starrocks.lose_reply_next(NAMESPACE, &pod("fe", *ordinal), *count);
            }
            Happening::FillDisk { component, ordinal, lasting } => {
                self.direct.world().fill_disk(NAMESPACE, &pod(component, *ordinal), *lasting);
            }
            Happening::SlowStart { percent, lasting } => self.direct.world().slow_start(*percent, *lasting),
            Happening::LoseImages { version, lasting } => self.direct.world().lose_images(&version.to_string(), *lasting),
            Happening::LoseOperator { lasting } => self.operator_down = Some(now + *lasting),
            Happening::CutDecision { acts } => self.cut = Some(*acts),
            Happening::RunQueries { component, ordinal, lasting } => {
                self.direct.world().run_queries(NAMESPACE, &pod(component, *ordinal), *lasting);
            }
            Happening::FailVerdict { version, lasting } => self.direct.world().fail_compactions(&version.to_string(), *lasting),
            Happening::ForbidDisruptions { lasting } => {
                self.direct.world().forbid_disruptions(NAMESPACE, *lasting);
                self.edit(&Happening::Annotate)?;
            }
            Happening::RunJobs { lasting } => self.direct.world().run_jobs(NAMESPACE, *lasting),
            Happening::Pause { .. }
            | Happening::AskFor { .. }
            | Happening::AskInVain { .. }
            | Happening::WithholdConsents { .. }
            | Happening::ScaleFrontends { .. }
            | Happening::ScaleBackends { .. }
            | Happening::ScaleComputeNodes { .. }
            | Happening::Annotate => self.edit(happening)?,
        }
        Ok(())
    }

    /// What the user writes into the resource.
    fn edit(&mut self, happening: &Happening) -> anyhow::Result<()> {
        match happening {
            Happening::Pause { lasting } => {
                self.later(*lasting, json!({"upgradePolicy": {"paused": false}}));
                self.patch(&json!({"upgradePolicy": {"paused": true}}))
            }
            Happening::AskFor { version } => {
                if self.has_a_way_to(version) {
                    self.wish.version = *version;
                } else {
                    self.later(SECOND_THOUGHTS, Value::Null);
                }
                self.patch(&self.story.asking_for(version))
            }
            Happening::AskInVain { lasting } => {
                // Whatever is asked for in the end is asked for again.
                self.later(*lasting, Value::Null);
                self.patch(&self.story.asking_in_vain())
            }
            Happening::WithholdConsents { lasting } => {
                self.later(*lasting, json!({"upgradePolicy": {"consents": CONSENTS}}));
                self.patch(&json!({"upgradePolicy": {"consents": []}}))
            }
            Happening::ScaleFrontends { replicas } => self.scale(0, "starRocksFeSpec", *replicas),
            Happening::ScaleBackends { replicas } => self.scale(1, "starRocksBeSpec", *replicas),
            Happening::ScaleComputeNodes { replicas } => self.scale(2, "starRocksCnSpec", *replicas),
            _ => {
                let annotations = json!({"changed-at": self.direct.world().now().to_string()});
                let mut sections = json!({"starRocksFeSpec": {"annotations": annotations}});
                let second = if self.story.is_shared_data() { "starRocksCnSpec" } else { "starRocksBeSpec" };
                sections[second] = json!({"annotations": annotations});
                self.patch(&sections)
            }
        }
    }

    fn scale(&mut self, kind: usize, section: &str, replicas: u32) -> anyhow::Result<()> {
        if let Some(count) = self.wish.counts.get_mut(kind) {
            *count = replicas;
        }
        self.patch(&json!({section: {"replicas": replicas}}))
    }

    /// Whether the metadata of every frontend can be read by a release, as far as the release table knows.
    fn has_a_way_to(&self, version: &Version) -> bool {
        let frontends = self.direct.world().starrocks.truth(NAMESPACE).into_iter().filter(|node| node.component == Component::Frontend);
        let mut running = frontends.filter_map(|node| node.release.to_string().parse::<Version>().ok());
        running.all(|running| self.direct.releases().table().path(&running, version).is_ok())
    }

    fn later(&mut self, lasting: Duration, patch: Value) {
        let at = self.direct.world().now() + lasting;
        self.edits.entry(at).or_default().push(patch);
    }

    /// What was announced for later and is due.
    pub(super) fn edit_what_is_due(&mut self) -> anyhow::Result<()> {
        let now = self.direct.world().now();
        while let Some(due) = self.edits.first_entry().filter(|due| *due.key() <= now) {
            for patch in due.remove() {
                let patch = if patch.is_null() { self.story.asking_for(&self.wish.version) } else { patch };
                self.patch(&patch)?;
            }
        }
        Ok(())
    }

    /// The user edits the spec.
    pub(super) fn patch(&mut self, patch: &Value) -> anyhow::Result<()> {
        merge(&mut self.wish.spec, patch);
        let mut world = self.direct.world();
        let mut resource = world.store.get("StarRocksCluster", NAMESPACE, NAME).context("the resource is gone")?.clone();
        resource["spec"] = self.wish.spec.clone();
        world.store.update(resource, "user").map_err(|error| anyhow::anyhow!("{}", error.message))?;
        world.settle();
        Ok(())
    }
}
