//! The seam between the simulated kubelet and the simulated StarRocks: what a container is started with, what can be done to it
//! and what it answers; names no Kubernetes object and no StarRocks statement.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::model::Timestamp;

/// Names one container of one pod; a restarted container keeps its identity, a recreated pod has a new `pod_uid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId {
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the container in the pod.
    pub container: String,
}

/// Everything a container is started with, already resolved by the kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStart {
    /// Which container.
    pub id: ContainerId,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod_name: String,
    /// `hostname -f` in the pod: `<pod>.<subdomain>.<namespace>.svc.cluster.local`, or the pod name without a subdomain.
    pub fqdn: String,
    /// Address of the pod.
    pub ip: IpAddr,
    /// Image reference as written in the pod.
    pub image: String,
    /// Entrypoint (command and args, `$(VAR)` expanded).
    pub command: Vec<String>,
    /// Environment, field references and config map or secret references resolved.
    pub environment: BTreeMap<String, String>,
    /// What is mounted where.
    pub mounts: BTreeMap<String, Mount>,
}

/// What lies behind a mount path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A volume whose content outlives the container: the volume's identity (PVC UID, or pod UID and volume name for an emptyDir).
    Volume(String),
    /// Files from a ConfigMap or Secret: file name to content.
    Files(BTreeMap<String, String>),
}

/// Signals that Kubernetes or a preStop hook sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// `SIGTERM`: stop.
    Term,
    /// `SIGUSR1`: a frontend's graceful exit (`stop_fe.sh -g`).
    Usr1,
    /// `SIGKILL`: gone at once.
    Kill,
}

/// What a started container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// The process runs.
    Running,
    /// The process ended.
    Exited {
        /// Exit code, 128 + n for signal n.
        code: i32,
        /// Last words, as they stand at the end of its log.
        message: String,
    },
}

/// What a probe or client learns from knocking on a port over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpReply {
    /// An answer.
    Answer {
        /// HTTP status code.
        status: u16,
        /// Body.
        body: String,
        /// How long the answer takes to arrive.
        after: Duration,
    },
    /// Nothing listens: connection refused at once.
    Refused,
    /// Nothing ever answers; the caller waits until its own time-out.
    Silence,
}

/// Who has which address, as cluster DNS would tell: pod names under a headless Service and Service names.
pub trait Resolver {
    /// Addresses behind a host name (pod FQDN, Service name with or without its DNS suffix, or a literal address). Empty: unknown host or no ready endpoint.
    fn resolve(&self, host: &str) -> Vec<IpAddr>;
    /// Where a connection to a port of a host arrives: a Service with an address of its own hands it on to the port that each of its pods has for it.
    fn destinations(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        self.resolve(host).into_iter().map(|address| SocketAddr::new(address, port)).collect()
    }
}

/// The programs inside containers, played by the simulated StarRocks (and by a trivial program for every unknown image).
pub trait ContainerRuntime {
    /// Whether an image can be pulled; the text becomes the reason of `ErrImagePull`.
    fn pull(&self, image: &str) -> Result<(), String>;
    /// Starts (or restarts) a container.
    fn start(&mut self, start: ContainerStart, now: Timestamp);
    /// Delivers a signal; unknown containers are ignored.
    fn signal(&mut self, id: &ContainerId, signal: Signal, now: Timestamp);
    /// Runs an exec hook (a preStop command) at `now`; returns how long the hook itself takes.
    fn execute(&mut self, id: &ContainerId, command: &[String], now: Timestamp) -> Duration;
    /// Present state; `None` for a container that was never started or was removed.
    fn state(&self, id: &ContainerId) -> Option<ContainerState>;
    /// What a running program has written to its log since it started, beside the line with which every one begins; each line ended.
    fn log(&self, id: &ContainerId) -> String;
    /// Grows whenever a process starts, opens or closes its ports, ends or is forgotten: who knows the number has seen it all.
    fn generation(&self) -> u64;
    /// HTTP GET on the container's pod, as a probe sends it.
    fn http_get(&self, id: &ContainerId, port: u16, path: &str, now: Timestamp) -> HttpReply;
    /// Whether something accepts TCP connections on a port of the container's pod.
    fn listens(&self, id: &ContainerId, port: u16) -> bool;
    /// Forgets a container: its pod is gone. Volumes keep their content.
    fn remove(&mut self, id: &ContainerId);
    /// Forgets a volume's content: its claim or its pod is gone.
    fn erase_volume(&mut self, volume: &str);
    /// Lets time pass up to `now`; must be called at least at every `next_wakeup`.
    fn advance(&mut self, resolver: &dyn Resolver, now: Timestamp);
    /// The next moment at which something happens by itself.
    fn next_wakeup(&self) -> Option<Timestamp>;
}
