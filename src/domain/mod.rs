//! The pure core: who somebody is, what they should have, what they have, and the steps in between.
//!
//! **Invariant:** nothing here does I/O, reads a clock, draws a random number or knows an actor. `now` is always a
//! parameter. This room imports nothing else of ours but `clock::Moment`.

pub mod account;
pub mod guard;
pub mod mapping;
pub mod matching;
pub mod plan;
pub mod record;
pub mod work;

pub use account::directory::{Directory, Group};
pub use account::user::{Account, AccountStatus, ExitProof, Link};
pub use guard::change::ChangeKind;
pub use guard::decider::Decider;
pub use guard::safeguard::Safeguards;
pub use mapping::desired::{Desired, Mapping};
pub use plan::case::{Case, ManagerLink};
pub use plan::observe::{Answer, observe};
pub use plan::planner::Plan;
pub use plan::priority::Priority;
pub use plan::rulebook::Rulebook;
pub use plan::step::Step;
pub use record::employee::{Employee, FieldChange, Manager, UserStatus};
pub use record::lifecycle::{Entitlement, Lifecycle};
pub use record::person::{Person, Position};
pub use work::cause::Cause;

/// A name reduced to what two spellings of it share: lower case, letters and digits only.
///
/// `"Full-Time"`, `"full time"` and `"FullTime"` are one word to the people who typed them.
pub fn loose(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A login as Okta compares it: case and diacritics do not count (`okta-api.md §3.1`, duplicate login).
pub fn login_key(login: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    use unicode_normalization::char::is_combining_mark;
    login.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_word_are_one_word() {
        assert_eq!(loose("Full-Time"), loose("full time"));
        assert_eq!(loose("Office Locations"), "officelocations");
    }

    #[test]
    fn logins_differ_neither_by_case_nor_by_diacritics() {
        assert_eq!(login_key("José.Núñez@Example.com"), "jose.nunez@example.com");
    }
}
