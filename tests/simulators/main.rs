//! The simulators and the sandbox, as any other client meets them.

#[path = "../common"]
mod common {
    pub mod keys;
    pub mod program;
}

mod official_client;
mod sandbox;
mod simulated_faults;
mod simulated_namely;
mod simulated_okta;
mod simulators;
