//! What is held, who decides, and what an approval lets through.

pub(crate) mod administrator;
pub mod alarm;
pub(crate) mod approval;
pub(crate) mod brief;
pub(crate) mod calls;
pub(crate) mod change;
pub(crate) mod decider;
pub(crate) mod difference;
pub mod evaluation;
pub(crate) mod joining;
mod okta_rules;
pub(crate) mod outline;
pub mod planned;
pub(crate) mod preview;
pub(crate) mod rejection;
pub(crate) mod renamed;
pub(crate) mod restraint;
pub(crate) mod safeguard;
pub(crate) mod usage;
pub(crate) mod voices;
pub(crate) mod vote;
