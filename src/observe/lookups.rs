//! Reads of what a resource names but the operator does not watch: ConfigMaps with configurations, Secrets with a login. GET only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use tokio::time::timeout;

use crate::model::cluster::{LoginSource, ValueSource};
use crate::model::{Silence, SilenceKind};
use crate::starrocks::Login;

const PATIENCE: Duration = Duration::from_secs(10);

/// Why something named could not be looked up; that it does not exist is an answer and no error.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The API server refused or failed.
    #[error("reading {kind} {name}: {source}")]
    Refused {
        /// Kind.
        kind: &'static str,
        /// Name.
        name: String,
        /// Cause.
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("reading {kind} {name}: no answer in time")]
    TimedOut {
        /// Kind.
        kind: &'static str,
        /// Name.
        name: String,
    },
}

/// Reads ConfigMaps by name; `None` for one that does not exist.
///
/// # Errors
/// When the API server does not answer for one of them.
pub async fn config_maps(
    client: &Client,
    namespace: &str,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, Option<BTreeMap<String, String>>>, LookupError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut found = BTreeMap::new();
    for name in names {
        let data = get(&api, "ConfigMap", name).await?.map(|map| map.data.unwrap_or_default());
        found.insert(name.clone(), data);
    }
    Ok(found)
}

/// Reads the SQL account of a cluster. A missing Secret or key becomes the silence that every question then meets.
///
/// # Errors
/// When the API server does not answer.
pub async fn login(client: &Client, namespace: &str, source: &LoginSource) -> Result<Result<Login, Silence>, LookupError> {
    let user = value(client, namespace, &source.user).await?;
    let password = value(client, namespace, &source.password).await?;
    Ok(user.and_then(|user| Ok(Login { user, password: password? })))
}

async fn value(client: &Client, namespace: &str, source: &ValueSource) -> Result<Result<String, Silence>, LookupError> {
    let missing = |what: String| Silence { kind: SilenceKind::Denied, message: format!("{what} with the operator's login does not exist") };
    Ok(match source {
        ValueSource::Literal(text) => Ok(text.clone()),
        ValueSource::Secret { name, key } => {
            let secret = get(&Api::<Secret>::namespaced(client.clone(), namespace), "Secret", name).await?;
            let bytes = secret.and_then(|secret| secret.data?.remove(key)).map(|bytes| bytes.0);
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).ok_or_else(|| missing(format!("key {key} of Secret {name}")))
        }
        ValueSource::ConfigMap { name, key } => {
            let map = get(&Api::<ConfigMap>::namespaced(client.clone(), namespace), "ConfigMap", name).await?;
            map.and_then(|map| map.data?.remove(key)).ok_or_else(|| missing(format!("key {key} of ConfigMap {name}")))
        }
    })
}

async fn get<K>(api: &Api<K>, kind: &'static str, name: &str) -> Result<Option<K>, LookupError>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    match timeout(PATIENCE, api.get_opt(name)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(source)) => Err(LookupError::Refused { kind, name: name.to_owned(), source: Box::new(source) }),
        Err(_) => Err(LookupError::TimedOut { kind, name: name.to_owned() }),
    }
}
