//! `config/prometheus`: how the operator's metrics are collected, and what somebody should be woken for; every alert with its page.

use serde_json::{Value, json};

use super::super::GeneratedFile;
use super::super::objects::METRICS_SERVICE;
use super::super::rbac::{NAME, NAMESPACE, labels, metadata};
use super::{kustomization, objects};
use crate::yaml::YamlError;

/// The page that says of each alert what it means and what to do, below the root of the checkout.
pub const RUNBOOKS: &str = "docs/alerts.md";

/// What somebody should look at.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// Name, and heading of its part of the page.
    pub name: &'static str,
    /// PromQL over what the operator exposes; SERIES stands for the labels that choose its series.
    expression: &'static str,
    /// How long it must hold, as Prometheus writes durations.
    pub holds: &'static str,
    /// Whether something is down (`critical`); otherwise `warning`.
    pub is_critical: bool,
    summary: &'static str,
    description: &'static str,
}

impl Alert {
    /// The expression as Prometheus takes it.
    #[must_use]
    pub fn expression(&self) -> String {
        self.expression.replace("SERIES", &format!("job=\"{METRICS_SERVICE}\""))
    }
}

/// Every alert, the gravest first.
#[must_use]
pub const fn alerts() -> &'static [Alert] {
    &ALERTS
}

const ALERTS: [Alert; 10] = [
    Alert {
        name: "StarRocksOperatorAbsent",
        expression: "absent(up{SERIES} == 1)",
        holds: "10m",
        is_critical: true,
        summary: "The StarRocks operator cannot be reached.",
        description: "Prometheus has reached no StarRocks operator for ten minutes. Databases go on, but nothing is repaired, scaled or upgraded, and an upgrade that was under way stands still.",
    },
    Alert {
        name: "StarRocksOperatorWithoutLeader",
        expression: "sum by (namespace) (starrocks_operator_leader{SERIES}) == 0",
        holds: "10m",
        is_critical: true,
        summary: "No StarRocks operator in {{ $labels.namespace }} leads.",
        description: "Operators run in {{ $labels.namespace }}, and none has held the Lease for ten minutes: nothing is repaired, scaled or upgraded.",
    },
    Alert {
        name: "StarRocksFrontendsSilent",
        expression: "sum by (namespace, code) (starrocks_operator_waiting_clusters{SERIES,code=~\"SR-2103|SR-2112\"}) > 0",
        holds: "5m",
        is_critical: true,
        summary: "{{ $value }} StarRocks cluster(s) without a frontend to spare ({{ $labels.code }}).",
        description: "For five minutes frontends of {{ $value }} cluster(s) do not answer, or one more loss would end their majority ({{ $labels.code }}). `kubectl get src -A` shows which.",
    },
    Alert {
        name: "StarRocksClusterNeedsAPerson",
        expression: "sum by (namespace, code) (starrocks_operator_waiting_clusters{SERIES,code=~\"SR-2002|SR-2104|SR-2205|SR-2206|SR-2208|SR-2209|SR-2210|SR-2211|SR-2212|SR-2218|SR-2219|SR-2220|SR-2221|SR-2225|SR-2227|SR-2230|SR-2232|SR-2234|SR-2236|SR-2302|SR-2303|SR-2304|SR-2306|SR-2307|SR-2401|SR-2402|SR-2403|SR-2405|SR-25..|SR-3...\"}) > 0",
        holds: "30m",
        is_critical: false,
        summary: "{{ $value }} StarRocks resource(s) wait for a person ({{ $labels.code }}).",
        description: "For half an hour {{ $value }} resource(s) have been waiting for something that does not end by itself ({{ $labels.code }}). `status.blocked` of each says what to do.",
    },
    Alert {
        name: "StarRocksTabletsUnhealthy",
        expression: "sum by (namespace, code) (starrocks_operator_waiting_clusters{SERIES,code=~\"SR-2106|SR-2109|SR-2110\"}) > 0",
        holds: "30m",
        is_critical: false,
        summary: "{{ $value }} StarRocks cluster(s) with a lost node or unhealthy tablets ({{ $labels.code }}).",
        description: "For half an hour {{ $value }} cluster(s) have had a node that is not alive or tablets without enough healthy replicas ({{ $labels.code }}), longer than a restart or a repair takes.",
    },
    Alert {
        name: "StarRocksOperatorDecisionRefused",
        expression: "sum by (namespace) (increase(starrocks_operator_decision_refusals_total{SERIES}[15m])) > 0",
        holds: "0m",
        is_critical: false,
        summary: "The StarRocks operator refused a decision of its own.",
        description: "The safety check kept the operator from a step (SR-2901). Nothing was done, and it is a defect: please report it.",
    },
    Alert {
        name: "StarRocksOperatorPanic",
        expression: "sum by (namespace) (increase(starrocks_operator_errors_total{SERIES,category=\"Panic\"}[15m])) > 0",
        holds: "0m",
        is_critical: false,
        summary: "A pass of the StarRocks operator broke off.",
        description: "A pass over one resource panicked; it is tried again, and the others go on. It is a defect: please report it with the log.",
    },
    Alert {
        name: "StarRocksOperatorForbidden",
        expression: "sum by (namespace) (increase(starrocks_operator_errors_total{SERIES,category=\"Forbidden\"}[15m])) > 0",
        holds: "15m",
        is_critical: false,
        summary: "The StarRocks operator lacks a right.",
        description: "The API server refuses requests of the operator in {{ $labels.namespace }} for want of rights, so that some of its work is not done.",
    },
    Alert {
        name: "StarRocksOperatorErrors",
        expression: "sum by (namespace, category) (rate(starrocks_operator_errors_total{SERIES,category!~\"Conflict|Forbidden|Panic\"}[10m])) > 0.1",
        holds: "15m",
        is_critical: false,
        summary: "The StarRocks operator fails again and again ({{ $labels.category }}).",
        description: "More than one pass or step in ten seconds has failed for a quarter of an hour ({{ $labels.category }}). The operator's log names resource and cause.",
    },
    Alert {
        name: "StarRocksOperatorWatchFailing",
        expression: "sum by (namespace, kind) (increase(starrocks_operator_watch_failures_total{SERIES}[15m])) > 10",
        holds: "15m",
        is_critical: false,
        summary: "The StarRocks operator cannot watch {{ $labels.kind }}.",
        description: "The watch of {{ $labels.kind }} fails again and again, so that the operator may act late on what changes.",
    },
];

