//! The scripts that images start with: they look for the frontends through a service and register themselves by SQL, or bootstrap, or give up.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::process::{Component, Phase};
use super::state::{Frontend, FrontendVolume, Group, MemberRole, Volume};
use super::version::Release;
use super::{Login, SqlReply, StarRocks, Step};
use crate::sim::runtime::{ContainerId, Resolver};

/// What the script learned from `show frontends`.
struct Seen {
    members: bool,
    leader: Option<(String, IpAddr)>,
}

impl StarRocks {
    /// One round of the entrypoint's loop.
    pub(super) fn register(&mut self, id: &ContainerId, resolver: &dyn Resolver) {
        match self.processes.get(id).map(|process| process.component) {
            Some(Component::Frontend) => self.register_frontend(id, resolver),
            Some(Component::Backend | Component::ComputeNode) => self.register_node(id, resolver),
            Some(Component::Other) | None => {}
        }
    }

    /// starrocks.md §9: pod 0 bootstraps after 30 s (120 s when members were seen), the others give up after 120 s.
    fn register_frontend(&mut self, id: &ContainerId, resolver: &dyn Resolver) {
        let Some(process) = self.processes.get(id) else { return };
        let Phase::Entrypoint { members_seen } = process.phase else { return };
        let waited = self.now.since(process.started);
        let first = process.start.pod_name.ends_with("-0");
        let (host, port) = (process.host(), process.ports.edit_log);
        // Images from 4.1 on can join as observers (go-operator.md §2.14).
        let observes =
            process.start.environment.get("IS_FE_OBSERVER").is_some_and(|value| value == "true") && process.release.at_least(4, 1, 0);
        let role = if observes { "OBSERVER" } else { "FOLLOWER" };
        let first = first && !observes;
        let seen = self.look_for_leader(id, resolver);
        let members_seen = members_seen || seen.members;
        if let Some((_, address)) = seen.leader {
            let sql = format!("ALTER SYSTEM ADD {role} \"{host}:{port}\"");
            // Past the Service, at the port that the script knows: its own.
            let at = SocketAddr::new(address, self.asks_at(id));
            let reply = self.ask_as(id, at, &sql, resolver);
            let there = matches!(&reply, SqlReply::Done { .. })
                || matches!(&reply, SqlReply::Failed { message, .. } if message.contains("already exists"));
            if there {
                return self.start_with_helper(id);
            }
        }
        // Only the wait of a first frontend that nobody answers is part of every start.
        let patience = if first && !members_seen { self.scaled(Duration::from_secs(30)) } else { Duration::from_secs(120) };
        if waited >= patience {
            return if first { self.bootstrap(id) } else { self.end(id, 1, "Timed out, failed to find a leader") };
        }
        self.set_phase(id, Phase::Entrypoint { members_seen });
        self.schedule_step(id, Duration::from_secs(5), Step::Register);
    }

    /// `show frontends` through the service, as root.
    fn look_for_leader(&mut self, id: &ContainerId, resolver: &dyn Resolver) -> Seen {
        let mut seen = Seen { members: false, leader: None };
        let Some(process) = self.processes.get(id) else { return seen };
        let (service, own, own_host) = (process.service(), process.release, process.host());
        let namespace = process.start.namespace.clone();
        let own_address = process.start.ip;
        let mut addresses = resolve_service(resolver, &service, &namespace, self.asks_at(id));
        addresses.retain(|address| address.ip() != own_address);
        for address in addresses {
            let SqlReply::Rows { columns, rows, .. } = self.ask_as(id, address, "show frontends;", resolver) else { continue };
            let at = |name: &str| columns.iter().position(|column| column == name);
            let (Some(host_at), Some(role_at)) = (at("IP"), at("Role")) else { continue };
            seen.members |= rows.iter().any(|row| row.get(host_at).and_then(Option::as_deref) != Some(own_host.as_str()));
            let leader = rows.iter().find(|row| row.get(role_at).and_then(Option::as_deref) == Some("LEADER"));
            let Some(host) = leader.and_then(|row| row.get(host_at).cloned().flatten()) else { continue };
            // Images from before 3.5 take the second column for the host and are one off at a newer leader (starrocks.md §9, real-fe.md §2).
            if columns.first().is_some_and(|column| column == "Id") && own < Release::new(3, 5, 0) {
                continue;
            }
            seen.leader = resolver.resolve(&host).first().map(|address| (host, *address));
            break;
        }
        seen
    }

    /// The port at which the script asks: frontends take it for their own, nodes are told it.
    fn asks_at(&self, id: &ContainerId) -> u16 {
        let Some(process) = self.processes.get(id) else { return 0 };
        let told = process.start.environment.get("FE_QUERY_PORT").and_then(|port| port.parse().ok());
        told.unwrap_or(if process.component == Component::Frontend { process.ports.query } else { 9030 })
    }

    fn ask_as(&mut self, id: &ContainerId, at: SocketAddr, sql: &str, resolver: &dyn Resolver) -> SqlReply {
        let Some(process) = self.processes.get(id) else { return SqlReply::Refused };
        let login = Login { user: "root".to_owned(), password: process.password() };
        self.answer(at.ip(), at.port(), &login, sql, resolver)
    }

    /// `start_fe.sh --helper`.
    fn start_with_helper(&mut self, id: &ContainerId) {
        let now = self.now;
        if let Some(process) = self.processes.get_mut(id) {
            process.phase = Phase::AskingHelper;
            process.executed = now;
        }
        self.schedule_step(id, Duration::from_secs(1), Step::AskHelper);
    }

