//! Words of the configuration that have changed, so that an old file is told how to say it now.

/// A former key or value, and what it is called now.
const FORMER: &[(&str, &str)] =
    &[("lanes", "runs"), ("ghosts", "deactivated_holders"), ("companies", "tenants"), ("company", "tenant")];

/// What a key or value of before is called now.
pub fn now_called(word: &str) -> Option<&'static str> {
    FORMER.iter().find(|(former, _)| *former == word).map(|(_, now)| *now)
}
