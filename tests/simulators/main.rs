//! The simulators and the sandbox, as any other client meets them.

#[path = "../common"]
mod common {
    pub mod keys;
    #[allow(dead_code, reason = "not everything that a server can do is done to it here")]
    pub mod postgres;
    pub mod program;
    pub mod skipped;
}

mod group_rules;
mod nodes_of_the_sandbox;
mod official_client;
mod okta_objects;
mod okta_queries;
mod org;
mod own_data;
mod pages;
mod sandbox;
mod simulated_faults;
mod simulated_namely;
mod simulated_okta;
mod simulators;
