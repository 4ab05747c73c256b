//! One Okta org: what must be known of it before anything is written to it, and how that is read.

pub(crate) mod administrators;
pub(crate) mod awaited;
pub(crate) mod directory;
pub(crate) mod gone;
mod links;
pub(crate) mod lists;
mod opener;
pub(crate) mod prime;
pub(crate) mod shared;
pub(crate) mod start;
