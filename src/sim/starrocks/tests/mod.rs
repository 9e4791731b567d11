//! A tiny kubelet and client for the tests of this room: starts pods, lets time pass, asks; and the tests themselves, one file per subject.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Login, Settings, SqlReply, StarRocks};
use crate::model::Timestamp;
use crate::sim::runtime::{ContainerId, ContainerRuntime, ContainerStart, ContainerState, HttpReply, Mount, Resolver, Signal};

mod answers;
mod backends;
mod chaos;
mod elections;
mod images;
mod members;
mod recordings;
mod restore;
mod settings;
mod transfers;
mod versions;

pub(super) type Line = BTreeMap<String, Option<String>>;

#[derive(Default)]
pub(super) struct Names(BTreeMap<String, Vec<IpAddr>>);

impl Resolver for Names {
    fn resolve(&self, host: &str) -> Vec<IpAddr> {
        self.0.get(host).cloned().unwrap_or_else(|| host.parse().into_iter().collect())
    }
}

pub(super) struct World {
    pub(super) sr: StarRocks,
    pub(super) names: Names,
    pub(super) now: Timestamp,
    starts: BTreeMap<String, ContainerStart>,
    pub(super) fe_conf: String,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            sr: StarRocks::new(7, Settings::default()),
            names: Names::default(),
            now: Timestamp::from_seconds(1_795_447_000),
            starts: BTreeMap::new(),
            fe_conf: String::new(),
        }
    }

    /// Three frontends, all serving and alive, led by fe-0 as in the recordings, and so many backends.
    pub(super) fn three(version: &str, backends: usize) -> Self {
        let mut world = Self::new();
        world.boot(version, backends);
        world
    }

    pub(super) fn boot(&mut self, version: &str, backends: usize) {
        self.start("fe-0", version);
        let alone = |world: &mut Self| world.sql("fe-0", "show frontends").is_some_rows();
        self.until(120, alone);
        self.start("fe-1", version);
        self.start("fe-2", version);
        self.until(120, |world| world.alive_frontends() == 3);
        for index in 0..backends {
            self.start(&format!("be-{index}"), version);
        }
        if backends > 0 {
            self.until(60, |world| {
                world.lines("fe-0", "show backends").iter().filter(|line| text(line, "Alive") == "true").count() == backends
            });
        }
        self.pass(20);
    }

    pub(super) fn id(&self, pod: &str) -> ContainerId {
        self.starts[pod].id.clone()
    }

    pub(super) fn ip(pod: &str) -> IpAddr {
        let (kind, number) = pod.split_once('-').unwrap();
        let base = if kind == "fe" {
            1
        } else if kind == "be" {
            11
        } else {
            31
        };
        IpAddr::V4(Ipv4Addr::new(10, 65, 0, base + number.parse::<u8>().unwrap()))
    }

    pub(super) fn host(pod: &str) -> String {
        let kind = pod.split('-').next().unwrap();
        format!("{pod}.{kind}-search.ns1.svc.cluster.local")
    }

    /// Starts, or restarts, the container of a pod with its volume.
    pub(super) fn start(&mut self, pod: &str, version: &str) {
        self.start_with(pod, version, &[]);
    }

    /// The same with more variables.
    pub(super) fn start_with(&mut self, pod: &str, version: &str, variables: &[(&str, &str)]) {
        let kind = pod.split('-').next().unwrap();
        let home = match kind {
            "fe" => "/opt/starrocks/fe/meta",
            _ => "/opt/starrocks/be/storage",
        };
        let mut mounts = BTreeMap::from([(home.to_owned(), Mount::Volume(format!("pvc-{pod}")))]);
        if kind == "fe" {
            mounts
                .insert("/etc/starrocks/fe/conf".to_owned(), Mount::Files(BTreeMap::from([("fe.conf".to_owned(), self.fe_conf.clone())])));
        }
        let start = ContainerStart {
            id: ContainerId { pod_uid: format!("uid-{pod}"), container: kind.to_owned() },
            namespace: "ns1".to_owned(),
            pod_name: format!("c-{pod}"),
            fqdn: Self::host(pod),
            ip: Self::ip(pod),
            image: format!("starrocks/{kind}-ubuntu:{version}"),
            command: vec![format!("/opt/starrocks/{kind}_entrypoint.sh"), "fe-service".to_owned()],
            environment: [("HOST_TYPE", "FQDN")]
                .iter()
                .chain(variables)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            mounts,
        };
        self.names.0.insert(Self::host(pod), vec![Self::ip(pod)]);
        if kind == "fe" {
            let service = self.names.0.entry("fe-service".to_owned()).or_default();
            service.retain(|known| *known != Self::ip(pod));
            service.push(Self::ip(pod));
        }
        self.starts.insert(pod.to_owned(), start.clone());
        self.sr.start(start, self.now);
    }

    pub(super) fn signal(&mut self, pod: &str, signal: Signal) {
        let id = self.id(pod);
        self.sr.signal(&id, signal, self.now);
    }

    pub(super) fn exited(&self, pod: &str) -> Option<(i32, String)> {
        match self.sr.state(&self.id(pod)) {
            Some(ContainerState::Exited { code, message }) => Some((code, message)),
            _ => None,
        }
    }

    pub(super) fn pass_millis(&mut self, milliseconds: u64) {
        self.now = self.now + Duration::from_millis(milliseconds);
        self.sr.advance(&self.names, self.now);
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.pass_millis(seconds * 1_000);
    }

    /// Lets time pass in steps of 100 ms until the condition holds; returns the milliseconds it took.
    pub(super) fn until(&mut self, seconds: u64, condition: impl Fn(&mut Self) -> bool) -> u64 {
        for step in 0..seconds * 10 {
            if condition(self) {
                return step * 100;
            }
            self.pass_millis(100);
        }
        panic!("did not happen within {seconds} s");
    }

    pub(super) fn sql(&mut self, pod: &str, sql: &str) -> SqlReply {
        self.sql_as("root", "", pod, sql)
    }

    pub(super) fn sql_as(&mut self, user: &str, password: &str, pod: &str, sql: &str) -> SqlReply {
        let login = Login { user: user.to_owned(), password: password.to_owned() };
        self.sr.query(Self::ip(pod), 9030, &login, sql, &self.names, self.now)
    }

    pub(super) fn lines(&mut self, pod: &str, sql: &str) -> Vec<Line> {
        match self.sql(pod, sql) {
            SqlReply::Rows { columns, rows, .. } => rows.into_iter().map(|row| columns.iter().cloned().zip(row).collect()).collect(),
            _ => Vec::new(),
        }
    }

    /// `fe-0=LEADER+` and so on, in the recordings' notation, sorted by pod; the error's text otherwise.
    pub(super) fn frontends(&mut self, pod: &str) -> String {
        match self.sql(pod, "show frontends") {
            SqlReply::Rows { .. } => {
                let mut list: Vec<String> = self.lines(pod, "show frontends").iter().map(brief).collect();
                list.sort();
                list.join(" ")
            }
            SqlReply::Failed { message, .. } => message,
            SqlReply::Done { .. } => "done".to_owned(),
            SqlReply::Refused => "refused".to_owned(),
            SqlReply::Silence => "silence".to_owned(),
        }
    }

    pub(super) fn alive_frontends(&mut self) -> usize {
        let asked: Vec<String> = self.starts.keys().filter(|pod| pod.starts_with("fe-")).cloned().collect();
        asked
            .iter()
            .map(|pod| self.lines(pod, "show frontends").iter().filter(|line| text(line, "Alive") == "true").count())
            .max()
            .unwrap_or(0)
    }

    pub(super) fn http(&self, pod: &str, path: &str) -> (u16, String) {
        let port = if pod.starts_with("fe-") { 8030 } else { 8040 };
        match self.sr.http_get(&self.id(pod), port, path, self.now) {
            HttpReply::Answer { status, body, .. } => (status, body),
            HttpReply::Refused => (0, "refused".to_owned()),
            HttpReply::Silence => (0, "silence".to_owned()),
        }
    }

    pub(super) fn ha(&self, pod: &str) -> BTreeMap<String, String> {
        let (_, body) = self.http(pod, "/api/show_meta_info?action=SHOW_HA");
        serde_json::from_str(&body).unwrap_or_default()
    }

    pub(super) fn bootstrap_ok(&self, pod: &str) -> bool {
        self.http(pod, "/api/bootstrap").1.contains("\"status\":\"OK\"")
    }

    /// A number from the Total row of `/statistic`, or of a database.
    pub(super) fn statistic(&mut self, name: &str, column: &str) -> usize {
        let lines = self.lines("fe-0", "show proc '/statistic'");
        let line = lines.iter().find(|line| text(line, "DbId") == name || text(line, "DbName") == name);
        line.map_or(0, |line| text(line, column).parse().unwrap())
    }

    pub(super) fn backend(&mut self, pod: &str) -> Line {
        let host = Self::host(pod);
        self.lines("fe-0", "show backends").into_iter().find(|line| text(line, "IP") == host).unwrap_or_default()
    }

    pub(super) fn backend_is(&mut self, pod: &str, column: &str, wanted: &str) -> bool {
        text(&self.backend(pod), column) == wanted
    }
}

