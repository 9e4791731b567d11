//! Cluster DNS over a store: host names go in, the addresses that CoreDNS would answer come out; caches nothing.

use std::net::IpAddr;

use serde_json::Value;

use super::fields::{flag, items, text};
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
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let host = host.strip_suffix(SUFFIX).or_else(|| host.strip_suffix(".svc")).unwrap_or(&host);
        match host.split('.').collect::<Vec<_>>().as_slice() {
            [service] => self.short_name(service),
            [first, second] => {
                let direct = self.service(second, first, None);
                // Inside one namespace `<pod>.<service>` is searched with the caller's own namespace.
                if direct.is_empty() { self.pod_of_short_service(first, second) } else { direct }
            }
            [pod, service, namespace] => self.service(namespace, service, Some(pod)),
            _ => Vec::new(),
        }
    }
}

impl ClusterDns<'_> {
    fn short_name(&self, service: &str) -> Vec<IpAddr> {
        self.only_namespace(service).map(|namespace| self.service(namespace, service, None)).unwrap_or_default()
    }

    fn pod_of_short_service(&self, pod: &str, service: &str) -> Vec<IpAddr> {
        self.only_namespace(service).map(|namespace| self.service(namespace, service, Some(pod))).unwrap_or_default()
    }

    fn only_namespace(&self, service: &str) -> Option<&str> {
        let mut found = self.store.list("Service", None).into_iter().filter(|object| text(object, "/metadata/name") == service);
        let first = found.next()?;
        found.next().is_none().then(|| text(first, "/metadata/namespace"))
    }

    fn service(&self, namespace: &str, service: &str, pod: Option<&str>) -> Vec<IpAddr> {
        let Some(object) = self.store.get("Service", namespace, service) else { return Vec::new() };
        if pod.is_some() && text(object, "/spec/clusterIP") != "None" {
            return Vec::new();
        }
        let Some(endpoints) = self.store.get("Endpoints", namespace, service) else { return Vec::new() };
        let mut addresses = Vec::new();
        for subset in items(endpoints, "/subsets") {
            let published = flag(object, "/spec/publishNotReadyAddresses");
            let unready = if published { items(subset, "/notReadyAddresses") } else { &[] };
            for address in items(subset, "/addresses").iter().chain(unready) {
                if pod.is_none_or(|pod| text(address, "/hostname") == pod) {
                    addresses.extend(ip(address));
                }
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

fn ip(address: &Value) -> Option<IpAddr> {
    text(address, "/ip").parse().ok()
}
