//! The run of somebody whose access is over, through every refusal: what can be taken is taken all the same, and it is tried
//! again without end.
//!
//! **Invariant:** such a run ends as done only if its plan is carried out; whatever is missing has a time at which it is
//! tried again.

use super::refusal::{Refusal, is_busy};
use super::waits::A_MOMENT;
use super::{Act, Concluded, Context, MAX_PAGES, Run};
use crate::domain::account::knowledge::Knowledge;
use crate::domain::plan::termination::next_try;
use crate::domain::work::run::{Next, Release};
use crate::domain::{AccountStatus, Answer, Group, Learned, Priority, Step, observe};
use crate::okta::outcome::{Fixer, Outcome};
use std::time::Duration;

/// Reasons that are told at most.
const REPORTED: usize = 5;
/// Tries that come as soon as Okta says, where it had no time.
const SOON: i64 = 3;

impl Run {
    /// How urgent a call is that found no room: access that is still there is ended before everything else.
    pub fn priority_of(&self, step: &Step) -> Priority {
        let is_open = self.account().is_some_and(|account| account.is_live());
        if self.over && is_open { Priority::Revoke } else { step.priority() }
    }

    /// How urgent a call is when it is sent.
    pub fn urgency(&self, step: &Step) -> Priority {
        if self.hurried && step.is_inquiry() { Priority::Revoke } else { step.priority() }
    }

    /// Whether a call is part of the end of somebody's access: what takes it, and what proves that it is over.
    pub fn ends(&self, step: &Step) -> bool {
        self.over && matches!(step.priority(), Priority::Revoke | Priority::Remove)
    }

    /// There is no room for this step in its bucket now.
    pub fn no_room(&mut self, step: &Step, bucket: &'static str, context: &Context) -> Act {
        let instead = self.without_reading(step, context).or_else(|| self.hurry(step, context));
        instead.unwrap_or_else(|| match self.waits_for_okta() {
            true => Act::Release(self.not_ended(context)),
            false => Act::Release(Release::Yield { bucket, priority: self.priority_of(step) }),
        })
    }

    /// Okta allows this step for nobody now, and it is tried again after a while.
    pub fn not_allowed(&mut self, step: &Step, wait: Duration, context: &Context) -> Act {
        let instead = self.without_reading(step, context).or_else(|| self.hurry(step, context));
        instead.unwrap_or_else(|| match self.waits_for_okta() {
            true => Act::Release(self.not_ended(context)),
            false => Act::Release(Release::Wait {
                at: context.now + wait.max(A_MOMENT),
                why: format!("Okta has refused {} for several people in a row; it is tried now and then", step.name()),
            }),
        })
    }

    /// Whether Okta has refused something of the end in this run: whatever keeps the rest from going on, another run would
    /// begin with the same refusal, so it waits for the next try.
    fn waits_for_okta(&self) -> bool {
        self.over && !self.refused.is_empty()
    }

    /// There is no room for what must be known before access may end: whether the person is protected, or an administrator. It
    /// waits for no window, and draws on the reserve: without the answer the deactivation must not be sent, so the call is a part
    /// of it. Nobody else's is, and while there is room for others this one takes none of it either.
    pub fn hurry(&mut self, step: &Step, context: &Context) -> Option<Act> {
        if !self.over || !self.is_open() || self.hurried || !step.is_inquiry() {
            return None;
        }
        self.hurried = true;
        Some(self.plan(context))
    }

    /// There is no room for reading the account now. Whose access is over does not wait for it: what ends access is sent by
    /// the id of the account, and what it finds is read afterwards.
    pub fn without_reading(&mut self, step: &Step, context: &Context) -> Option<Act> {
        let is_open = self.account().is_some_and(|account| account.is_live());
        if !self.over || !is_open || self.unread || !matches!(step, Step::ReadAccount { .. }) {
            return None;
        }
        self.unread = true;
        Some(self.plan(context))
    }

