//! The ports of a component and where each of them is offered: container, external Service, headless Service; never reads a configuration.

use serde::{Deserialize, Serialize};

use super::Component;

/// Ports of one component, by its configuration or the defaults of StarRocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// FE.
    Frontend {
        /// `http_port`, 8030.
        http: u16,
        /// `rpc_port`, 9020.
        rpc: u16,
        /// `query_port`, 9030.
        query: u16,
        /// `edit_log_port`, 9010.
        edit_log: u16,
        /// `arrow_flight_port`, not exposed unless set.
        arrow_flight: Option<u16>,
    },
    /// BE or CN.
    Backend {
        /// `be_port` or `thrift_port`, 9060.
        thrift: u16,
        /// `webserver_port` or `be_http_port`, 8040.
        webserver: u16,
        /// `heartbeat_service_port`, 9050.
        heartbeat: u16,
        /// `brpc_port`, 8060.
        brpc: u16,
        /// `arrow_flight_port`, not exposed unless set.
        arrow_flight: Option<u16>,
    },
}

/// A port as it is offered under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedPort {
    /// Name; users, ServiceMonitors and Ingresses refer to it.
    pub name: &'static str,
    /// Number.
    pub port: u16,
    /// Application protocol to announce.
    pub app_protocol: Option<&'static str>,
}

/// Port on which the FE proxy listens.
pub const PROXY_PORT: u16 = 8080;

const fn tcp(name: &'static str, port: u16) -> NamedPort {
    NamedPort { name, port, app_protocol: None }
}

const fn mysql(name: &'static str, port: u16) -> NamedPort {
    NamedPort { name, port, app_protocol: Some("mysql") }
}

impl Ports {
    /// Ports that the main container declares; the journal's port is not among them.
    pub fn of_container(&self, component: Component) -> Vec<NamedPort> {
        let named = names_in_container(component).into_iter().zip(self.declared().0);
        named.filter(|(name, _)| !name.is_empty()).map(|(name, port)| tcp(name, port)).collect()
    }

    /// The same as a pod or template tells them.
    pub const fn declared(&self) -> DeclaredPorts {
        match *self {
            Self::Frontend { http, rpc, query, .. } => DeclaredPorts([http, rpc, query, 0]),
            Self::Backend { thrift, webserver, heartbeat, brpc, .. } => DeclaredPorts([thrift, webserver, heartbeat, brpc]),
        }
    }

    /// Ports of the external Service.
    pub fn of_service(&self, component: Component) -> Vec<NamedPort> {
        match *self {
            Self::Frontend { http, rpc, query, edit_log, arrow_flight } => {
                let fixed = [tcp("http", http), tcp("rpc", rpc), mysql("query", query), tcp("edit-log", edit_log)];
                fixed.into_iter().chain(arrow_flight.map(|port| tcp("arrow-flight", port))).collect()
            }
            Self::Backend { thrift, webserver, heartbeat, brpc, .. } => vec![
                tcp(if component == Component::Backend { "be" } else { "thrift" }, thrift),
                tcp("webserver", webserver),
                tcp("heartbeat", heartbeat),
                tcp("brpc", brpc),
            ],
        }
    }

    /// Ports of the headless Service.
    pub fn of_search_service(&self) -> Vec<NamedPort> {
        match *self {
            Self::Frontend { query, .. } => vec![mysql("query-port", query)],
            Self::Backend { heartbeat, arrow_flight, .. } => {
                [tcp("heartbeat", heartbeat)].into_iter().chain(arrow_flight.map(|port| tcp("arrow-flight", port))).collect()
            }
        }
    }

    /// Port of the external Service of the FE proxy.
    pub fn of_proxy() -> Vec<NamedPort> {
        vec![tcp("http-port", PROXY_PORT)]
    }
}

/// Names of the ports that the main container declares; this operator and the former one give the same.
const fn names_in_container(component: Component) -> [&'static str; 4] {
    match component {
        Component::Frontend => ["http-port", "rpc-port", "query-port", ""],
        Component::Backend => ["be-port", "webserver-port", "heartbeat-port", "brpc-port"],
        Component::ComputeNode => ["thrift-port", "webserver-port", "heartbeat-port", "brpc-port"],
        Component::FrontendProxy => [""; 4],
    }
}

/// What the container calls a port that a Service offers under a name; `None` for one that it does not declare.
pub fn name_in_container(component: Component, offered: &str) -> Option<&'static str> {
    let is_same = |name: &&str| !name.is_empty() && (*name == offered || name.strip_suffix("-port") == Some(offered));
    names_in_container(component).into_iter().find(is_same)
}

/// What the main container of a pod or of a template declares, in one order for each component; 0 for what it does not name. A process that was not
/// started anew since its pod was made listens there, whatever its configuration file says by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredPorts([u16; 4]);

impl DeclaredPorts {
    /// Of the names and numbers that a container of the component declares.
    pub fn read<'a>(component: Component, declared: impl Iterator<Item = (&'a str, i64)>) -> Self {
        let mut ports = Self::default();
        for (name, number) in declared.filter(|(name, _)| !name.is_empty()) {
            let known = names_in_container(component).into_iter().zip(&mut ports.0).find(|(known, _)| *known == name);
            if let (Some((_, place)), Ok(number)) = (known, u16::try_from(number)) {
                *place = number;
            }
        }
        ports
    }

    /// The number under a name in the container.
    pub fn named(self, component: Component, name: &str) -> Option<u16> {
        let number = names_in_container(component).into_iter().zip(self.0).find(|(known, _)| *known == name)?.1;
        (number != 0).then_some(number)
    }

    /// Whether no port is told by both with different numbers.
    pub fn agrees_with(self, other: Self) -> bool {
        self.0.into_iter().zip(other.0).all(|(one, other)| one == 0 || other == 0 || one == other)
    }

    /// Whether nothing is told.
    pub fn is_untold(&self) -> bool {
        self.0 == [0; 4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_declares_is_read_by_name_and_what_it_does_not_name_is_unknown() {
        let told = [("http-port", 8031), ("metrics", 1234), ("query-port", 9031), ("rpc-port", 70_000), ("", 5)];
        let ports = DeclaredPorts::read(Component::Frontend, told.into_iter());
        let named = |name| ports.named(Component::Frontend, name);
        assert_eq!((named("http-port"), named("query-port"), named("rpc-port"), named("")), (Some(8031), Some(9031), None, None));
        let wanted = |query| Ports::Frontend { http: 8031, rpc: 9020, query, edit_log: 9010, arrow_flight: None }.declared();
        assert!(ports.agrees_with(wanted(9031)) && !ports.agrees_with(wanted(9030)));
        assert!(DeclaredPorts::default().is_untold() && DeclaredPorts::default().agrees_with(wanted(9030)));
    }

    #[test]
    fn names_of_services_lead_to_names_of_the_container() {
        let pairs = [
            (Component::Frontend, "query", Some("query-port")),
            (Component::Frontend, "query-port", Some("query-port")),
            (Component::Frontend, "edit-log", None),
            (Component::Backend, "be", Some("be-port")),
            (Component::ComputeNode, "thrift", Some("thrift-port")),
            (Component::ComputeNode, "be", None),
            (Component::FrontendProxy, "", None),
        ];
        for (component, offered, name) in pairs {
            assert_eq!(name_in_container(component, offered), name, "{component} {offered}");
        }
    }
}
