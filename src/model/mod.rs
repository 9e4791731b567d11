//! What the operator thinks with: a proven Cluster, what was Observed, what was Decided; plain data, no logic that acts.

pub mod answer;
pub mod canary;
pub mod cluster;
pub mod component;
pub mod configuration;
pub mod decision;
pub mod observed;
pub mod policy;
pub mod ports;
pub mod quantity;
pub mod record;
pub mod refusal;
pub mod sql;
pub mod starrocks;
pub mod timestamp;
pub mod waiting;
mod waiting_code;
mod waiting_text;
pub mod warehouse;
pub mod window;

pub use answer::{Answer, Silence, SilenceKind};
pub use canary::{Canary, CanaryReport, MetricBound};
pub use cluster::{Cluster, Workload};
pub use component::Component;
pub use configuration::{Configuration, ConfigurationReport, ConfigurationUpdate};
pub use decision::{Decision, Notice, Object, Step};
pub use observed::{LiveObject, ObjectKey, ObjectKind, Observed, Ownership, Pod};
pub use policy::Share;
pub use quantity::Amount;
pub use record::{Record, RecordAct};
pub use refusal::{Refusal, Request};
pub use sql::{FrontendSetting, Query, Statement};
pub use timestamp::Timestamp;
pub use waiting::WaitingOn;
pub use warehouse::{Warehouse, WarehouseReport};
pub use window::{Window, WindowFault};