/// The folder.
pub(super) fn folder() -> Result<Vec<GeneratedFile>, YamlError> {
    Ok(vec![
        objects("prometheus/service_monitor.yaml", &[service_monitor()])?,
        objects("prometheus/prometheus_rule.yaml", &[prometheus_rule()])?,
        kustomization(
            "prometheus",
            &[
                "For clusters with the Prometheus operator: where the metrics are, and alerts on them. Refused where its kinds are not installed.",
            ],
            &["service_monitor.yaml", "prometheus_rule.yaml"],
            Value::Null,
        )?,
    ])
}

/// Of the Services with the operator's labels only that of the metrics has a port of this name.
fn service_monitor() -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
        "metadata": metadata(NAME, Some(NAMESPACE)),
        "spec": {
            "selector": { "matchLabels": labels() },
            "endpoints": [{ "port": "metrics", "path": "/metrics", "interval": "30s" }],
        },
    })
}

fn prometheus_rule() -> Value {
    let rules: Vec<Value> = alerts().iter().map(rule).collect();
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
        "metadata": metadata(NAME, Some(NAMESPACE)),
        "spec": { "groups": [{ "name": NAME, "rules": rules }] },
    })
}

fn rule(alert: &Alert) -> Value {
    json!({
        "alert": alert.name,
        "expr": alert.expression(),
        "for": alert.holds,
        "labels": { "severity": if alert.is_critical { "critical" } else { "warning" } },
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": format!("{}/blob/main/{RUNBOOKS}#{}", env!("CARGO_PKG_REPOSITORY"), alert.name.to_lowercase()),
        },
    })
}
