//! Leader election on a Lease: held, renewed, given back; who cannot renew in time has lost it and must stop. Guards nothing else.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease as LiveLease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Clock;

/// How long a lease is good for without being renewed.
const DURATION: Duration = Duration::from_secs(15);
/// How long a holder tries to renew before it counts itself as having lost; shorter, so that two never act.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between tries.
const PERIOD: Duration = Duration::from_secs(2);
/// Patience with a single request.
const PATIENCE: Duration = Duration::from_secs(5);

/// A Lease that this process may hold.
pub(super) struct Lease {
    api: Api<LiveLease>,
    name: String,
    identity: String,
    clock: Clock,
    /// The last version seen, and when: a foreign clock is never compared with ours, only the time since a change was seen.
    seen: Option<(LiveLease, Instant)>,
}

impl Lease {
    pub(super) fn new(client: Client, namespace: &str, name: &str, identity: &str, clock: Clock) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), identity: identity.to_owned(), clock, seen: None }
    }

    /// Waits until the lease is ours.
    pub(super) async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(text) => tracing::warn!(error = text, "the lease cannot be read or written"),
            }
            sleep(PERIOD).await;
        }
    }

    /// Renews the lease; returns when it is lost, with the reason.
    pub(super) async fn hold(&mut self) -> String {
        let mut renewed = Instant::now();
        loop {
            sleep(PERIOD).await;
            let left = RENEW_DEADLINE.saturating_sub(renewed.elapsed());
            match timeout(left, self.attempt()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return "another process holds the lease".to_owned(),
                Ok(Err(text)) => tracing::warn!(error = text, "the lease could not be renewed"),
                Err(_) => {}
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                return format!("the lease could not be renewed for {} s", RENEW_DEADLINE.as_secs());
            }
        }
    }

    /// Gives the lease back so that the next holder need not wait; best effort.
    pub(super) async fn release(&mut self) {
        let Some((lease, _)) = self.seen.take() else { return };
        let spec = lease.spec.unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return;
        }
        let now = self.now();
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: now.clone(),
            acquire_time: now,
            ..spec
        };
        let lease = LiveLease { spec: Some(spec), ..lease };
        if timeout(PATIENCE, self.api.replace(&self.name, &PostParams::default(), &lease)).await.is_err() {
            tracing::warn!("the lease could not be given back in time");
        }
    }

    /// One try to take or renew; whether the lease is ours now.
    async fn attempt(&mut self) -> Result<bool, String> {
        // A holder renews over the version that it wrote; only if that fails it must look what happened.
        if let Some((lease, _)) = self.seen.clone().filter(|(lease, _)| self.is_ours(lease))
            && self.renew(&lease).await?
        {
            return Ok(true);
        }
        let found = bounded(self.api.get_opt(&self.name)).await?.map_err(|error| error.to_string())?;
        let Some(found) = found else { return self.create().await };
        self.notice(found.clone());
        if self.is_ours(&found) || self.is_free(&found) { self.renew(&found).await } else { Ok(false) }
    }

    async fn create(&mut self) -> Result<bool, String> {
        let now = self.now();
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: now.clone(),
            renew_time: now,
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        };
        let lease = LiveLease { metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() }, spec: Some(spec) };
        let created = bounded(self.api.create(&PostParams::default(), &lease)).await?;
        self.accept(created)
    }

    /// Writes ourselves as the holder over exactly this version.
    async fn renew(&mut self, lease: &LiveLease) -> Result<bool, String> {
        let former = lease.spec.clone().unwrap_or_default();
        let now = self.now();
        let takes_over = !self.is_ours(lease);
        let transitions = former.lease_transitions.unwrap_or(0);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if takes_over { now.clone() } else { former.acquire_time.clone() },
            renew_time: now,
            lease_transitions: Some(if takes_over { transitions.saturating_add(1) } else { transitions }),
            ..former
        };
        let wanted = LiveLease { metadata: lease.metadata.clone(), spec: Some(spec) };
        let replaced = bounded(self.api.replace(&self.name, &PostParams::default(), &wanted)).await?;
        self.accept(replaced)
    }

    fn accept(&mut self, written: kube::Result<LiveLease>) -> Result<bool, String> {
        match written {
            Ok(lease) => {
                self.notice(lease);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() || status.is_not_found() => {
                // Somebody was faster: what we knew is out of date.
                self.seen = self.seen.take().filter(|(lease, _)| !self.is_ours(lease));
                Ok(false)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Remembers when a version was first seen.
    fn notice(&mut self, lease: LiveLease) {
        let known = self.seen.as_ref().is_some_and(|(seen, _)| seen.spec == lease.spec);
        if known {
            if let Some((seen, _)) = &mut self.seen {
                seen.metadata = lease.metadata;
            }
        } else {
            self.seen = Some((lease, Instant::now()));
        }
    }

    fn is_ours(&self, lease: &LiveLease) -> bool {
        lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(&self.identity)
    }

    /// Whether nobody holds a lease, or its holder has not renewed it for its whole duration while we watched.
    fn is_free(&self, lease: &LiveLease) -> bool {
        let spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.is_none_or(|holder| holder.is_empty()) {
            return true;
        }
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs);
        self.seen.as_ref().is_some_and(|(_, since)| since.elapsed() >= duration)
    }

    fn now(&self) -> Option<MicroTime> {
        jiff::Timestamp::from_millisecond(self.clock.now().as_millis()).ok().map(MicroTime)
    }
}

async fn bounded<T>(request: impl Future<Output = T>) -> Result<T, String> {
    timeout(PATIENCE, request).await.map_err(|_| "no answer in time".to_owned())
}

#[cfg(test)]
mod tests;