    /// `step` was answered, and access is over.
    pub(super) fn conclude_end(
        &mut self,
        step: &Step,
        outcome: &Outcome,
        answer: &Answer,
        context: &Context,
    ) -> Concluded {
        if matches!(step, Step::ReadAccount { .. }) {
            return self.after_reading(step, outcome, answer, context);
        }
        match (step, outcome) {
            (_, Outcome::Applied) => self.applied_end(step, answer, context),
            (Step::RevokeSessionsAgain { .. }, _) if !is_busy(outcome) && !self.is_open() => {
                self.applied(step, answer, context) // sessions end with the account; the audit keeps what Okta said
            }
            (_, Outcome::Missing) if step.is_inquiry() => self.asked_in_vain(step, outcome, answer, context),
            (Step::RevokeSessions { .. } | Step::RevokeSessionsAgain { .. }, _) => {
                self.go_around(step, outcome, context)
            }
            (Step::UnassignApp { .. }, Outcome::AlreadySo | Outcome::Missing) => self.applied(step, answer, context),
            (Step::RemoveGroup { .. }, Outcome::AlreadySo | Outcome::Missing) => self.removed_perhaps(step, context),
            (Step::Deactivate { .. }, _) => self.not_deactivated(step, outcome, context),
            (Step::ReadBack { .. }, Outcome::Missing) => {
                self.absent += 1;
                self.read_and_plan(step, outcome, context)
            }
            (Step::ReadBack { .. }, Outcome::Replan { .. }) if matches!(answer, Answer::User(_)) => {
                // Accepted and not so: the account is known as it is, and what is planned for it knows that.
                self.claim.case.account = observe(self.account(), step, answer);
                self.shown_open = self.is_open();
                self.steps.clear();
                self.concluded(self.held(), context)
            }
            (Step::Suspend { .. } | Step::Unlock { .. }, _) => self.not_suspended(step, outcome, context),
            (Step::ReadBack { .. }, Outcome::AnotherUser { .. }) => self.read_and_plan(step, outcome, context),
            _ => self.go_around(step, outcome, context),
        }
    }

    fn is_open(&self) -> bool {
        self.account().is_some_and(|account| account.is_live())
    }

    fn applied_end(&mut self, step: &Step, answer: &Answer, context: &Context) -> Concluded {
        self.absent = 0;
        self.unread &= !matches!(step, Step::ReadBack { .. });
        if matches!(step, Step::Deactivate { .. } | Step::Suspend { .. })
            && let Some(proof) = self.claim.case.account.as_mut().and_then(|account| account.marks.exit.as_mut())
        {
            proof.refused = None;
        }
        let concluded = self.applied(step, answer, context);
        match (step, self.read_step()) {
            // Accepted is not shown: the account is read before anybody relies on it, and planned anew.
            (Step::Suspend { .. }, Some(read_first)) => {
                self.steps.clear();
                Concluded::reading(concluded.account, read_first)
            }
            _ => concluded,
        }
    }

    /// One page of the groups of a person was read; when it was the last, all of them are known.
    pub(super) fn after_page(
        &mut self,
        step: &Step,
        groups: &[Group],
        next: Option<&str>,
        context: &Context,
    ) -> Concluded {
        let at = |page: Option<&str>| match step {
            Step::ReadGroups { id, .. } => Step::ReadGroups { id: id.clone(), page: page.map(str::to_owned) },
            Step::ListGroups { id, .. } => Step::ListGroups { id: id.clone(), page: page.map(str::to_owned) },
            other => other.clone(),
        };
        let (first, is_inquiry) = (at(None), step.is_inquiry());
        let (listed, pages) = &mut self.listed;
        if *step == first {
            listed.clear();
            pages.clear();
        }
        listed.extend(groups.iter().cloned());
        let Some(next) = next else {
            let answer = Answer::Groups { groups: std::mem::take(listed), next: None };
            self.steps.clear(); // what is removed is planned from what was found
            return match is_inquiry {
                false if is_empty(&answer) => self.without_any_group(&first, context),
                true => self.after_inquiry(&first, &Outcome::Applied, &answer, context),
                false => self.applied(&first, &answer, context),
            };
        };
        if pages.iter().any(|known| known == next) || pages.len() >= MAX_PAGES {
            let why = format!(
                "the list of the person's groups does not end: after {} pages Okta names one more",
                pages.len() + 1
            );
            let outcome = Outcome::Refused { why, who: Fixer::OktaAdmin };
            self.steps.clear();
            return if self.over && !is_inquiry {
                self.go_around(&first, &outcome, context)
            } else {
                self.conclude(&first, &outcome, &Answer::Done, context)
            };
        }
        pages.push(next.to_owned());
        let step = at(Some(next));
        self.steps.pop_front();
        self.steps.push_front(step.clone());
        Concluded::new(Learned::Nothing, Next::Continue, Some(Act::Send { step, planned: None }))
    }

