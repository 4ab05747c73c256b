//! The pure core: who somebody is, what they should have, what they have, and the steps in between.
//!
//! **Invariant:** nothing here does I/O, reads a clock, draws a random number or knows an actor. `now` is always a
//! parameter. This room imports nothing else of ours but `clock::Moment`.

pub mod account;
pub mod guard;
pub mod mapping;
pub(crate) mod matching;
pub(crate) mod pattern;
pub mod plan;
pub mod record;
pub(crate) mod text;
pub mod work;

pub use account::directory::{Directory, Group};
pub(crate) use account::user::Learned;
pub use account::user::{Account, AccountStatus, Link};
pub use guard::decider::{Decider, provided};
pub(crate) use mapping::desired::Mapping;
pub use plan::case::Case;
pub use plan::kind::ChangeKind;
pub(crate) use plan::observe::{Answer, observe};
pub(crate) use plan::priority::Priority;
pub(crate) use plan::rulebook::Rulebook;
pub(crate) use plan::situation::Plan;
pub use plan::step::Step;
pub use record::employee::Employee;
pub(crate) use record::employee::{FieldChange, Manager, UserStatus};
pub(crate) use record::lifecycle::Entitlement;
pub use record::person::Person;
pub(crate) use record::person::Position;
pub use text::hex;
pub(crate) use text::{login_key, loose};
pub(crate) use work::cause::Cause;
