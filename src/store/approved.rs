//! What people have approved of somebody in saved plans, as far as the service has taken it, and how that ends.

use super::engine::Tx;
use super::rows::meta::meta;
use super::rows::{approval, work};
use super::voices::hearing;
use super::{StoreError, append, pause};
use crate::audit::details::ApprovalEnded;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::guard::approval::{Approved, Present, passes};
use crate::domain::guard::vote::Takes;
use crate::domain::{ChangeKind, Rulebook};
use std::collections::{BTreeMap, BTreeSet};

/// Who has approved exactly what is held of somebody; for the revision and the rules of now.
pub(super) fn of(
    c: &Tx,
    rules: &Rulebook,
    (target, change): (i64, ChangeKind),
    shown: &str,
) -> Result<Vec<Approved>, StoreError> {
    let mut found = taken(c, rules, target, change)?;
    if !found.is_empty() {
        let (rev, by_rules) = (work::newest(c, target)?, fingerprint(c)?);
        found.retain(|one| one.is_about(rev, &by_rules, shown));
    }
    Ok(found)
}

/// What people have approved in saved plans, by whose voice it is now.
fn taken(c: &Tx, rules: &Rulebook, target: i64, change: ChangeKind) -> Result<Vec<Approved>, StoreError> {
    let mut found = approval::taken(c, target, change)?;
    if !found.is_empty() {
        let hearing = hearing(c, rules)?;
        for one in &mut found {
            one.principal = hearing.whose(&one.principal, &one.by);
        }
    }
    Ok(found)
}

/// What enough people have approved of a revision of somebody, in the words in which it was shown.
pub(super) fn passing(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    target: i64,
    now: Moment,
) -> Result<BTreeMap<ChangeKind, BTreeSet<String>>, StoreError> {
    // What one person may decide alone is announced first, and that is done of what is held.
    let takes = Takes { needs: rules.safeguards.eyes(), alone: None, beside_provider: false, alone_from: None };
    let mut approved = BTreeMap::new();
    for change in approval::kinds(c, target)? {
        let (rev, by_rules, pauses) = (work::newest(c, target)?, fingerprint(c)?, pause::times(c, org, change)?);
        let present = Present { rev, rules: &by_rules, now, pauses: &pauses };
        let words = passes(taken(c, rules, target, change)?, takes, &present);
        if !words.is_empty() {
            approved.insert(change, words);
        }
    }
    Ok(approved)
}

/// The rules that everybody was last linked by.
pub(super) fn fingerprint(c: &Tx) -> Result<String, StoreError> {
    Ok(meta(c, "rules")?.unwrap_or_default())
}

/// Approvals of one kind of change of somebody are over; the audit says why.
pub(super) fn end(c: &Tx, target: i64, change: ChangeKind, why: &str, now: Moment) -> Result<(), StoreError> {
    for (by, plan, principal) in approval::remove(c, target, change)? {
        let ended = ApprovalEnded { change, plan, why: why.to_owned(), author: Author::new(by, principal) };
        let record = Record::general(now, Event::ApprovalEnded(ended));
        append(c, &Record { target: Some(target), org: work::org_of(c, target)?, ..record })?;
    }
    Ok(())
}
