//! The real operator against an embedded Kubernetes and a simulated StarRocks, request by request, on a paused clock.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod budgets;
mod catalogs;
mod configuration;
mod crashes;
mod defects;
mod drop_in;
mod go_operator;
mod harness;
mod last_words;
mod leadership;
mod midway;
mod mishaps;
mod neighbours;
mod olm;
mod ownership;
mod pace;
mod policies;
mod ports;
mod progress;
mod pulls;
mod refusals;
mod rest;
mod rights;
mod takeover;
mod takeover_warehouse;
mod upgrades;
mod warehouses;
mod watches;
mod writes;
