//! The one place where anything survives: SQLite, one writer thread, group commit.
//!
//! **Invariant:** a future returned by `Store` resolves only after the commit that made it true has reached the disk
//! (WAL, `synchronous=FULL`). What was submitted together is committed together, each job all or nothing.

mod accounts;
mod administrators;
mod adopting;
mod adoption;
mod anchors;
mod approvals;
mod approved;
mod audit_log;
mod awaiting;
mod candidates;
mod cases;
mod circles;
mod confirmed;
mod contact;
mod correlate;
mod coverage;
mod dirty;
mod documents;
mod drifted;
mod end_access;
mod engine;
mod evaluation;
mod everybody;
mod findings;
mod forced;
mod gone;
mod handle;
mod holds;
mod joining;
mod lease;
mod left_alone;
mod links;
mod live;
mod mass;
mod missing;
mod missing_news;
mod nodes;
mod orders;
mod pages;
mod parting;
mod pause;
mod pins;
mod preview_match;
mod previews;
mod prime;
mod proof;
mod pruning;
mod quarantined;
mod reconcile;
mod recovery;
mod refused;
mod rejections;
mod relink;
mod renamed;
mod renaming;
mod repeated;
mod requests;
mod restraint;
mod returning;
mod reviews;
mod rows;
mod rules;
mod runs;
mod search;
mod second_thoughts;
mod split;
mod stops;
mod twins;
mod unanswered;
mod undo;
mod unrouted;
mod verdicts;
mod views;
mod votes;

pub use accounts::login_of;
pub use adoption::{Adoption, Entry as AdoptionEntry, adoption};
pub use anchors::ambiguous_anchors;
pub use approvals::{Approval, Planned, Refused, Taken, Unfit, approve};
pub use audit_log::{Filter, append, checkpoints, filter_audit, read_audit, rows_of_run, verify_audit};
pub use cases::{brief, whole, whole_with};
pub use contact::accept as accept_adoption;
pub use documents::{PageCommit, PageOutcome};
pub use drifted::Drifted;
pub use end_access::{EndOrder, account_of_login, may_be_administrators, may_end, may_restore};
pub use engine::{
    Address, Condition, Failure, Location, Node, Operator, Reader, Row, SeenNode, SqlError, Standby, StoreError,
    Trouble, Turn, Tx, beside, location, lock, nodes,
};
pub use findings::findings;
pub use handle::Store;
pub use holds::org_of_hold;
pub use lease::{EndStep, Want};
pub use live::LiveRules;
pub use nodes::drain;
pub use pages::{Backlog, backlog, known_documents};
pub use pause::{Pause, Paused, pause, pauses, resume};
pub use preview_match::{Outlook, Side};
pub use previews::{Extent, directory, gone_group, preview_of, previews};
pub use prime::{Primed, accept_list};
pub use pruning::{Gap, Prunable, gap, is_a_run, prunable, prune_audit};
pub use quarantined::{QuarantinedPerson, Waiting, quarantined, retry, waiting};
pub use reconcile::{Compared, OrgRead};
pub use recovery::Recovered;
pub use refused::refusal;
pub use rejections::binding;
pub(crate) use renaming::renamed_in;
pub(crate) use repeated::is_repeated;
pub use requests::{OperatorRequest, Request, all_there, is_done, request};
pub use reviews::{Opined, Opinion, opine, review_outlook, reviews};
pub use rows::audit::AuditRow;
pub use rows::link::{Linked, StoredPerson, meant as find, name_of, population};
pub use rows::missing::of_tenant as missing_profiles;
pub use rows::org::{identity, is_read};
pub use rows::pin::pinned;
pub use rows::review::Review;
pub use rows::source::unreadable;
pub use rows::work::{nothing_is_left, org_of};
pub use search::Sought;
pub use split::{linked, split_outlook};
pub use stops::{InFlight, Stops};
pub use undo::{Restores, Scope, Undo, undo};
pub use views::attention::{AttentionItem, attention};
pub use views::audit::{AuditPage, AuditSearch, search_audit};
pub use views::decided::{ByDecision, decision_about};
pub use views::ended::{EndedAccess, ended_access};
pub use views::holds::{HeldChanges, HeldPerson, held_people, holds};
pub use views::leavers::{LeaverWithAccess, leavers_with_access};
pub use views::missing::{MissingAccount, MissingPerson, MissingState, missing_people};
pub use views::people::{ListedPerson, Stand, listed_people};
pub use views::progress::{Progress, progress};
pub use views::starters::{Starter, starters, starters_among};
pub use views::unconfigured::{Section, Unconfigured, unconfigured};
pub use views::vitals::{OrgVitals, Used, Vitals, vitals};
pub use votes::{Ballot, Voted, cancel, reverse, vote};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;
#[cfg(test)]
mod unanswered_tests;
#[cfg(test)]
mod unreadable_tests;
