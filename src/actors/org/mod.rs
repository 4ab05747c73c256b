//! One Okta org: what must be known of it before anything is written to it, and how that is read.

pub mod administrators;
pub mod awaited;
pub mod directory;
mod links;
pub mod lists;
mod opener;
pub mod prime;
pub mod shared;
pub mod start;
