//! Cluster DNS over a store: host names go in, the addresses that CoreDNS would answer come out; caches nothing.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::fields::{flag, items, number, text};
use crate::sim::kube::Store;
use crate::sim::runtime::Resolver;

const SUFFIX: &str = ".svc.cluster.local";

/// Resolves pod names under headless Services (not-ready ones only with `publishNotReadyAddresses`), Service names with or without
/// their suffix (ready addresses; a short name must be unique across namespaces) and literal addresses.
pub fn resolver(store: &Store) -> impl Resolver + '_ {
    ClusterDns { store }
}

pub(super) struct ClusterDns<'a> {
    pub(super) store: &'a Store,
}

impl Resolver for ClusterDns<'_> {
    fn resolve(&self, host: &str) -> Vec<IpAddr> {
        if let Ok(address) = host.parse() {
            return vec![address];
        }
        self.endpoints(host).into_iter().map(|(address, _)| address).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn destinations(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        let direct = || self.resolve(host).into_iter().map(|address| SocketAddr::new(address, port)).collect();
        let Some(service) = self.service_of(host).filter(|service| text(service, "/spec/clusterIP") != "None") else { return direct() };
        let wanted = Some(i64::from(port));
        let Some(offered) = items(service, "/spec/ports").iter().find(|offered| number(offered, "/port") == wanted) else {
            return Vec::new();
        };
        let behind = |ports: &[Value]| {
            let same = ports.iter().find(|port| text(port, "/name") == text(offered, "/name"))?;
            u16::try_from(number(same, "/port")?).ok()
        };
        let found = self.endpoints(host).into_iter();
        found.filter_map(|(address, ports)| Some(SocketAddr::new(address, behind(ports)?))).collect()
    }
}

/// A Service, and the pod of it that is meant.
type Name<'n> = (&'n str, &'n str, Option<&'n str>);

impl<'a> ClusterDns<'a> {
    fn service_of(&self, host: &str) -> Option<&'a Value> {
        self.names(&host.to_ascii_lowercase()).into_iter().find_map(|(namespace, service, _)| self.store.get("Service", namespace, service))
    }

    /// Addresses behind a host name, each with the ports of its Service there.
    fn endpoints(&self, host: &str) -> Vec<(IpAddr, &'a [Value])> {
        let host = host.to_ascii_lowercase();
        let found = self.names(&host).into_iter().map(|(namespace, service, pod)| self.service(namespace, service, pod));
        found.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// What a host name may mean, the likelier first.
    fn names<'n>(&'n self, host: &'n str) -> Vec<Name<'n>> {
        let host = host.trim_end_matches('.');
        let host = host.strip_suffix(SUFFIX).or_else(|| host.strip_suffix(".svc")).unwrap_or(host);
        match host.split('.').collect::<Vec<_>>().as_slice() {
            [service] => self.only_namespace(service).map(|namespace| (namespace, *service, None)).into_iter().collect(),
            // Inside one namespace `<pod>.<service>` is searched with the caller's own namespace.
            [first, second] => {
                let short = self.only_namespace(second).map(|namespace| (namespace, *second, Some(*first)));
                [(*second, *first, None)].into_iter().chain(short).collect()
            }
            [pod, service, namespace] => vec![(*namespace, *service, Some(*pod))],
            _ => Vec::new(),
        }
    }

    fn only_namespace(&self, service: &str) -> Option<&str> {
        let mut found = self.store.list("Service", None).into_iter().filter(|object| text(object, "/metadata/name") == service);
        let first = found.next()?;
        found.next().is_none().then(|| text(first, "/metadata/namespace"))
    }

    fn service(&self, namespace: &str, service: &str, pod: Option<&str>) -> Vec<(IpAddr, &'a [Value])> {
        let Some(object) = self.store.get("Service", namespace, service) else { return Vec::new() };
        if pod.is_some() && text(object, "/spec/clusterIP") != "None" {
            return Vec::new();
        }
        let Some(endpoints) = self.store.get("Endpoints", namespace, service) else { return Vec::new() };
        let mut found = Vec::new();
        for subset in items(endpoints, "/subsets") {
            let published = flag(object, "/spec/publishNotReadyAddresses");
            let unready = if published { items(subset, "/notReadyAddresses") } else { &[] };
            for address in items(subset, "/addresses").iter().chain(unready) {
                if pod.is_none_or(|pod| text(address, "/hostname") == pod) {
                    found.extend(ip(address).map(|ip| (ip, items(subset, "/ports"))));
                }
            }
        }
        found.sort_unstable_by_key(|(address, _)| *address);
        found
    }
}

fn ip(address: &Value) -> Option<IpAddr> {
    text(address, "/ip").parse().ok()
}
