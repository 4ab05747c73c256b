//! What Namely says about somebody: profiles, people, and when they are entitled to what.

pub mod document;
pub mod employee;
pub mod facts;
pub mod groups;
pub mod lifecycle;
pub mod person;
pub mod profiles;
