//! What the service does for people: in this process, against both simulators.

#[path = "../common"]
mod common {
    pub mod change;
    pub mod config;
    pub mod keys;
    pub mod mailbox;
    pub mod patience;
    pub mod program;
    pub mod quick;
    pub mod remarks;
    pub mod rig;
    pub mod stub;
}

mod absence;
mod adoption;
mod apps;
mod authentication;
mod bad_input;
mod correlation;
mod ended_everywhere;
mod first_contact;
mod first_sign_in;
mod groups_gone;
mod identity;
mod late_calls;
mod lifecycle;
mod limits;
mod logins;
mod managers;
mod mapping;
mod matches;
mod missing;
mod movers;
mod okta_trouble;
mod onboarding;
mod oracle;
mod orders;
mod refusals;
mod second_thoughts;
mod stale_lists;
mod tenants;
mod tenants_joined;
mod tenants_orders;
mod termination;
mod waiting;
mod wire;
