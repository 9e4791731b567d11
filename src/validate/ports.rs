//! A parsed configuration in, the ports of a component out; a port that cannot be read is a fault, never silently the default.

use std::collections::BTreeMap;

use super::fault::{Findings, Rule};
use crate::model::Component;
use crate::model::cluster::Ports;

/// Reads the ports of a component. `field` is the path of what names the configuration.
pub(super) fn ports(component: Component, config: &BTreeMap<String, String>, field: &str, findings: &mut Findings) -> Ports {
    let mut reader = Reader { config, field, findings, taken: BTreeMap::new() };
    let ports = match component {
        Component::Frontend | Component::FrontendProxy => Ports::Frontend {
            http: reader.port(&["http_port"], 8030),
            rpc: reader.port(&["rpc_port"], 9020),
            query: reader.port(&["query_port"], 9030),
            edit_log: reader.port(&["edit_log_port"], 9010),
            arrow_flight: reader.arrow_flight(),
        },
        Component::Backend | Component::ComputeNode => Ports::Backend {
            // `thrift_port` is a word of compute nodes only, where it wins.
            thrift: if component == Component::ComputeNode {
                reader.first(&["thrift_port", "be_port"], 9060)
            } else {
                reader.port(&["be_port"], 9060)
            },
            webserver: reader.port(&["webserver_port", "be_http_port"], 8040),
            heartbeat: reader.port(&["heartbeat_service_port"], 9050),
            brpc: reader.port(&["brpc_port"], 8060),
            arrow_flight: reader.arrow_flight(),
        },
    };
    // Opened by StarRocks in shared-data mode and not part of any Service; they collide all the same when set.
    for key in ["starlet_port", "cloud_native_meta_port", "https_port", "be_rpc_port"] {
        if config.contains_key(key) {
            reader.port(&[key], 0);
        }
    }
    ports
}

struct Reader<'a> {
    config: &'a BTreeMap<String, String>,
    field: &'a str,
    findings: &'a mut Findings,
    taken: BTreeMap<u16, &'static str>,
}