    /// Everybody is in a group: a list without any is no list. It is asked for again, and nothing is proved before it was read.
    fn without_any_group(&mut self, list: &Step, context: &Context) -> Concluded {
        let why = "Okta lists no group at all, and everybody is in one: that is not believed".to_owned();
        let outcome = match self.claim.attempt {
            0 => Outcome::Retry { after: A_MOMENT, why },
            _ => Outcome::Refused { why, who: Fixer::OktaAdmin },
        };
        if self.over {
            self.go_around(list, &outcome, context)
        } else {
            self.conclude(list, &outcome, &Answer::Done, context)
        }
    }

    /// Not there, or already so: what the list shows afterwards decides.
    fn removed_perhaps(&mut self, step: &Step, context: &Context) -> Concluded {
        if self.refused.iter().any(|refusal| refusal.step == *step) || self.done.contains(step) {
            return self.go_around(step, &Outcome::Missing, context);
        }
        self.applied(step, &Answer::Done, context)
    }

    /// Okta does not deactivate, whatever it says: nothing else that can be taken waits for that. Where the answer leaves open
    /// how the account is, it is read first.
    fn not_deactivated(&mut self, step: &Step, outcome: &Outcome, context: &Context) -> Concluded {
        self.absent += u32::from(*outcome == Outcome::Missing);
        let refusal = match outcome {
            // Okta says the same of an account that is deactivated already, as after an answer that was lost.
            Outcome::Missing if !self.shown_open => Refusal::of_closed_perhaps(step),
            _ => Refusal::of(step, outcome),
        };
        self.shown_open &= *outcome != Outcome::Missing && !matches!(outcome, Outcome::Unknown { .. });
        self.refuse(refusal);
        self.steps.clear();
        let account = self.held();
        let is_clear = matches!(outcome, Outcome::Retry { .. } | Outcome::Refused { .. });
        match self.read_step().filter(|_| !is_clear) {
            Some(read_first) => Concluded::reading(account, read_first),
            None => self.concluded(account, context),
        }
    }

    /// Whether a deactivation that Okta has refused is tried once more before the first run ends: everything else is taken, and
    /// a refusal may have been one of a moment. Where Okta had no time, or has accepted it in vain, it waits.
    pub(super) fn once_more(&mut self) -> bool {
        let ends = |refusal: &Refusal| {
            let Refusal { step, after, .. } = refusal;
            matches!(step, Step::Deactivate { .. }) && after.is_none() && !self.done.contains(step)
        };
        let found = self.refused.iter().position(ends).filter(|_| self.claim.attempt == 0 && !self.asked_again);
        self.asked_again |= found.is_some();
        found.map(|at| self.refused.remove(at)).is_some()
    }

    /// Okta does not suspend: the account is read, and what cannot be suspended is deactivated. That Okta has no time is no refusal
    /// until it never has.
    fn not_suspended(&mut self, step: &Step, outcome: &Outcome, context: &Context) -> Concluded {
        if is_busy(outcome) && self.claim.attempt < SOON {
            return self.go_around(step, outcome, context);
        }
        let known = self.account().map(|account| account.status);
        let again = self.tried.contains(&step.name());
        let is_ended = self.kinds.exit; // suspended only because Okta does not deactivate
        if !is_ended
            && (again || known != Some(AccountStatus::Active))
            && let Some(account) = &mut self.claim.case.account
        {
            account.marks.not_suspended_in = known;
        }
        if is_ended || again {
            return self.go_around(step, outcome, context);
        }
        self.read_and_plan(step, outcome, context)
    }

    /// Okta's state may not be what the plan took it for: it is read and planned anew, once; then the rest goes on without
    /// this step.
    fn read_and_plan(&mut self, step: &Step, outcome: &Outcome, context: &Context) -> Concluded {
        if self.tried.contains(&step.name()) {
            return self.go_around(step, outcome, context);
        }
        self.tried.push(step.name());
        self.steps.clear();
        let account = self.held();
        match self.read_step() {
            Some(read_first) => Concluded::reading(account, read_first),
            None => self.concluded(account, context),
        }
    }

    /// Okta was asked about somebody as if they were not there: the account is read, and if it is there the answer is none.
    fn asked_in_vain(&mut self, step: &Step, outcome: &Outcome, answer: &Answer, context: &Context) -> Concluded {
        if self.tried.contains(&step.name()) {
            return self.after_inquiry(step, outcome, answer, context);
        }
        self.absent += 1;
        self.read_and_plan(step, outcome, context)
    }