    /// real-fe.md §3: the helper's `/role` is asked every 5 s until the leader knows the node; §4: a lost volume rejoins under the same name.
    pub(super) fn ask_helper(&mut self, id: &ContainerId) {
        let Some(process) = self.processes.get(id) else { return };
        let (host, namespace, volume) = (process.host(), process.start.namespace.clone(), process.volume.clone());
        let found = self.groups.values().filter(|group| group.namespace == namespace && group.leader().is_some()).find_map(|group| {
            let row = group.frontends.iter().find(|row| row.host == host)?;
            Some((group.cluster, row.name.clone(), self.leader_image(group)))
        });
        let Some((cluster, member, image)) = found else {
            self.schedule_step(id, Duration::from_secs(5), Step::AskHelper);
            return;
        };
        let meta = FrontendVolume { cluster, member: member.clone(), image };
        self.volumes.insert(volume, Volume::Frontend(meta));
        if let Some(process) = self.processes.get_mut(id) {
            process.phase = Phase::Loading;
        }
        self.schedule_step(id, self.scaled(Duration::from_secs(2)), Step::Load);
    }

    fn leader_image(&self, group: &Group) -> Option<super::state::Image> {
        let leader = self.processes.get(group.leader()?)?;
        match self.volumes.get(&leader.volume) {
            Some(Volume::Frontend(meta)) => meta.image,
            _ => None,
        }
    }

    /// A new cluster with this frontend as its only member.
    fn bootstrap(&mut self, id: &ContainerId) {
        let now = self.now;
        let Some(process) = self.processes.get(id) else { return };
        let (host, ports, volume, namespace) = (process.host(), process.ports, process.volume.clone(), process.start.namespace.clone());
        let shared_data = process.setting("run_mode") == "shared_data";
        let mut cluster = 100_000_000 + u32::try_from(self.between(0, 899_999_999).as_millis()).unwrap_or(0);
        while self.groups.contains_key(&cluster) {
            cluster += 1;
        }
        let mut group = Group::new(cluster, &namespace, shared_data, now);
        let member = add_frontend(&mut group, &host, ports.edit_log, MemberRole::Follower, now.as_millis());
        self.groups.insert(cluster, group);
        self.audit.bootstraps.push((now, namespace));
        let meta = FrontendVolume { cluster, member: member.clone(), image: None };
        self.volumes.insert(volume, Volume::Frontend(meta));
        self.begin_loading(id);
    }

    /// starrocks.md §9: up to 60 s of `SHOW BACKENDS` and `ADD BACKEND`, then the program starts or the script fails.
    fn register_node(&mut self, id: &ContainerId, resolver: &dyn Resolver) {
        let Some(process) = self.processes.get(id) else { return };
        let waited = self.now.since(process.started);
        let (host, port, service) = (process.host(), process.ports.heartbeat, process.service());
        let compute = process.component == Component::ComputeNode;
        let warehouse = process
            .start
            .environment
            .get("KUBE_STARROCKS_MULTI_WAREHOUSE")
            .map(|name| name.replace('-', "_"))
            .filter(|name| !name.is_empty());
        let (list, kind) = if compute { ("SHOW COMPUTE NODES", "COMPUTE NODE") } else { ("SHOW BACKENDS", "BACKEND") };
        let namespace = process.start.namespace.clone();
        for address in resolve_service(resolver, &service, &namespace, self.asks_at(id)) {
            let SqlReply::Rows { columns, rows, .. } = self.ask_as(id, address, list, resolver) else { continue };
            let cell =
                |row: &Vec<Option<String>>, name: &str| row.get(columns.iter().position(|column| column == name)?).cloned().flatten();
            let own: Vec<_> = rows.iter().filter(|row| cell(row, "IP").as_deref() == Some(host.as_str())).collect();
            // The script adds it at its port on every start, and then only looks for its name.
            let known = own.iter().any(|row| cell(row, "HeartbeatPort") == Some(port.to_string()));
            if known {
                return self.begin_loading(id);
            }
            let into = warehouse.as_ref().map(|name| format!(" INTO WAREHOUSE {name}")).unwrap_or_default();
            if let Some(name) = &warehouse {
                self.ask_as(id, address, &format!("CREATE WAREHOUSE IF NOT EXISTS {name}"), resolver);
            }
            self.ask_as(id, address, &format!("ALTER SYSTEM ADD {kind} \"{host}:{port}\"{into}"), resolver);
            if !own.is_empty() {
                return self.begin_loading(id);
            }
            break;
        }
        if waited >= Duration::from_secs(60) {
            return self.end(id, 1, "Time out, abort!");
        }
        self.schedule_step(id, Duration::from_secs(2), Step::Register);
    }
}

/// What a pod's search domains make of a service name: its own namespace first.
fn resolve_service(resolver: &dyn Resolver, service: &str, namespace: &str, port: u16) -> Vec<SocketAddr> {
    let spellings = [format!("{service}.{namespace}.svc.cluster.local"), format!("{service}.svc.cluster.local"), service.to_owned()];
    spellings.iter().map(|name| resolver.destinations(name, port)).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Adds a row for a frontend; returns its name.
pub(super) fn add_frontend(group: &mut Group, host: &str, port: u16, role: MemberRole, millis: i64) -> String {
    let name = format!("{host}_{port}_{millis}");
    group.frontends.push(Frontend {
        id: group.next_frontend,
        name: name.clone(),
        host: host.to_owned(),
        edit_log_port: port,
        query_port: 0,
        rpc_port: 0,
        role,
        joined: false,
        alive: false,
        replayed: 0,
        last_heartbeat: None,
        error: String::new(),
        start_time: None,
        version: None,
        failures: 0,
    });
    group.next_frontend += 1;
    name
}
