//! What Namely says about somebody: profiles, people, and when they are entitled to what.

pub mod employee;
pub mod facts;
pub mod lifecycle;
pub mod person;
