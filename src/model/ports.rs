//! The ports of a component and where each of them is offered: container, external Service, headless Service; never reads a configuration.

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
        match *self {
            Self::Frontend { http, rpc, query, .. } => vec![tcp("http-port", http), tcp("rpc-port", rpc), tcp("query-port", query)],
            Self::Backend { thrift, webserver, heartbeat, brpc, .. } => vec![
                tcp(if component == Component::Backend { "be-port" } else { "thrift-port" }, thrift),
                tcp("webserver-port", webserver),
                tcp("heartbeat-port", heartbeat),
                tcp("brpc-port", brpc),
            ],
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
