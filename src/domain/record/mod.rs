//! What Namely says about somebody: profiles, people, and when they are entitled to what.

pub(crate) mod circle;
pub mod document;
pub mod employee;
pub(crate) mod facts;
pub(crate) mod groups;
pub(crate) mod lifecycle;
pub(crate) mod person;
pub(crate) mod profiles;
