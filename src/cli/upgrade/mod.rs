//! `upgrade`: what users see of StarRocksUpgrades and say in them; patches their spec and nothing else.

mod page;
#[cfg(test)]
mod tests;

use anyhow::Context;
use clap::{Args, Subcommand};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::Outcome;
use super::run::ConnectionArguments;
use crate::api::{Cancel, StarRocksUpgrade};

/// The name under which what is said here is kept in `managedFields`.
const FIELD_MANAGER: &str = "kubectl-starrocks";

/// What to do with which upgrade.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXPLANATION)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Namespace; by default that of the kubeconfig's context
    #[arg(short, long, global = true)]
    namespace: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

const EXPLANATION: &str = "\
The operator makes a StarRocksUpgrade when the release that runs differs from the one that a StarRocksCluster asks for. NAME is its name, or that of the cluster for \
the upgrade under way.

As a kubectl plugin: put this program (or a link to it) on the PATH as kubectl-starrocks; then `kubectl starrocks upgrade list` works.

Exit code: 0 when done, 2 when refused, having said why, 1 when the question could not be answered.";

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// List upgrades
    List {
        /// In all namespaces
        #[arg(short = 'A', long)]
        all_namespaces: bool,
    },
    /// Show the way, the checks, the steps and what is waited for
    Show(Name),
    /// Approve what is waited for, or the parts that are given
    Approve {
        #[command(flatten)]
        name: Name,
        /// Parts, such as 3.4.10 or 3.4.10/Frontends; none means what is waited for now
        parts: Vec<String>,
        /// Approve everything of this upgrade
        #[arg(long, conflicts_with = "parts")]
        all: bool,
    },
    /// Hold before the next node
    Pause(Name),
    /// Go on
    Resume(Name),
    /// Begin no further hop; one that has begun is finished
    Stop(Name),
    /// Go back to the release that `show` names
    Rollback(Name),
}

#[derive(Args, Clone, Debug)]
struct Name {
    /// The upgrade, or its cluster
    name: String,
}

pub(super) fn upgrade(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        // With two providers compiled in, rustls would refuse to choose; an error means that one is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let config = arguments.connection.config().await?;
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("making the Kubernetes client")?;
        act(&client, &namespace, &arguments.verb).await
    })
}

async fn act(client: &Client, namespace: &str, verb: &Verb) -> anyhow::Result<Outcome> {
    if let Verb::List { all_namespaces } = verb {
        let api: Api<StarRocksUpgrade> =
            if *all_namespaces { Api::all(client.clone()) } else { Api::namespaced(client.clone(), namespace) };
        let list = api.list(&ListParams::default()).await.context("listing StarRocksUpgrades")?;
        print!("{}", page::list(&list.items));
        return Ok(Outcome::Done);
    }
    let (Verb::Show(name) | Verb::Approve { name, .. } | Verb::Pause(name) | Verb::Resume(name) | Verb::Stop(name) | Verb::Rollback(name)) =
        verb
    else {
        return Ok(Outcome::Done);
    };
    let api: Api<StarRocksUpgrade> = Api::namespaced(client.clone(), namespace);
    let Some(upgrade) = find(&api, &name.name).await? else {
        eprintln!("no StarRocksUpgrade {0} in namespace {namespace}, and none under way of a cluster {0}", name.name);
        return Ok(Outcome::Refused);
    };
    if let Verb::Show(_) = verb {
        print!("{}", page::show(&upgrade));
        return Ok(Outcome::Done);
    }
    match said(&upgrade, verb) {
        Ok(spec) => {
            let patch = json!({ "metadata": { "resourceVersion": upgrade.resource_version() }, "spec": spec });
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            api.patch(&upgrade.name_any(), &params, &Patch::Merge(&patch)).await.context("writing the StarRocksUpgrade")?;
            println!("StarRocksUpgrade {}: {spec}", upgrade.name_any());
            Ok(Outcome::Done)
        }
        Err(why) => {
            eprintln!("StarRocksUpgrade {}: {why}", upgrade.name_any());
            Ok(Outcome::Refused)
        }
    }
}

/// The upgrade of this name, else the one under way of the cluster of this name.
async fn find(api: &Api<StarRocksUpgrade>, name: &str) -> anyhow::Result<Option<StarRocksUpgrade>> {
    if let Some(upgrade) = api.get_opt(name).await.context("reading the StarRocksUpgrade")? {
        return Ok(Some(upgrade));
    }
    let list = api.list(&ListParams::default()).await.context("listing StarRocksUpgrades")?;
    Ok(list.items.into_iter().find(|upgrade| upgrade.spec.cluster == name && !is_over(upgrade)))
}

fn is_over(upgrade: &StarRocksUpgrade) -> bool {
    upgrade.status.as_ref().is_some_and(|status| status.finished_at.is_some())
}

/// What a verb changes in the spec, or why there is nothing to say.
fn said(upgrade: &StarRocksUpgrade, verb: &Verb) -> Result<Value, String> {
    let status = upgrade.status.clone().unwrap_or_default();
    if is_over(upgrade) {
        return Err(format!(
            "it is over ({}); ask for a release in spec.version of StarRocksCluster {}",
            status.phase, upgrade.spec.cluster
        ));
    }
    match verb {
        Verb::List { .. } | Verb::Show(_) => Ok(json!({})),
        Verb::Approve { all: true, .. } => Ok(json!({ "approved": true })),
        Verb::Approve { parts, .. } => {
            let wanted = if parts.is_empty() { &status.approvals_needed } else { parts };
            if wanted.is_empty() {
                return Err("nothing waits for approval; name the parts, or use --all".to_owned());
            }
            let mut approvals = upgrade.spec.approvals.clone();
            approvals.extend(wanted.iter().filter(|part| !upgrade.spec.approvals.contains(part)).cloned());
            Ok(json!({ "approvals": approvals }))
        }
        Verb::Pause(_) => Ok(json!({ "paused": true })),
        Verb::Resume(_) => Ok(json!({ "paused": false })),
        Verb::Stop(_) => Ok(json!({ "cancel": Cancel::StopHere })),
        Verb::Rollback(_) if status.rollback_to.is_none() => {
            let why =
                status.point_of_no_return.unwrap_or_else(|| "the operator has told no way back yet; try again in a moment".to_owned());
            Err(format!("no way back: {why}"))
        }
        Verb::Rollback(_) => Ok(json!({ "cancel": Cancel::RollBack })),
    }
}
