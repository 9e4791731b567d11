//! A cluster at rest and a change of its resource in, what came of it out: everything that was done on the way and the arrival, or what it waits for.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::judge::Judge;
use super::simulation::{NAMESPACE, Run, Trace};
use super::story::Story;
use super::world::World;
use crate::api::{Blocked, StarRocksClusterStatus};
use crate::model::{Statement, Step};
use crate::release::Version;

/// Simulated time that a way of many hops may take.
const LIMIT: Duration = Duration::from_secs(6 * 3_600);
/// An operator that has written nothing for so long waits for somebody: twice what an image takes at worst.
const HELD: Duration = Duration::from_secs(600);
/// How long a cluster must have rested before it is believed to have arrived.
const CALM: Duration = Duration::from_secs(30);

/// A cluster that rests at the first release of its story: raised once, walked from as often as wanted.
pub struct Resting {
    world: World,
    judge: Judge,
    story: Story,
}

/// What a user changes.
#[derive(Clone, Debug)]
pub struct Change {
    /// Objects that are made just before.
    pub objects: Vec<Value>,
    /// Merge patch of the spec.
    pub patch: Value,
    /// The release at which everything is to run afterwards.
    pub version: Version,
}

/// What came of a change.
#[derive(Clone, Debug)]
pub struct Walk {
    /// How it ended.
    pub end: End,
    /// Everything that was done, in order.
    pub acts: Vec<Act>,
    /// Whether a pod or StatefulSet is not as it was.
    pub touched: bool,
}

/// How a walk ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Every node runs the release; the end and the rest afterwards were judged.
    Arrived,
    /// Nothing happens any more, for these reasons.
    Held(Vec<Blocked>),
}

/// Something that the operator ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Hop of the operation, from 1; 0 outside of one.
    pub hop: usize,
    /// What.
    pub deed: Deed,
}

/// Orders that show outside of Kubernetes objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A statement for a frontend.
    Statement(Statement),
    /// A pod is replaced.
    Restart {
        /// Its name.
        pod: String,
        /// Whether it led the frontends then.
        led: bool,
    },
}

impl Act {
    /// The step as an act, with the status that was decided together with it.
    pub(super) fn of(step: &Step, status: &StarRocksClusterStatus) -> Option<Self> {
        let deed = match step {
            Step::Execute { statement, .. } => Deed::Statement(statement.clone()),
            Step::RestartPod { pod, .. } => Deed::Restart { pod: pod.clone(), led: status.leader.as_ref() == Some(pod) },
            _ => return None,
        };
        let hop = status.operation.as_ref().and_then(|operation| usize::try_from(operation.hop).ok()).unwrap_or_default();
        Some(Self { hop, deed })
    }
}

impl Resting {
    /// Creates the cluster of a story, without anything that happens in it.
    ///
    /// # Errors
    /// When it does not become Ready.
    pub async fn raise(story: Story) -> anyhow::Result<Self> {
        let mut run = Run::new(&story, Trace::Off);
        run.create().await.with_context(|| format!("while the cluster at {} was created", story.from))?;
        let world = run.direct.world().clone();
        Ok(Self { world, judge: run.judge, story })
    }

    /// The story.
    pub const fn story(&self) -> &Story {
        &self.story
    }

    /// Makes a change in a copy of the cluster and lets the operator work until it has arrived or waits for somebody.
    ///
    /// # Errors
    /// When a safety rule is broken, the end is not as it should be, or something is written at rest.
    pub async fn ask(&self, change: &Change) -> anyhow::Result<Walk> {
        let mut run = Run::within(self.world.clone(), self.judge.clone(), &self.story, Trace::Off);
        for object in &change.objects {
            let mut world = run.direct.world();
            world.store.create(object.clone(), "user").map_err(|error| anyhow::anyhow!("{}", error.message))?;
        }
        let before = identities(&run.direct.world());
        run.wish.version = change.version;
        run.patch(&change.patch)?;
        let end = run.walk(&change.version).await?;
        if matches!(end, End::Arrived) {
            run.judge.judge_the_end(&run.direct.world(), &self.story, &run.wish).context("at the end")?;
            run.rest().await.context("at rest")?;
        }
        let touched = identities(&run.direct.world()) != before;
        Ok(Walk { end, acts: run.acts, touched })
    }
}

impl Run {
    /// Lets time pass and the operator work, until it rests at a release or has long done nothing.
    async fn walk(&mut self, version: &Version) -> anyhow::Result<End> {
        let (asked, version) = (self.direct.world().now(), version.to_string());
        self.acted = asked;
        loop {
            let now = self.direct.world().now();
            let (rests, idle) = (self.rests_at(&version), now.since(self.acted));
            if rests && idle >= CALM {
                return Ok(End::Arrived);
            }
            if idle >= HELD {
                let status: StarRocksClusterStatus = serde_json::from_value(self.resource("/status")).unwrap_or_default();
                return Ok(End::Held(status.blocked));
            }
            let until = self.acted + if rests { CALM } else { HELD };
            self.beat(asked, LIMIT, Some(until.max(now))).await?;
        }
    }
}

/// What must not change while nothing is done: which pods there are, and what their StatefulSets want.
fn identities(world: &World) -> Vec<(String, Value)> {
    let listed = |kind: &str, pointer: &str| {
        let named = |object: &Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            (name, object.pointer(pointer).cloned().unwrap_or_default())
        };
        world.store.list(kind, Some(NAMESPACE)).into_iter().map(named).collect::<Vec<_>>()
    };
    let mut found = listed("Pod", "/metadata/uid");
    found.extend(listed("StatefulSet", "/spec"));
    found
}
