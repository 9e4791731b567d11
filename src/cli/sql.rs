//! `sql`: one SQL text after the other to a frontend, answers as lines with tabs; for tests/e2e, where no mysql client is, not part of a release.

use anyhow::Context;
use clap::Args;

use super::Outcome;
use crate::starrocks::{Client, Login, SqlEndpoint, StarRocks};

/// What to ask, and whom.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Address of a frontend
    #[arg(long)]
    host: String,
    /// Its query_port
    #[arg(long, default_value_t = 9030)]
    port: u16,
    /// Account
    #[arg(long, default_value = "root")]
    user: String,
    /// Its password
    #[arg(long, default_value = "")]
    password: String,
    /// SQL texts
    #[arg(required = true)]
    texts: Vec<String>,
}

pub(super) fn sql(arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { host, port, user, password, texts } = arguments;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let (client, endpoint, login) = (Client::new(), SqlEndpoint { host, port }, Login { user, password });
    runtime.block_on(async {
        for text in &texts {
            let rows = client.query(&endpoint, &login, text).await.with_context(|| format!("asking {endpoint}: {text}"))?;
            for row in rows.iter() {
                println!("{row:?}");
            }
        }
        Ok(Outcome::Done)
    })
}
