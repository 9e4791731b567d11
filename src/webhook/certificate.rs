//! Two files in, the certificate that is presented out; what cannot be used leaves the one before in its place. Never writes.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

/// The files, as Kubernetes mounts a Secret of type kubernetes.io/tls and as OLM mounts its own.
const FILES: (&str, &str) = ("tls.crt", "tls.key");

/// What became of a look at the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// There is no certificate.
    Absent,
    /// They are as before.
    Same,
    /// They are others, and from now on presented.
    Loaded,
    /// They cannot be used.
    Unusable(String),
}

/// The certificate that is presented.
#[derive(Default)]
pub(super) struct Presented {
    state: RwLock<State>,
    /// Whether there has been one.
    there: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    key: Option<Arc<CertifiedKey>>,
    /// The files as last read, usable or not. Their content tells more than their times: a mounted Secret is swapped by a link.
    seen: Option<(Vec<u8>, Vec<u8>)>,
}

impl Presented {
    /// Looks at the files again.
    pub(super) fn look(&self, directory: &Path, provider: &CryptoProvider) -> Look {
        let read = |file: &str| std::fs::read(directory.join(file));
        let (Ok(chain), Ok(key)) = (read(FILES.0), read(FILES.1)) else { return Look::Absent };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let files = (chain, key);
        if state.seen.as_ref() == Some(&files) {
            return Look::Same;
        }
        let certified = certified(&files.0, &files.1, provider);
        state.seen = Some(files);
        match certified {
            Ok(key) => {
                state.key = Some(Arc::new(key));
                self.there.send_replace(true);
                Look::Loaded
            }
            Err(why) => Look::Unusable(why),
        }
    }

    /// Whether there is anything to present.
    pub(super) fn is_there(&self) -> bool {
        *self.there.borrow()
    }

    /// Waits until there is.
    pub(super) async fn is_loaded(&self) {
        let mut there = self.there.subscribe();
        // The sender is ours, so that it cannot be gone.
        let _there = there.wait_for(|there| *there).await;
    }
}

fn certified(chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let certificates: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let certificates = certificates.map_err(|error| format!("{}: {error}", FILES.0))?;
    if certificates.is_empty() {
        return Err(format!("{} holds no certificate", FILES.0));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("{}: {error}", FILES.1))?;
    CertifiedKey::from_der(certificates, key, provider).map_err(|error| format!("{} and {} do not go together: {error}", FILES.0, FILES.1))
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).key.clone()
    }
}

impl fmt::Debug for Presented {
    // No part of a key reaches a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Presented(…)")
    }
}
