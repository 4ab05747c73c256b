//! The pure core: who somebody is, what they should have, what they have, and the steps in between.
//!
//! **Invariant:** nothing here does I/O, reads a clock, draws a random number or knows an actor. `now` is always a
//! parameter. This room imports nothing else of ours but `clock::Moment`.

pub mod account;
pub mod guard;
pub mod mapping;
pub mod matching;
pub mod pattern;
pub mod plan;
pub mod record;
pub mod text;
pub mod work;

pub use account::directory::{Directory, Group};
pub use account::user::{Account, AccountStatus, ExitProof, Learned, Link};
pub use guard::decider::Decider;
pub use mapping::desired::{Desired, Mapping};
pub use plan::case::{Case, ManagerLink};
pub use plan::kind::ChangeKind;
pub use plan::limits::Safeguards;
pub use plan::observe::{Answer, observe};
pub use plan::priority::Priority;
pub use plan::rulebook::Rulebook;
pub use plan::situation::Plan;
pub use plan::step::Step;
pub use record::employee::{Employee, FieldChange, Manager, UserStatus};
pub use record::lifecycle::{Entitlement, Lifecycle};
pub use record::person::{Person, Position};
pub use text::{hex, login_key, loose};
pub use work::cause::Cause;
