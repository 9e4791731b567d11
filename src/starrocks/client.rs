//! The StarRocks client of production: the MySQL client and the HTTP client behind one face.

use async_trait::async_trait;

use super::http::HttpClient;
use super::mysql::MySqlClient;
use super::{HttpAnswer, HttpEndpoint, HttpError, Login, Rows, SqlEndpoint, SqlError, StarRocks};

/// Talks to real frontends over the network.
#[derive(Debug, Default)]
pub struct Client {
    mysql: MySqlClient,
    http: HttpClient,
}

impl Client {
    /// A client without connections; they are opened when needed.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl StarRocks for Client {
    async fn query(&self, at: &SqlEndpoint, login: &Login, sql: &str) -> Result<Rows, SqlError> {
        self.mysql.query(at, login, sql).await
    }

    async fn get(&self, at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, HttpError> {
        self.http.get(at, path).await
    }
}
