//! A moment as rows have it.

use crate::clock::Moment;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// As RFC 3339.
pub fn serialize<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

/// From RFC 3339.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<jiff::Timestamp>().map(Moment::from).map_err(D::Error::custom)
}
