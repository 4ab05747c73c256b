//! Which account is whose.

pub(crate) mod adoption;
pub(crate) mod anchors;
pub(crate) mod correlation;
pub(crate) mod first_contact;
pub(crate) mod keepers;
pub(crate) mod linking;
pub(crate) mod search;
pub(crate) mod twins;
