//! The pure core: who somebody is, what they should have, what they have, and the steps in between.
//!
//! **Invariant:** nothing here does I/O, reads a clock, draws a random number or knows an actor. `now` is always a
//! parameter. This room imports nothing else of ours but `clock::Moment`.

pub mod account;
pub mod administrator;
pub mod adoption;
pub mod approval;
pub mod apps;
pub mod case;
pub mod cause;
pub mod change;
pub mod correlation;
pub mod decider;
pub mod difference;
pub mod directory;
pub mod doubt;
pub mod drift;
pub mod employee;
pub mod evaluation;
pub mod explain;
pub mod expr;
pub mod facts;
pub mod functions;
pub mod group_rule;
pub mod leaver;
pub mod lifecycle;
pub mod login;
pub mod mapping;
pub mod observe;
pub mod person;
pub mod pins;
pub mod plan;
pub mod preview;
pub mod priority;
pub mod reasons;
pub mod rejection;
pub mod rulebook;
pub mod rules;
pub mod run;
pub mod safeguard;
pub mod starter;
pub mod step;
pub mod termination;
pub mod view;
pub mod vote;
pub mod work;

pub use account::{Account, AccountStatus, ExitProof, Link};
pub use case::{Case, ManagerLink};
pub use cause::Cause;
pub use change::ChangeKind;
pub use decider::Decider;
pub use directory::{Directory, Group};
pub use employee::{Employee, FieldChange, Manager, UserStatus};
pub use lifecycle::{Entitlement, Lifecycle};
pub use mapping::{Desired, Mapping};
pub use observe::{Answer, observe};
pub use person::{Person, Position};
pub use plan::Plan;
pub use priority::Priority;
pub use rulebook::Rulebook;
pub use safeguard::Safeguards;
pub use step::Step;

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
