//! Which account is whose.

pub mod adoption;
pub mod anchors;
pub mod correlation;
pub mod first_contact;
pub mod keepers;
pub mod linking;
pub mod search;
pub mod twins;
