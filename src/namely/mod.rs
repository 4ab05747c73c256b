//! Everything that knows Namely's wire: pages of profiles and the catalogue of groups, read into `domain::Employee`.

pub mod catalogue;
pub mod client;
pub mod detector;
mod fields;
pub mod incomplete;
pub mod walk;
pub mod wire;

pub use catalogue::Catalogue;
pub use client::NamelyClient;
pub use detector::Detector;
pub use walk::Walker;
pub use wire::Reader;