impl Reader<'_> {
    /// The first of `names` that is set, or the default. StarRocks knows the later names as the newer or older word for
    /// the same port, and which one wins depends on its version: so they must agree.
    fn port(&mut self, names: &[&'static str], default: u16) -> u16 {
        let mut found: Option<(&'static str, u16)> = None;
        for name in names {
            let Some(text) = self.config.get(*name).filter(|text| !self.is_off(name, names, text)) else { continue };
            let Some(port) = text.parse::<u16>().ok().filter(|port| *port > 0) else {
                self.unreadable(name, text);
                continue;
            };
            match found {
                Some((first, other)) if other != port => self.findings.fault(
                    Rule::PortConflict,
                    self.field,
                    format!("{first} = {other} and {name} = {port} set the same port to different numbers"),
                    format!("Keep one of {first} and {name} in the configuration"),
                ),
                Some(_) => {}
                None => found = Some((name, port)),
            }
        }
        let (name, port) = found.unwrap_or((names.first().copied().unwrap_or_default(), default));
        self.take(name, port);
        port
    }

    /// The first of `names` that is set, or the default; the others do not count.
    fn first(&mut self, names: &[&'static str], default: u16) -> u16 {
        let set = |name: &&&'static str| self.config.get(**name).is_some_and(|text| !self.is_off(name, names, text));
        match names.iter().find(set) {
            Some(name) => self.port(&[name], default),
            None => self.port(&[names.last().copied().unwrap_or_default()], default),
        }
    }

    /// Of a word that has another behind it, 0 is StarRocks' own default and means that the other counts.
    fn is_off(&self, name: &str, names: &[&'static str], text: &str) -> bool {
        names.last() != Some(&name) && text == "0"
    }

    /// `arrow_flight_port` has no default that is open: StarRocks takes -1 for off.
    fn arrow_flight(&mut self) -> Option<u16> {
        let name = "arrow_flight_port";
        let text = self.config.get(name)?;
        match text.parse::<i64>() {
            Ok(number) if number <= 0 => None,
            Ok(number) if number <= i64::from(u16::MAX) => {
                let port = u16::try_from(number).ok()?;
                self.take(name, port);
                Some(port)
            }
            Ok(_) | Err(_) => {
                self.unreadable(name, text);
                None
            }
        }
    }

    fn unreadable(&mut self, name: &str, text: &str) {
        self.findings.fault(
            Rule::ConfigurationPort,
            self.field,
            format!("the configuration says {name} = {text:?}, which is no port"),
            format!("Write a number from 1 to 65535 for {name}; variables are not expanded, because Services need the number"),
        );
    }

    fn take(&mut self, name: &'static str, port: u16) {
        if port == 0 {
            return;
        }
        if let Some(other) = self.taken.insert(port, name) {
            self.findings.fault(
                Rule::PortConflict,
                self.field,
                format!("{other} and {name} are both {port}"),
                format!("Give {other} and {name} different ports in the configuration"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(component: Component, pairs: &[(&str, &str)]) -> (Ports, Vec<&'static str>) {
        let config = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut findings = Findings::default();
        let ports = ports(component, &config, "spec", &mut findings);
        (ports, findings.verdict().err().unwrap_or_default().iter().map(|fault| fault.code).collect())
    }

    #[test]
    fn absent_ports_are_those_of_starrocks() {
        let (ports, faults) = read(Component::Frontend, &[]);
        assert_eq!(ports, Ports::Frontend { http: 8030, rpc: 9020, query: 9030, edit_log: 9010, arrow_flight: None });
        assert!(faults.is_empty());
        let (ports, faults) = read(Component::ComputeNode, &[("be_port", "9061"), ("be_http_port", "8041"), ("arrow_flight_port", "9419")]);
        assert_eq!(ports, Ports::Backend { thrift: 9061, webserver: 8041, heartbeat: 9050, brpc: 8060, arrow_flight: Some(9419) });
        assert!(faults.is_empty());
        assert_eq!(read(Component::Frontend, &[("arrow_flight_port", "-1")]).1, Vec::<&str>::new());
    }

    #[test]
    fn the_word_that_only_compute_nodes_know_wins_there_and_counts_nowhere_else() {
        let thrift = |component, pairs: &[(&str, &str)]| match read(component, pairs) {
            (Ports::Backend { thrift, .. }, faults) if faults.is_empty() => Some(thrift),
            _ => None,
        };
        let both = [("thrift_port", "9061"), ("be_port", "9062")];
        assert_eq!(thrift(Component::ComputeNode, &both), Some(9061));
        assert_eq!(thrift(Component::Backend, &both), Some(9062));
        assert_eq!(thrift(Component::Backend, &[("thrift_port", "9061")]), Some(9060));
        assert_eq!(thrift(Component::ComputeNode, &[("thrift_port", "0"), ("be_port", "9062")]), Some(9062), "0 is not set");
        assert_eq!(thrift(Component::ComputeNode, &[("thrift_port", "0")]), Some(9060));
        assert_eq!(read(Component::Backend, &[("webserver_port", "0")]).1, Vec::<&str>::new());
        assert_eq!(read(Component::Backend, &[("webserver_port", "0"), ("be_http_port", "0")]).1, ["SR-3014"]);
    }

    #[test]
    fn a_port_that_cannot_be_read_is_a_fault_and_not_the_default() {
        for text in ["", "abc", "0", "-1", "65536", "70000", "99999999999999999999", "8030.0", "${PORT}", "8030 # comment"] {
            assert_eq!(read(Component::Frontend, &[("http_port", text)]).1, ["SR-3014"], "{text}");
        }
    }

    #[test]
    fn two_ports_of_one_process_are_never_equal() {
        assert_eq!(read(Component::Frontend, &[("http_port", "9030")]).1, ["SR-3015"]);
        assert_eq!(read(Component::Backend, &[("webserver_port", "8041"), ("be_http_port", "8042")]).1, ["SR-3015"]);
        assert_eq!(read(Component::Backend, &[("webserver_port", "8041"), ("be_http_port", "8041")]).1, Vec::<&str>::new());
        assert_eq!(read(Component::Backend, &[("starlet_port", "9050")]).1, ["SR-3015"]);
    }
}
