//! A seed in, a story out: which cluster, from which release to which, and what happens to it on the way. Pure data that can be shortened.

mod choose;
mod next_line;
mod resource;

pub use resource::{CONSENTS, SHARED_CONF, merge};

use std::fmt;
use std::time::Duration;

use crate::api::OperationPhase;
use crate::release::Version;
use crate::sim::starrocks::TransferFault;

/// Name of the ConfigMap with `fe.conf` of shared-data clusters.
pub const FRONTEND_CONFIG: &str = "sim-fe-conf";

/// A run from its first moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Where it comes from.
    pub seed: u64,
    /// Frontends.
    pub frontends: u32,
    /// Backends; 0 in a shared-data cluster.
    pub backends: u32,
    /// Compute nodes.
    pub compute_nodes: u32,
    /// How the resource names its release.
    pub declares: Declares,
    /// How upgrades are to be done.
    pub manner: Manner,
    /// Whether a catalog tells of the line after the newest known one.
    pub next_line: bool,
    /// What becomes of a leader that is asked to hand its lead over; `None` when it does.
    pub transfer_fault: Option<TransferFault>,
    /// Release of the beginning.
    pub from: Version,
    /// Release that is asked for once the cluster is Ready.
    pub to: Version,
    /// What happens after the release was asked for.
    pub happenings: Vec<(When, Happening)>,
}

/// How a resource names its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declares {
    /// By `spec.version`.
    Version,
    /// By the tag of each component's image.
    Images,
}

/// How upgrades are to be done, as far as users may choose; the default is what a resource means that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Compute nodes that may be away at the same time.
    pub compute_nodes_at_once: u32,
    /// How long a restart waits for queries.
    pub drain: Duration,
    /// Nodes that go first.
    pub canaries: u32,
    /// Whether they are judged, by SQL and by their metrics.
    pub verdict: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { compute_nodes_at_once: 1, drain: Duration::ZERO, canaries: 1, verdict: false }
    }
}

/// A moment of a story.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// So long after the release was asked for.
    After(Duration),
    /// As soon as the operation reaches a phase; never if it does not.
    In(OperationPhase),
}

/// Something that users, Kubernetes or the network do.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A StarRocks process dies.
    KillProcess {
        /// `fe`, `be` or `cn`.
        component: &'static str,
        /// Ordinal.
        ordinal: u32,
    },
    /// A Kubernetes node is gone for a while.
    LoseNode {
        /// Component whose pod it carries.
        component: &'static str,
        /// Ordinal.
        ordinal: u32,
        /// How long.
        lasting: Duration,
    },
    /// Packets to and from a pod vanish.
    CutNetwork {
        /// Component.
        component: &'static str,
        /// Ordinal.
        ordinal: u32,
        /// How long.
        lasting: Duration,
    },
    /// A frontend takes SQL connections and never answers.
    HangSql {
        /// Ordinal.
        ordinal: u32,
        /// How long.
        lasting: Duration,
    },
    /// Statements on a frontend are executed, but their replies never arrive.
    LoseReplies {
        /// Ordinal.
        ordinal: u32,
        /// How many.
        count: u32,
    },
    /// The disk of a pod is full until somebody frees it.
    FillDisk {
        /// `fe` or `be`.
        component: &'static str,
        /// Ordinal.
        ordinal: u32,
        /// How long.
        lasting: Duration,
    },
    /// Processes take longer to start.
    SlowStart {
        /// Of the usual time.
        percent: u32,
        /// How long.
        lasting: Duration,
    },
    /// Images of a release cannot be pulled.
    LoseImages {
        /// Release.
        version: Version,
        /// How long.
        lasting: Duration,
    },
    /// The operator is down.
    LoseOperator {
        /// How long.
        lasting: Duration,
    },
    /// The operator dies after this many acts of its next decision.
    CutDecision {
        /// Acts.
        acts: usize,
    },
    /// The user pauses and goes on later.
    Pause {
        /// How long.
        lasting: Duration,
    },
    /// The user changes their mind and asks for another release.
    AskFor {
        /// Release.
        version: Version,
    },
    /// The user asks for what no release table allows, and later again for the release of the story.
    AskInVain {
        /// How long.
        lasting: Duration,
    },
    /// The user takes back every consent and gives them again later.
    WithholdConsents {
        /// How long.
        lasting: Duration,
    },
    /// A backup and a schema change run.
    RunJobs {
        /// How long.
        lasting: Duration,
    },
    /// The user changes the number of frontends.
    ScaleFrontends {
        /// New number.
        replicas: u32,
    },
    /// The user changes the number of backends.
    ScaleBackends {
        /// New number.
        replicas: u32,
    },
    /// The user changes the number of compute nodes.
    ScaleComputeNodes {
        /// New number.
        replicas: u32,
    },
    /// Clients query without a pause on a node.
    RunQueries {
        /// Component.
        component: &'static str,
        /// Ordinal.
        ordinal: u32,
        /// How long.
        lasting: Duration,
    },
    /// Nodes of a release fail at what the user's verdict asks about.
    FailVerdict {
        /// Release.
        version: Version,
        /// How long.
        lasting: Duration,
    },
    /// Somebody lets no data node be disrupted for a while, and the user changes a pod annotation meanwhile.
    ForbidDisruptions {
        /// How long.
        lasting: Duration,
    },
    /// The user changes a pod annotation: a rollout without a version.
    Annotate,
}

