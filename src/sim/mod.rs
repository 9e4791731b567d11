//! The laboratory: an embedded Kubernetes, its controllers and kubelet, and a simulated StarRocks; production rooms never name it.

#[cfg(feature = "e2e")]
pub mod bed;
pub mod cluster;
pub mod crash;
pub mod critical_path;
pub mod direct;
pub mod edges;
pub mod embedded;
mod end_state;
mod faults;
mod happen;
mod judge;
pub mod kube;
pub mod ledger;
pub mod pace;
pub mod runtime;
pub mod simulation;
pub mod starrocks;
pub mod story;
pub mod tally;
pub mod voice;
pub mod walk;
pub mod world;