pub(super) fn text(line: &Line, column: &str) -> String {
    line.get(column).cloned().flatten().unwrap_or_default()
}

fn brief(line: &Line) -> String {
    let host = text(line, "IP");
    let sign = if text(line, "Alive") == "true" { '+' } else { '-' };
    format!("{}={}{sign}({})", host.split('.').next().unwrap(), text(line, "Role"), text(line, "Version"))
}

impl SqlReply {
    pub(super) fn is_some_rows(&self) -> bool {
        matches!(self, Self::Rows { rows, .. } if !rows.is_empty())
    }

    pub(super) fn error(&self) -> (u16, String) {
        match self {
            Self::Failed { code, message, .. } => (*code, message.clone()),
            other => panic!("no error: {other:?}"),
        }
    }

    pub(super) fn after(&self) -> Duration {
        match self {
            Self::Rows { after, .. } | Self::Done { after, .. } | Self::Failed { after, .. } => *after,
            Self::Refused | Self::Silence => Duration::ZERO,
        }
    }
}

/// Within ±20 % of what was measured, in seconds.
pub(super) fn about(milliseconds: u64, seconds: f64) -> bool {
    let measured = seconds * 1_000.0;
    let found = milliseconds as f64;
    (measured * 0.8..=measured * 1.2).contains(&found)
}

/// Between two measured bounds, in seconds.
pub(super) fn within(milliseconds: u64, low: f64, high: f64) -> bool {
    let found = milliseconds as f64;
    (low * 1_000.0..=high * 1_000.0).contains(&found)
}
