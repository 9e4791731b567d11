//! What an outside network stack has to know of the processes: which sockets are open, which keep silent, what a login is checked against; opens none.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::StarRocks;
use super::process::Component;

/// Address and port of an open socket.
pub type Socket = (IpAddr, u16);

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The MySQL protocol of a frontend.
    Sql,
    /// HTTP.
    Http,
}

impl StarRocks {
    /// The sockets on which a client outside the pods gets an answer, or waits for one.
    pub fn sockets(&self) -> BTreeMap<Socket, Protocol> {
        let mut open = BTreeMap::new();
        for process in self.processes.values().filter(|process| process.running()) {
            let mut offer = |port: u16, protocol| {
                if port != 0 && process.listens_on(port) {
                    open.insert((process.start.ip, port), protocol);
                }
            };
            match process.component {
                Component::Frontend => {
                    offer(process.ports.query, Protocol::Sql);
                    offer(process.ports.http, Protocol::Http);
                }
                Component::Backend | Component::ComputeNode => offer(process.ports.http, Protocol::Http),
                Component::Other => {}
            }
        }
        open
    }

    /// Whether whoever connects to a socket hears nothing, not even a greeting.
    pub fn is_silent(&self, (ip, port): Socket) -> bool {
        self.listener(ip, port)
            .is_some_and(|process| self.faults.is_cut(process) || (port == process.ports.query && self.faults.is_hung(process)))
    }

    /// The password of a user as the frontend behind a socket knows it; `None` without such a user.
    pub fn password_of(&self, (ip, port): Socket, user: &str) -> Option<String> {
        let group = self.listener(ip, port)?.cluster.and_then(|cluster| self.groups.get(&cluster))?;
        group.users.get(user).map(|user| user.password.clone())
    }
}
