//! Sockets that the simulated processes have open in, real listeners with their connections out; both end with the process.

use std::collections::BTreeMap;
use std::net::TcpListener as Bound;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Bed, http_server, sql_server};
use crate::sim::starrocks::{Protocol, Socket};

/// All open listeners.
pub(super) struct Listeners {
    bed: Arc<Bed>,
    open: BTreeMap<Socket, CancellationToken>,
    /// Whether an address could not be bound.
    lacking: bool,
}

impl Listeners {
    pub(super) fn new(bed: Arc<Bed>) -> Self {
        Self { bed, open: BTreeMap::new(), lacking: false }
    }

    /// Whether a socket could not be opened the last time.
    pub(super) const fn lacks_some(&self) -> bool {
        self.lacking
    }

    /// Opens what is missing and closes what is too much; an address that cannot be bound is tried again the next time.
    pub(super) fn follow(&mut self, wanted: &BTreeMap<Socket, Protocol>) {
        self.open.retain(|socket, end| {
            let stays = wanted.contains_key(socket);
            if !stays {
                end.cancel();
            }
            stays
        });
        self.lacking = false;
        for (socket, protocol) in wanted {
            if self.open.contains_key(socket) {
                continue;
            }
            match bind(*socket) {
                Ok(listener) => {
                    let end = CancellationToken::new();
                    tokio::spawn(accept(listener, Arc::clone(&self.bed), *socket, *protocol, end.clone()));
                    self.open.insert(*socket, end);
                }
                Err(error) => {
                    self.lacking = true;
                    tracing::warn!(?socket, %error, "an address cannot be bound; is this the network namespace of the control plane?")
                }
            }
        }
    }
}

fn bind(socket: Socket) -> std::io::Result<TcpListener> {
    let bound = Bound::bind(socket)?;
    bound.set_nonblocking(true)?;
    TcpListener::from_std(bound)
}

async fn accept(listener: TcpListener, bed: Arc<Bed>, socket: Socket, protocol: Protocol, end: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (bed, end) = (Arc::clone(&bed), end.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = converse(stream, bed, socket, protocol) => {}
                () = end.cancelled() => {}
            }
        });
    }
}

async fn converse(stream: TcpStream, bed: Arc<Bed>, socket: Socket, protocol: Protocol) {
    // Small packets go at once, as servers send them.
    let _unimportant = stream.set_nodelay(true);
    if bed.mirror().world.starrocks.is_silent(socket) {
        return std::future::pending().await;
    }
    let ended = match protocol {
        Protocol::Sql => sql_server::serve(stream, &bed, socket).await,
        Protocol::Http => http_server::serve(stream, bed, socket).await,
    };
    if let Err(error) = ended {
        tracing::debug!(?socket, %error, "a connection ended");
    }
}
