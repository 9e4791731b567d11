//! `run`: the operator against a Kubernetes cluster, with its flags, endpoints, signals and clients; decides nothing about clusters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Outcome;
use super::webhook::{self, WebhookArguments};
use crate::clock::Clock;
use crate::controllers::{self, Scope, Settings};
use crate::model::cluster::Conventions;
use crate::starrocks;
use crate::telemetry::{self, LogFormat, LogSettings, Telemetry};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Json,
    /// Text for people
    Text,
}

/// How to run the operator.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Namespaces to serve, repeated or separated by commas; none means all
    #[arg(long = "namespace", alias = "namespaces", env = "WATCH_NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Namespaces never to serve, repeated or separated by commas
    #[arg(long, env = "DENY_LIST", value_delimiter = ',')]
    deny_list: Vec<String>,
    /// Address of /metrics; 0 for none
    #[arg(long, default_value = ":8080")]
    metrics_bind_address: String,
    /// Address of /healthz and /readyz; 0 for none
    #[arg(long, default_value = ":8081")]
    health_probe_bind_address: String,
    /// Act only while holding the Lease c6c79638.starrocks.com in the operator's namespace
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, value_parser = truth)]
    leader_elect: bool,
    #[command(flatten)]
    webhook: WebhookArguments,
    #[command(flatten)]
    objects: ObjectArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// TLS to frontends: DISABLED or PREFERRED. Connections are not encrypted; what must be cannot be asked for
    #[arg(long, default_value = "PREFERRED", value_parser = ssl_mode)]
    fe_ssl_mode: String,
    /// Clusters looked at at the same time
    #[arg(long, env = "CONCURRENCY", default_value_t = 16, value_parser = |text: &str| or_usual(text, 16, str::parse::<usize>))]
    concurrency: usize,
    /// Log format; by default JSON inside Kubernetes and text outside
    #[arg(long, value_enum)]
    log_format: Option<Format>,
    /// Log level (error, warn, info, debug, trace) or a filter such as starrocks_operator=debug,kube=warn
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log_level: String,
    #[command(flatten)]
    former: FormerFlags,
}

/// What shapes the objects that are built.
#[derive(Args, Clone, Debug)]
pub(super) struct ObjectArguments {
    /// DNS suffix of the Kubernetes cluster
    #[arg(long, env = "DNS_DOMAIN_SUFFIX", default_value = "cluster.local")]
    dns_domain_suffix: String,
    /// Put a hash into the names of ConfigMap and Secret volumes; pods that run keep the names they have
    #[arg(long, env = "VOLUME_NAME_WITH_HASH", default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, value_parser = |text: &str| or_usual(text, true, truth))]
    volume_name_with_hash: bool,
    /// Default environment variables to leave out of pods, separated by commas
    #[arg(long, env = "KUBE_STARROCKS_UNSUPPORTED_ENVS", value_delimiter = ',')]
    unsupported_envs: Vec<String>,
}

impl ObjectArguments {
    pub(super) fn conventions(&self) -> Conventions {
        let usual = Conventions::default();
        Conventions {
            dns_suffix: if self.dns_domain_suffix.is_empty() { usual.dns_suffix } else { self.dns_domain_suffix.clone() },
            volume_name_with_hash: self.volume_name_with_hash,
            unsupported_env: named(&self.unsupported_envs),
        }
    }
}

/// Which Kubernetes, as whom.
#[derive(Args, Clone, Debug)]
pub(super) struct ConnectionArguments {
    /// Path of a kubeconfig; by default $KUBECONFIG, then the Pod's service account
    #[arg(long)]
    kubeconfig: Option<String>,
    /// Context of the kubeconfig
    #[arg(long)]
    context: Option<String>,
}

impl ConnectionArguments {
    pub(super) async fn config(&self) -> anyhow::Result<kube::Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let mut config = match &self.kubeconfig {
            Some(path) if !path.is_empty() => {
                let file = Kubeconfig::read_from(path).with_context(|| format!("reading {path}"))?;
                kube::Config::from_custom_kubeconfig(file, &options).await.with_context(|| format!("using {path}"))?
            }
            _ if self.context.is_some() => kube::Config::from_kubeconfig(&options).await.context("using the kubeconfig")?,
            _ => kube::Config::infer().await.context("finding a kubeconfig or a service account")?,
        };
        // Retries are ours: silent ones would outlast every deadline and hide from every count.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(10));
        Ok(config)
    }
}

/// What a text says. An empty one, which a template writes where a variable is not given, says what is usual.
fn or_usual<T, E>(text: &str, usual: T, read: fn(&str) -> Result<T, E>) -> Result<T, E> {
    if text.is_empty() { Ok(usual) } else { read(text) }
}

/// A truth value in every spelling that flags of Go programs take.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// How connections to frontends are encrypted: not at all, so that nobody is promised what is not there.
fn ssl_mode(text: &str) -> Result<String, String> {
    match text.to_ascii_uppercase().as_str() {
        mode @ ("DISABLED" | "PREFERRED") => Ok(mode.to_owned()),
        "REQUIRED" => Err(
            "connections to frontends are not encrypted yet, so that it cannot be required; write PREFERRED or DISABLED to go on without"
                .to_owned(),
        ),
        _ => Err("write DISABLED or PREFERRED".to_owned()),
    }
}

