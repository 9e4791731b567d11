//! Scenarios: what is decided in the situations that clusters get into, each walked in a world that reacts.

mod budgets;
mod canary;
mod channels;
mod codes;
mod configuration;
mod creation;
mod held;
mod numbers;
mod pace;
mod previews;
mod properties;
mod pulls;
mod records;
mod recovery;
mod refusals;
mod routine_loads;
mod scaled;
mod upgrades;
mod warehouses;
