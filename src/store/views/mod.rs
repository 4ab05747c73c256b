//! What people are shown: read beside the writer, deciding nothing.

pub(crate) mod attention;
pub(crate) mod audit;
pub(crate) mod decided;
pub(crate) mod ended;
pub(crate) mod entitled;
pub(crate) mod holds;
pub(crate) mod leavers;
pub(crate) mod missing;
pub(crate) mod people;
pub(crate) mod progress;
pub(crate) mod starters;
pub(crate) mod unconfigured;
pub(crate) mod vitals;
