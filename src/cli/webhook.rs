//! The flags of the webhook in, the webhook as a part of `run` out: it counts in the metrics and hears of releases from the operator beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::model::cluster::Conventions;
use crate::release::Catalog;
use crate::telemetry::{Metrics, ServeError, bind_address};
use crate::webhook::{self, Endpoint, Serves, Webhook};

/// How often the certificate is looked at: Kubernetes itself takes up to two minutes to bring a new one into a pod.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The optional webhook.
#[derive(Args, Clone, Debug)]
pub(super) struct WebhookArguments {
    /// Address of the optional validating webhook; 0 for none. Without a certificate it does not listen
    #[arg(long, default_value = ":9443")]
    webhook_bind_address: String,
    /// Directory with tls.crt and tls.key of the webhook; they are loaded when they appear and whenever they change
    #[arg(long, default_value = "/tmp/k8s-webhook-server/serving-certs")]
    webhook_cert_dir: PathBuf,
}

/// The webhook before it is served, and the end through which it hears of releases.
pub(super) type Prepared = (Option<(Webhook, Endpoint)>, watch::Sender<Arc<Catalog>>);

impl WebhookArguments {
    /// Prepares the webhook; `None` of it when no address is given.
    pub(super) fn prepare(&self, conventions: Conventions, serves: Serves, metrics: Arc<Metrics>) -> Result<Prepared, ServeError> {
        // Until this process leads and has seen all catalogs, it knows that it does not know them.
        let (tell, releases) = watch::channel(Arc::new(Catalog::clone(&Catalog::embedded()).incomplete()));
        let Some(address) = bind_address(&self.webhook_bind_address)? else { return Ok((None, tell)) };
        let count = move |kind: &'static str, outcome: webhook::Outcome| metrics.admission(kind, outcome.word());
        let webhook = Webhook { conventions, serves, releases, clock: Clock::system(), count: Arc::new(count) };
        let endpoint = Endpoint { address, certificates: self.webhook_cert_dir.clone(), look_every: LOOK_EVERY };
        Ok((Some((webhook, endpoint)), tell))
    }
}

/// Serves for as long as it is polled.
pub(super) async fn serve(prepared: Option<(Webhook, Endpoint)>) {
    match prepared {
        Some((webhook, endpoint)) => webhook::serve(webhook, endpoint, |_address| {}).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        webhook: WebhookArguments,
    }

    fn prepared(arguments: &[&str]) -> Result<Prepared, ServeError> {
        let program = Program::try_parse_from([&["program"], arguments].concat()).expect("parses");
        program.webhook.prepare(Conventions::default(), Arc::new(|_| true), Arc::new(Metrics::new()))
    }

    #[test]
    fn it_looks_where_olm_mounts_certificates_and_0_means_none() {
        let (Some((webhook, endpoint)), _tell) = prepared(&[]).expect("an address") else { panic!("none") };
        assert_eq!((endpoint.address.port(), endpoint.certificates.to_str()), (9443, Some("/tmp/k8s-webhook-server/serving-certs")));
        assert!(!webhook.releases.borrow().is_complete(), "nothing rests on catalogs that were not read");
        assert!(prepared(&["--webhook-bind-address=0"]).expect("an address").0.is_none());
        assert!(prepared(&["--webhook-bind-address=9443"]).is_err());
    }

    #[test]
    fn it_hears_what_the_operator_beside_it_knows_and_counts_in_its_metrics() {
        let metrics = Arc::new(Metrics::new());
        let program = Program::try_parse_from(["program"]).expect("parses");
        let (Some((webhook, _)), tell) =
            program.webhook.prepare(Conventions::default(), Arc::new(|_| true), Arc::clone(&metrics)).expect("an address")
        else {
            panic!("none")
        };
        tell.send_replace(Catalog::embedded());
        assert!(webhook.releases.borrow().is_complete());
        (webhook.count)("StarRocksCluster", webhook::Outcome::Refused);
        let text = metrics.encode().expect("encodes");
        let line = "starrocks_operator_admission_requests_total{kind=\"StarRocksCluster\",verdict=\"refused\"} 1";
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
