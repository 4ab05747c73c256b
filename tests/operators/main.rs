//! What operators see and decide: in this process, over the admin API and on the command line.

#[path = "../common"]
mod common {
    pub mod change;
    pub mod chromium;
    pub mod config;
    pub mod mail_server;
    pub mod patience;
    pub mod program;
    pub mod quick;
    pub mod receiver;
    pub mod rig;
    pub mod running;
    pub mod skipped;
    pub mod store;
    pub mod wait;
    pub mod workspace;
}

mod accessible;
mod admin;
mod administrators;
mod alarms;
mod audit;
mod browser;
mod checking;
mod console;
mod decisions;
mod deleted_groups;
mod departed;
mod end_access;
mod forbidden;
mod moves;
mod notifications;
mod pages;
mod planning;
mod plans;
mod power_by_rules;
mod privileges;
mod pruning;
mod receivers;
mod reconciliation;
mod refusals;
mod restored;
mod roles;
mod rotation;
mod safeguards;
mod screens;
mod sign_in;
mod staying;
mod stories;
mod truth;
mod undo;
mod watching;
