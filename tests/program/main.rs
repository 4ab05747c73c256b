//! The program itself: started, stopped, killed and upgraded, and held to what its documents say.

#[path = "../common"]
mod common {
    pub mod config;
    pub mod documents;
    pub mod keys;
    pub mod patience;
    pub mod postgres;
    pub mod program;
    pub mod quick;
    pub mod running;
    pub mod skipped;
    pub mod store;
    pub mod wait;
    pub mod workspace;
}

mod addresses;
mod by_hand;
mod console;
mod contributor_docs;
mod crash;
mod deploy;
mod docs;
mod docs_map;
mod examples;
mod handbook;
mod links;
mod lists;
mod needs;
mod nodes;
mod on_a_server;
mod operation;
mod package;
mod privileges;
mod proxies;
mod secrets;
mod service;
mod start;
mod store_shapes;
mod store_trouble;
#[cfg(feature = "otel")]
mod traces;
mod unconfigured;
mod upgrade;
mod words;
