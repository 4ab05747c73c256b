//! namely-okta-sync keeps Okta true to Namely. `ARCHITECTURE.md` is the map.

pub mod actors;
pub mod admin;
pub mod audit;
pub mod clock;
pub mod commands;
pub mod config;
pub mod console;
pub mod domain;
pub mod failpoint;
pub mod http;
pub(crate) mod mailbox;
pub mod metrics;
pub mod namely;
pub mod notify;
pub mod okta;
#[cfg(any(test, fuzzing))]
pub mod parsers;
pub mod privileges;
pub mod report;
pub(crate) mod retry;
pub mod sandbox;
pub(crate) mod schedule;
pub mod store;
pub mod telemetry;
