//! The steps between what somebody should have and what their org holds, and what is shown of them.

pub mod apps;
pub mod awaited;
pub mod case;
pub mod doubt;
pub mod drift;
pub mod end_now;
pub mod kind;
pub mod leaver;
pub mod limits;
pub mod manager;
pub mod observe;
pub mod pins;
pub mod planner;
pub mod priority;
pub mod reasons;
pub mod resolve;
pub mod rulebook;
pub mod situation;
pub mod starter;
pub mod step;
pub mod termination;
