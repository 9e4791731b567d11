//! One container's program: what it was started with and which phase it is in; changed by `lifecycle`, read by everyone.

use std::collections::BTreeMap;

use super::parameters::{self, Parameter};
use super::version::{Release, repository_of};
use crate::model::Timestamp;
use crate::sim::runtime::{ContainerStart, Mount};

/// Which program a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// A frontend.
    Frontend,
    /// A backend.
    Backend,
    /// A compute node.
    ComputeNode,
    /// Anything else: it runs and answers 200.
    Other,
}

impl Component {
    /// Decides by image name, entrypoint or `COMPONENT_NAME` (starrocks.md §9; go-operator.md §2.10).
    pub(super) fn of(start: &ContainerStart) -> Self {
        if ends_at_once(start) {
            return Self::Other;
        }
        let repository = repository_of(&start.image);
        let entry = words(start).into_iter().find(|word| word.contains("_entrypoint.sh")).unwrap_or_default();
        let declared = start.environment.get("COMPONENT_NAME").map_or("", String::as_str);
        let is = |short: &str| {
            repository.starts_with(&format!("{short}-")) || entry.ends_with(&format!("{short}_entrypoint.sh")) || declared == short
        };
        if is("fe") && !repository.contains("proxy") {
            Self::Frontend
        } else if is("cn") {
            Self::ComputeNode
        } else if is("be") {
            Self::Backend
        } else {
            Self::Other
        }
    }
}

/// What a program is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The entrypoint script looks for a leader to register with.
    Entrypoint { members_seen: bool },
    /// A frontend asks its helper for its role and is not in the group yet.
    AskingHelper,
    /// Image and journal are being read, no port is open.
    Loading,
    /// A frontend is in the group and waits for a leader, no port is open.
    WaitingForLeader,
    /// A frontend that was dropped from its group hangs before opening ports (real-fe.md §4).
    Detached,
    /// Ports are open.
    Serving,
    /// Ports are open and the process ends at `at`.
    Leaving { since: Timestamp, at: Timestamp, code: i32, graceful: bool },
    /// The process ended.
    Exited { code: i32, message: String },
}

/// Ports of a program; a backend uses heartbeat, be, http and brpc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) http: u16,
    pub(super) query: u16,
    pub(super) rpc: u16,
    pub(super) edit_log: u16,
    pub(super) heartbeat: u16,
    pub(super) be: u16,
    pub(super) brpc: u16,
    pub(super) starlet: u16,
}

/// A container's program.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) start: ContainerStart,
    /// Number of this run; events of an earlier run are void.
    pub(super) run: u64,
    pub(super) component: Component,
    pub(super) release: Release,
    pub(super) file: BTreeMap<String, String>,
    pub(super) ports: Ports,
    pub(super) volume: String,
    pub(super) started: Timestamp,
    pub(super) phase: Phase,
    pub(super) serving_since: Option<Timestamp>,
    /// Frontend: the group it is or was a member of, and under which name.
    pub(super) cluster: Option<u32>,
    pub(super) member: String,
    /// Frontend: connected to the replication group.
    pub(super) in_group: bool,
    /// Frontend: was a follower before it led (real-fe.md §8: `can_read`).
    pub(super) followed: bool,
    /// In-memory parameters that differ from file and default.
    pub(super) memory: BTreeMap<&'static str, String>,
    /// Frontend: since when replay is stuck at an operation it does not know.
    pub(super) stuck_at: Option<(Timestamp, u64)>,
    /// Frontend: since when it has been dropped while running.
    pub(super) dropped_at: Option<Timestamp>,
    /// When the entrypoint script handed over to the program.
    pub(super) executed: Timestamp,
}

impl Process {
    pub(super) fn new(start: ContainerStart, run: u64, now: Timestamp) -> Self {
        let component = Component::of(&start);
        let file = configuration(&start, component);
        let volume = volume_of(&start, component, &file);
        let release = Release::of_image(&start.image).unwrap_or(Release::NEWEST);
        let ports = ports_of(component, &file);
        Self {
            start,
            run,
            component,
            release,
            file,
            ports,
            volume,
            started: now,
            phase: Phase::Loading,
            serving_since: None,
            cluster: None,
            member: String::new(),
            in_group: false,
            followed: false,
            memory: BTreeMap::new(),
            stuck_at: None,
            dropped_at: None,
            executed: now,
        }
    }

    /// The program runs.
    pub(super) fn running(&self) -> bool {
        !matches!(self.phase, Phase::Exited { .. })
    }