impl Happening {
    /// Every name.
    pub const NAMES: [&'static str; 22] = [
        "KillProcess",
        "LoseNode",
        "CutNetwork",
        "HangSql",
        "LoseReplies",
        "FillDisk",
        "SlowStart",
        "LoseImages",
        "LoseOperator",
        "CutDecision",
        "Pause",
        "AskFor",
        "AskInVain",
        "WithholdConsents",
        "RunJobs",
        "ScaleFrontends",
        "ScaleBackends",
        "ScaleComputeNodes",
        "RunQueries",
        "FailVerdict",
        "ForbidDisruptions",
        "Annotate",
    ];

    /// Its name without its circumstances.
    pub const fn name(&self) -> &'static str {
        let index = match self {
            Self::KillProcess { .. } => 0,
            Self::LoseNode { .. } => 1,
            Self::CutNetwork { .. } => 2,
            Self::HangSql { .. } => 3,
            Self::LoseReplies { .. } => 4,
            Self::FillDisk { .. } => 5,
            Self::SlowStart { .. } => 6,
            Self::LoseImages { .. } => 7,
            Self::LoseOperator { .. } => 8,
            Self::CutDecision { .. } => 9,
            Self::Pause { .. } => 10,
            Self::AskFor { .. } => 11,
            Self::AskInVain { .. } => 12,
            Self::WithholdConsents { .. } => 13,
            Self::RunJobs { .. } => 14,
            Self::ScaleFrontends { .. } => 15,
            Self::ScaleBackends { .. } => 16,
            Self::ScaleComputeNodes { .. } => 17,
            Self::RunQueries { .. } => 18,
            Self::FailVerdict { .. } => 19,
            Self::ForbidDisruptions { .. } => 20,
            Self::Annotate => 21,
        };
        Self::NAMES[index]
    }

    /// Whether it takes StarRocks processes or their data away from outside.
    pub const fn takes_nodes(&self) -> bool {
        matches!(
            self,
            Self::KillProcess { .. } | Self::LoseNode { .. } | Self::CutNetwork { .. } | Self::FillDisk { .. } | Self::ScaleBackends { .. }
        )
    }
}

impl Story {
    /// Whether the data lies in a bucket.
    pub const fn is_shared_data(&self) -> bool {
        self.backends == 0
    }
}

impl fmt::Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(time) => write!(out, "+{:>5} s", time.as_secs()),
            Self::In(phase) => write!(out, "in {phase}"),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} FE, {} BE, {} CN, {} -> {}", self.frontends, self.backends, self.compute_nodes, self.from, self.to)?;
        if self.declares == Declares::Images {
            write!(out, ", by image tags")?;
        }
        if self.is_shared_data() {
            write!(out, ", shared data")?;
        }
        let manner = Manner::default();
        if self.manner.compute_nodes_at_once != manner.compute_nodes_at_once {
            write!(out, ", {} CN at once", self.manner.compute_nodes_at_once)?;
        }
        if self.manner.drain != manner.drain {
            write!(out, ", {} s for queries", self.manner.drain.as_secs())?;
        }
        if self.manner.canaries != manner.canaries {
            write!(out, ", {} canaries", self.manner.canaries)?;
        }
        if self.manner.verdict {
            write!(out, ", judged canaries")?;
        }
        if let Some(fault) = self.transfer_fault {
            write!(out, ", leaders keep their lead ({fault:?})")?;
        }
        for (when, happening) in &self.happenings {
            write!(out, "\n    {when}  {happening:?}")?;
        }
        Ok(())
    }
}