    /// Goes on without this step; whatever does not depend on it is taken.
    fn go_around(&mut self, step: &Step, outcome: &Outcome, context: &Context) -> Concluded {
        self.refuse(Refusal::of(step, outcome));
        // Another plan may follow from it, unless it is one of many.
        let is_one_of_many = matches!(step, Step::RemoveGroup { .. } | Step::UnassignApp { .. });
        if is_one_of_many || self.claim.conflict.is_some() {
            self.steps.retain(|planned| planned != step);
        } else {
            self.steps.clear();
        }
        self.concluded(self.held(), context)
    }

    /// Remembers that Okta did not do it.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let Refusal { step, why, lasts, .. } = &refusal;
        let ends = matches!(step, Step::Deactivate { .. } | Step::Suspend { .. } | Step::Unlock { .. });
        let message = format!("{}: {why}", step.name());
        if let Some(account) = self.claim.case.account.as_mut().filter(|account| ends && *lasts && account.is_live()) {
            account.marks.exit.get_or_insert_default().refused = Some(message);
        }
        let step = match refusal.step {
            Step::ListGroups { id, .. } => Step::ListGroups { id, page: None },
            step => step,
        };
        self.refused.push(Refusal { step, ..refusal });
    }

    /// The account was to be read.
    fn after_reading(&mut self, step: &Step, outcome: &Outcome, answer: &Answer, context: &Context) -> Concluded {
        let is_known = self.account().is_some();
        match (outcome, answer) {
            (Outcome::Applied, Answer::User(_)) => {
                (self.absent, self.unread) = (0, false);
                let concluded = self.after_read(outcome, answer, context);
                self.shown_open = self.is_open();
                concluded
            }
            // Two calls in a row found no such account: one answer alone proves nothing.
            (Outcome::Missing, _) if self.absent > 0 || !is_known => {
                self.unread = false;
                self.after_read(outcome, answer, context)
            }
            (Outcome::Missing, _) => {
                self.absent += 1;
                self.unread_for_now(step, "Okta says that there is no such account", context)
            }
            _ if !is_known || (is_busy(outcome) && self.claim.attempt == 0 && self.refused.is_empty()) => {
                self.after_read(outcome, answer, context)
            }
            (other, _) => {
                let why = other.why().unwrap_or("the account cannot be read").to_owned();
                self.unread_for_now(step, &why, context)
            }
        }
    }

    /// The account cannot be read: access is ended by its id all the same, and the run is not done before it was read.
    fn unread_for_now(&mut self, step: &Step, why: &str, context: &Context) -> Concluded {
        self.claim.read_first = false;
        self.steps.clear();
        self.unread = true;
        self.refused.push(Refusal { step: step.clone(), why: why.to_owned(), lasts: false, after: None });
        self.concluded(Learned::Nothing, context)
    }

    /// Everything that can be taken is taken, and something is missing: tried again, without end.
    pub(super) fn not_ended(&self, context: &Context) -> Release {
        let soon = self.refused.iter().filter_map(|refusal| refusal.after).min().filter(|_| self.claim.attempt < SOON);
        let wait = next_try(self.claim.attempt);
        let at = context.now + soon.map_or(wait, |after| after.min(wait));
        let mut whys: Vec<String> = Vec::new();
        for refusal in &self.refused {
            let what = match &refusal.step {
                Step::RemoveGroup { name, .. } => format!("out of group {name:?}"),
                step => step.name().to_owned(),
            };
            whys.push(format!("{what}: {}", refusal.why));
        }
        let more = whys.len().saturating_sub(REPORTED);
        whys.truncate(REPORTED);
        whys.extend((more > 0).then(|| format!("{more} more")));
        let is_administrator = self.administrator(context) == Knowledge::Holder;
        whys.extend(is_administrator.then(|| "the person is an Okta administrator".to_owned()));
        let open = self.account().is_some_and(|account| account.is_awake());
        let message = match open {
            true if self.unread => "may still have access",
            true => "still has access",
            false => "access is closed, but not everything is taken",
        };
        let why = format!("{message}: {}", whys.join("; "));
        if self.refused.iter().any(|refusal| refusal.lasts) {
            Release::Quarantined { why, again: Some(at), read_first: true, awaits: Vec::new() }
        } else {
            Release::ReadFirst { at, why }
        }
    }
}

/// Whether an answer lists no group at all.
pub(super) fn is_empty(answer: &Answer) -> bool {
    matches!(answer, Answer::Groups { groups, .. } if groups.is_empty())
}

#[cfg(test)]
#[path = "leaver_tests.rs"]
mod tests;