    /// Ports are open.
    pub(super) fn open(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Leaving { .. }) && (self.serving_since.is_some() || self.component == Component::Other)
    }

    /// It is in an orderly exit; since when.
    pub(super) fn leaving_gracefully(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Leaving { since, graceful: true, .. } => Some(since),
            _ => None,
        }
    }

    /// `namespace/pod`.
    pub(super) fn pod(&self) -> String {
        format!("{}/{}", self.start.namespace, self.start.pod_name)
    }

    /// Host under which it registers (starrocks.md §9: HOST_TYPE).
    pub(super) fn host(&self) -> String {
        match self.start.environment.get("HOST_TYPE").map(String::as_str) {
            Some("IP") => self.start.ip.to_string(),
            _ => self.start.fqdn.clone(),
        }
    }

    /// Password its entrypoint logs in with.
    pub(super) fn password(&self) -> String {
        self.start.environment.get("MYSQL_PWD").cloned().unwrap_or_default()
    }

    /// The frontend service named as the entrypoint's argument.
    pub(super) fn service(&self) -> String {
        let words = words(&self.start);
        let entry = words.iter().position(|word| word.contains("_entrypoint.sh"));
        let word = entry.and_then(|at| words.get(at + 1)).filter(|word| !word.starts_with('$')).map(|word| (*word).to_owned());
        word.or_else(|| self.start.environment.get("FE_SERVICE_NAME").cloned()).unwrap_or_default()
    }

    /// Value of a frontend parameter in this process' memory.
    pub(super) fn parameter(&self, parameter: &Parameter) -> String {
        self.memory.get(parameter.key).cloned().unwrap_or_else(|| {
            let alias = parameter.alias.and_then(|alias| self.file.get(alias));
            self.file.get(parameter.key).or(alias).cloned().unwrap_or_else(|| parameter.default.to_owned())
        })
    }

    /// A frontend parameter by name; empty when this release does not have it.
    pub(super) fn setting(&self, name: &str) -> String {
        parameters::find(name, self.release).map(|parameter| self.parameter(parameter)).unwrap_or_default()
    }

    /// A boolean frontend parameter.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.setting(name).eq_ignore_ascii_case("true")
    }

    /// A number among the frontend parameters.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.setting(name).parse().unwrap_or(0)
    }

    /// Whether a port is one of this program's open ports.
    pub(super) fn listens_on(&self, port: u16) -> bool {
        match self.component {
            Component::Other => self.running(),
            Component::Frontend => {
                self.open() && [self.ports.http, self.ports.query, self.ports.rpc, self.ports.edit_log].contains(&port)
                    || (self.in_group && self.running() && port == self.ports.edit_log)
            }
            Component::Backend | Component::ComputeNode => {
                self.open() && [self.ports.http, self.ports.heartbeat, self.ports.be, self.ports.brpc].contains(&port)
            }
        }
    }
}

/// Whether a container runs nothing but `true`, in whatever image.
pub(super) fn ends_at_once(start: &ContainerStart) -> bool {
    start.command.len() == 1 && start.command.iter().all(|word| word == "true")
}

/// The words of the command, also of one that is handed to a shell as a whole.
fn words(start: &ContainerStart) -> Vec<&str> {
    start.command.iter().flat_map(|part| part.split_whitespace()).collect()
}

/// `<root>/fe` and so on (go-operator.md §2: `STARROCKS_ROOT`).
fn home(start: &ContainerStart, component: Component) -> String {
    let root = start.environment.get("STARROCKS_ROOT").map_or("/opt/starrocks", String::as_str).trim_end_matches('/');
    let part = match component {
        Component::ComputeNode => "cn",
        Component::Backend => "be",
        Component::Frontend | Component::Other => "fe",
    };
    format!("{root}/{part}")
}

/// The configuration file, whether its directory or the file itself is mounted.
fn configuration(start: &ContainerStart, component: Component) -> BTreeMap<String, String> {
    let wanted: &[&str] = match component {
        Component::Frontend => &["fe.conf"],
        Component::Backend => &["be.conf"],
        Component::ComputeNode => &["cn.conf", "be.conf"],
        Component::Other => &[],
    };
    for name in wanted {
        for (path, mount) in &start.mounts {
            let Mount::Files(files) = mount else { continue };
            let single = path.rsplit('/').next() == Some(*name) && files.len() == 1;
            let text = files.get(*name).or_else(|| files.values().next().filter(|_| single));
            if let Some(text) = text {
                return parameters::parse_configuration(text);
            }
        }
    }
    BTreeMap::new()
}

/// Identity of the volume that holds metadata or tablets; without a mount it is the container's own file system, which a restart wipes.
fn volume_of(start: &ContainerStart, component: Component, file: &BTreeMap<String, String>) -> String {
    let home = home(start, component);
    let (key, default) = match component {
        Component::Frontend | Component::Other => ("meta_dir", "${STARROCKS_HOME}/meta"),
        Component::Backend | Component::ComputeNode => ("storage_root_path", "${STARROCKS_HOME}/storage"),
    };
    let path = file.get(key).map_or(default, String::as_str).replace("${STARROCKS_HOME}", &home);
    let path = path.split([';', ',']).next().unwrap_or_default().to_owned();
    let inside = |mount: &str| path == mount || path.starts_with(&format!("{}/", mount.trim_end_matches('/')));
    let found = start.mounts.iter().rev().find_map(|(mount, content)| match content {
        Mount::Volume(volume) if inside(mount) => Some(volume.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| scratch(start))
}

/// Name of a container's own file system among the volumes.
pub(super) fn scratch(start: &ContainerStart) -> String {
    format!("container:{}/{}", start.id.pod_uid, start.id.container)
}

fn ports_of(component: Component, file: &BTreeMap<String, String>) -> Ports {
    let port = |names: &[&str], default: u16| names.iter().find_map(|name| file.get(*name)?.parse().ok()).unwrap_or(default);
    // starrocks.md §2.5.
    match component {
        Component::Frontend => Ports {
            http: port(&["http_port"], 8030),
            query: port(&["query_port"], 9030),
            rpc: port(&["rpc_port"], 9020),
            edit_log: port(&["edit_log_port"], 9010),
            ..Ports::default()
        },
        Component::Backend | Component::ComputeNode => Ports {
            http: port(&["be_http_port", "webserver_port"], 8040),
            heartbeat: port(&["heartbeat_service_port"], 9050),
            be: port(&["be_port", "thrift_port"], 9060),
            brpc: port(&["brpc_port"], 8060),
            starlet: port(&["starlet_port"], 9070),
            ..Ports::default()
        },
        Component::Other => Ports::default(),
    }
}
