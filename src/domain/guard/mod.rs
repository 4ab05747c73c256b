//! What is held, who decides, and what an approval lets through.

pub mod administrator;
pub mod approval;
pub mod change;
pub mod decider;
pub mod difference;
pub mod evaluation;
pub mod joining;
pub mod planned;
pub mod preview;
pub mod rejection;
pub mod restraint;
pub mod safeguard;
pub mod vote;
