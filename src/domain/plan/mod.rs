//! The steps between what somebody should have and what their org holds, and what is shown of them.

pub(crate) mod apps;
pub(crate) mod awaited;
pub(crate) mod case;
pub(crate) mod decided;
pub(crate) mod doubt;
pub(crate) mod drift;
pub(crate) mod end_now;
pub(crate) mod kind;
pub mod leaver;
pub(crate) mod left_alone;
pub mod limits;
pub(crate) mod manager;
pub(crate) mod observe;
pub(crate) mod pins;
pub(crate) mod planner;
pub(crate) mod priority;
pub(crate) mod reasons;
pub(crate) mod resolve;
pub(crate) mod rulebook;
pub(crate) mod second_thoughts;
pub mod situation;
pub(crate) mod starter;
pub(crate) mod step;
pub(crate) mod termination;