/// Flags of the former operator that have no meaning here; accepted so that its manifests start this one.
#[derive(Args, Clone, Debug, Default)]
struct FormerFlags {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    zap_devel: Option<String>,
    #[arg(long, hide = true)]
    zap_encoder: Option<String>,
    #[arg(long, hide = true)]
    zap_log_level: Option<String>,
    #[arg(long, hide = true)]
    zap_stacktrace_level: Option<String>,
    #[arg(long, hide = true)]
    zap_time_encoding: Option<String>,
}

impl FormerFlags {
    fn given(&self) -> Vec<&'static str> {
        let Self { zap_devel, zap_encoder, zap_log_level, zap_stacktrace_level, zap_time_encoding } = self;
        let all = [
            ("--zap-devel", zap_devel),
            ("--zap-encoder", zap_encoder),
            ("--zap-log-level", zap_log_level),
            ("--zap-stacktrace-level", zap_stacktrace_level),
            ("--zap-time-encoding", zap_time_encoding),
        ];
        all.into_iter().filter(|(_, value)| value.is_some()).map(|(flag, _)| flag).collect()
    }
}

/// Runs the operator on a runtime of its own until it is told to stop.
///
/// # Errors
/// When it cannot start, or stops of its own accord.
pub fn main(arguments: RunArguments) -> anyhow::Result<Outcome> {
    // Passes wait for others nearly all the time, and a second worker would have a heap of its own. The lease and the probes run on the thread that calls this one.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("starting the runtime")?;
    runtime.block_on(run(arguments))?;
    Ok(Outcome::Done)
}

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, or stops of its own accord.
pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let in_kubernetes = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    telemetry::init_logs(&log_settings(&arguments, in_kubernetes));
    // A panic in one pass is caught and told; its place must stand in the log in the log's own format.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    for flag in arguments.former.given() {
        tracing::warn!(flag, "this flag of the former operator has no effect; see --log-format and --log-level");
    }
    // With two providers compiled in, rustls would refuse to choose; an error means that one is installed already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let config = arguments.connection.config().await?;
    let told = Telemetry::default();
    let settings = settings(&arguments, &config.default_namespace);
    let scope = settings.clone();
    let serves = Arc::new(move |namespace: &str| scope.serves(namespace));
    let (prepared, tell_releases) = arguments.webhook.prepare(arguments.objects.conventions(), serves, Arc::clone(&told.metrics))?;
    let settings = Settings { tell_releases: Some(tell_releases), ..settings };
    let client = kube::Client::try_from(config).context("making the Kubernetes client")?;
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    // To the end of the process, whoever leads.
    tokio::spawn(webhook::serve(prepared));
    let endpoints = serve_endpoints(&arguments, &told, &shutdown)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), namespaces = ?settings.namespaces, identity = settings.identity, "starting");
    let starrocks: Arc<dyn starrocks::StarRocks> = Arc::new(starrocks::Client::new());
    let outcome = tokio::select! {
        outcome = controllers::run(client, starrocks, settings, told, shutdown.clone()) => outcome.map_err(anyhow::Error::from),
        failed = endpoints => failed,
    };
    shutdown.cancel();
    outcome
}

fn log_settings(arguments: &RunArguments, in_kubernetes: bool) -> LogSettings {
    let format = match (arguments.log_format, in_kubernetes) {
        (Some(Format::Json), _) | (None, true) => LogFormat::Json,
        (Some(Format::Text), _) | (None, false) => LogFormat::Text,
    };
    LogSettings { format, filter: arguments.log_level.clone() }
}

fn settings(arguments: &RunArguments, default_namespace: &str) -> Settings {
    let namespaces = named(&arguments.namespaces);
    let named_by = |variable: &str| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let operator_namespace = named_by("POD_NAMESPACE");
    Settings {
        namespaces: if namespaces.is_empty() { Scope::All } else { Scope::Several(namespaces) },
        deny_list: named(&arguments.deny_list).into_iter().collect::<BTreeSet<_>>(),
        conventions: arguments.objects.conventions(),
        concurrency: arguments.concurrency,
        leader_election: arguments.leader_elect,
        operator_condition: named_by("OPERATOR_CONDITION_NAME"),
        operator_namespace: operator_namespace.unwrap_or_else(|| default_namespace.to_owned()),
        ..Settings::new(Clock::system(), identity())
    }
}

