//! Who plays which part of a cluster: the embedded loops and kubelets themselves, or clients of the API; plays nothing.

/// Which parts of a control plane act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duty {
    /// All of them.
    #[default]
    Everything,
    /// Control loops and scheduler: kubelets and a storage provisioner are clients, whose reports are believed.
    ControlLoops,
    /// The kubelets alone: whoever fills the store has control loops and a scheduler of its own.
    Kubelets,
}

impl Duty {
    /// Whether control loops and scheduler act.
    pub(super) const fn has_loops(self) -> bool {
        !matches!(self, Self::Kubelets)
    }

    /// Whether kubelets and the storage provisioner act.
    pub(super) const fn has_kubelets(self) -> bool {
        !matches!(self, Self::ControlLoops)
    }
}
