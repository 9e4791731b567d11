//! `adopt --dry-run`: live clusters and warehouses in, what `run` would do on taking each over out; asks with get and list only and never writes.

mod leaders;
mod look;
mod page;
#[cfg(test)]
mod tests;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Outcome;
use super::run::{ConnectionArguments, ObjectArguments};
use crate::plan::{Change, ObjectChange};
use crate::yaml;

/// What to look at.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXPLANATION)]
pub(super) struct Arguments {
    /// Only look; there is no other way: `run` takes clusters over by itself
    #[arg(long)]
    dry_run: bool,
    /// Namespace to look at; none means all
    #[arg(short, long)]
    namespace: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(flatten)]
    objects: ObjectArguments,
}

const EXPLANATION: &str = "\
`run` takes over what it finds: clusters and warehouses that the Go operator made need no preparation, and no pod is restarted for it. This command says \
beforehand, resource by resource, what that would change. It needs the rights to get and list, and may be used while the Go operator runs.

Verdicts:
  unchanged             nothing is written
  metadata only         annotations, labels and the owners of fields; nothing depends on them
  in place              objects change, and no pod that runs is touched
  would restart pods    a pod template would differ: `run` holds it (SR-2403) until its owner agrees
                        (`starrocks.com/accept-template`) or the resource changes. Another release,
                        or fewer replicas, is asked for by the resource itself and begins at once,
                        with all gates
  cannot be taken over  something has to be mended first; code and way out are told

StarRocksWarehouses are looked at where their kind is installed. Frontends are asked nothing, so whether they have warehouses at all is not told.

Give the flags that `run` will have: --volume-name-with-hash, --dns-domain-suffix and --unsupported-envs (or KUBE_STARROCKS_UNSUPPORTED_ENVS) shape pods.

Exit code: 0 when nothing would restart and nothing is refused, 2 otherwise, 1 when the question could not be answered.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Yaml,
}

/// The printed answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// Operators that hold the Lease now.
    operators: Vec<Holder>,
    /// What could not be looked at, and what that means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// The resources, clusters first, by namespace and name.
    resources: Vec<Verdict>,
}

/// Somebody who holds the Lease of the operators.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    namespace: String,
    holder: String,
    /// Whether it is the Go operator, by the form of its name.
    is_go_operator: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed: Option<String>,
}

/// What happens to a resource and its objects.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    kind: &'static str,
    namespace: String,
    name: String,
    verdict: Change,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<Blocked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    objects: Vec<ObjectChange>,
}

/// What has to be mended first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blocked {
    code: String,
    message: String,
}

impl Answer {
    fn outcome(&self) -> Outcome {
        let bad = self.resources.iter().any(|resource| resource.verdict >= Change::WouldRestartPods);
        if bad { Outcome::Refused } else { Outcome::Done }
    }
}

pub(super) fn adopt(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if !arguments.dry_run {
        eprintln!(
            "`run` takes clusters over by itself when it starts; nothing is to be done for it.\n\
             `adopt --dry-run` says what that would change and changes nothing."
        );
        return Ok(Outcome::Refused);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let answer = runtime.block_on(async {
        // With two providers compiled in, rustls would refuse to choose; an error means that one is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let config = arguments.connection.config().await?;
        let client = kube::Client::try_from(config).context("making the Kubernetes client")?;
        look::look(&client, arguments.namespace.as_deref().unwrap_or_default(), &arguments.objects.conventions()).await
    })?;
    match arguments.output {
        Format::Table => print!("{}", page::table(&answer)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&answer)?),
        Format::Yaml => print!("{}", yaml::to_string(&answer)?),
    }
    Ok(answer.outcome())
}