fn named(list: &[String]) -> Vec<String> {
    list.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The pod's name and the process: a restarted container must not believe that it still holds the lease of its former self.
fn identity() -> String {
    let host = ["POD_NAME", "HOSTNAME"].into_iter().find_map(|key| std::env::var(key).ok()).unwrap_or_else(|| "operator".to_owned());
    format!("{host}_{}_{:x}", std::process::id(), Clock::system().now().as_millis())
}

/// Opens the endpoints; the future ends only when one of them fails.
fn serve_endpoints(
    arguments: &RunArguments,
    told: &Telemetry,
    shutdown: &CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let health = telemetry::bind_address(&arguments.health_probe_bind_address)?;
    let metrics = telemetry::bind_address(&arguments.metrics_bind_address)?;
    // The endpoints outlive the operator's last pass: probes must not fail while it shuts down in order.
    let until = CancellationToken::new();
    let (told, shutdown) = (told.clone(), shutdown.clone());
    Ok(async move {
        let probes = async {
            match health {
                Some(address) => telemetry::serve_health(address, told.health, until.clone()).await,
                None => std::future::pending().await,
            }
        };
        let exposition = async {
            match metrics {
                Some(address) => telemetry::serve_metrics(address, told.metrics, until.clone()).await,
                None => std::future::pending().await,
            }
        };
        let failed = tokio::select! { failed = probes => failed, failed = exposition => failed };
        shutdown.cancel();
        failed.map_err(anyhow::Error::from)
    })
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!(%error, "signals cannot be received");
            return;
        }
    };
    tokio::select! {
        _signal = terminate.recv() => tracing::info!("told to stop by SIGTERM"),
        _signal = tokio::signal::ctrl_c() => tracing::info!("told to stop by SIGINT"),
    }
    shutdown.cancel();
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        run: RunArguments,
    }

    fn parse(arguments: &[&str]) -> RunArguments {
        Program::try_parse_from([&["program"], arguments].concat()).map(|program| program.run).expect("parses")
    }

    #[test]
    fn the_former_operators_manifest_starts_this_one() {
        let arguments = parse(&["--leader-elect", "--zap-time-encoding=iso8601", "--zap-encoder=console", "--volume-name-with-hash=true"]);
        assert!(arguments.leader_elect && arguments.objects.volume_name_with_hash);
        assert_eq!(arguments.former.given(), ["--zap-encoder", "--zap-time-encoding"]);
    }

    #[test]
    fn flags_of_the_former_operator_mean_what_they_meant() {
        let arguments = parse(&[
            "--namespace=data",
            "--deny-list=kube-system,secret",
            "--dns-domain-suffix=corp.local",
            "--volume-name-with-hash=F",
            "--metrics-bind-address=:9090",
            "--health-probe-bind-address=:9091",
            "--fe-ssl-mode=preferred",
            "--zap-devel",
            "--zap-log-level=4",
        ]);
        let settings = settings(&arguments, "starrocks");
        assert_eq!(settings.namespaces, Scope::Several(vec!["data".into()]));
        assert_eq!(settings.deny_list, BTreeSet::from(["kube-system".to_owned(), "secret".to_owned()]));
        assert_eq!((settings.conventions.dns_suffix.as_str(), settings.conventions.volume_name_with_hash), ("corp.local", false));
        assert_eq!((arguments.metrics_bind_address.as_str(), arguments.health_probe_bind_address.as_str()), (":9090", ":9091"));
        assert_eq!((arguments.fe_ssl_mode.as_str(), arguments.former.given().len()), ("PREFERRED", 2));
    }

    #[test]
    fn encryption_that_is_not_there_cannot_be_required() {
        let refused = Program::try_parse_from(["program", "--fe-ssl-mode=REQUIRED"]).map(|_| ()).expect_err("refused");
        assert!(refused.to_string().contains("not encrypted yet"), "{refused}");
        Program::try_parse_from(["program", "--fe-ssl-mode=VERIFY_CA"]).map(|_| ()).expect_err("refused");
    }

    /// OLM lets a Subscription set variables and no flags.
    #[test]
    fn what_a_cluster_decides_can_be_a_variable_and_the_page_about_olm_names_it() {
        let page = include_str!("../../docs/install-olm.md");
        let command = Program::command();
        let variable = |flag: &str| command.get_arguments().find(|argument| argument.get_id() == flag)?.get_env()?.to_str();
        for flag in ["deny_list", "dns_domain_suffix", "volume_name_with_hash", "concurrency", "unsupported_envs", "log_level"] {
            let name = variable(flag).unwrap_or_else(|| panic!("{flag} is a flag only"));
            assert!(page.contains(&format!("`{name}`")), "the page does not name {name}");
        }
    }

    /// A template that leaves a value empty means that of the operator.
    #[test]
    fn what_is_empty_is_as_if_it_were_not_given() {
        let given = parse(&["--deny-list=", "--dns-domain-suffix=", "--volume-name-with-hash=", "--concurrency="]);
        let (given, usual) = (settings(&given, "starrocks"), settings(&parse(&[]), "starrocks"));
        assert_eq!((given.conventions, given.concurrency), (usual.conventions, usual.concurrency));
        assert_eq!(given.deny_list, BTreeSet::new());
    }

    #[test]
    fn namespaces_are_a_list_or_repeated_and_none_means_all() {
        let settings = |arguments: &[&str]| settings(&parse(arguments), "starrocks");
        assert_eq!(settings(&["--namespace=a,b", "--namespace=c"]).namespaces, Scope::Several(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(settings(&["--namespace="]).namespaces, Scope::All);
        assert!(!settings(&["--leader-elect=false"]).leader_election);
    }
}
