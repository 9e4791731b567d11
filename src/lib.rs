//! StarRocks operator: the rooms of this codebase, listed in the order in which they are best read.
//!
//! Nouns first, then the deciders that are pure functions, then the hands that read and write, then the doors
//! through which people and Kubernetes come in, and last the laboratory that plays the outside world.

// Nouns: what users write, what StarRocks versions are, what we think with.
pub mod api;
pub mod model;
pub mod release;

// Deciders: pure, synchronous, total.
pub mod build;
pub mod plan;
pub mod validate;

// Hands: the only reader, the only writer, the only voice towards StarRocks.
pub mod apply;
pub mod observe;
pub mod starrocks;

// Doors.
pub mod cli;
pub mod controllers;
pub mod webhook;

// Laboratory.
pub mod sim;

// Plumbing.
pub mod clock;
pub mod generate;
pub mod telemetry;
pub mod yaml;
