//! Scenarios: what is decided in the situations that clusters get into, each walked in a world that reacts.

mod canary;
mod channels;
mod codes;
mod creation;
mod pace;
mod properties;
mod records;
mod recovery;
mod refusals;
mod routine_loads;
mod upgrades;
mod warehouses;
