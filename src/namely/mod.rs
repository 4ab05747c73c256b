//! Everything that knows Namely's wire: pages of profiles and the catalogue of groups, read into `domain::Employee`.

pub mod catalogue;
pub mod client;
pub(crate) mod detector;
mod fields;
mod hot;
pub(crate) mod incomplete;
pub(crate) mod page;
pub(crate) mod walk;
pub(crate) mod wire;

pub use catalogue::Catalogue;
pub use client::NamelyClient;
pub use detector::Detector;
pub(crate) use walk::Walker;
pub use wire::Reader;
