//! What a run reads before and between what it writes, and what follows from it.
//!
//! **Invariant:** what could not be read is unknown; that there is no account is answered twice before it is believed.

use super::leaver::is_empty;
use super::waits::A_MOMENT;
use super::{Concluded, Context, Run, WRONG_AGAIN};
use crate::domain::account::administrators::RolesRead;
use crate::domain::account::user::{AccountStatus, OfHolder};
use crate::domain::guard::administrator::needs_groups;
use crate::domain::text::{is_user_id, login_key};
use crate::domain::work::run::Release;
use crate::domain::{Account, Answer, Learned, Step, observe};
use crate::okta::outcome::Outcome;

impl Run {
    /// Where to read the account: by its id, or by the login of the create whose outcome is unknown. By a login that looks like an
    /// id it would be somebody else's.
    pub(super) fn read_step(&self) -> Option<Step> {
        let login = || self.claim.login.as_ref().filter(|login| !is_user_id(login));
        let id = self.account().map(|a| &a.id).or(self.claim.okta_id.as_ref()).or_else(login)?;
        Some(Step::ReadAccount { id_or_login: id.clone() })
    }

    /// What has to be read of an account that was found by itself before anything is planned for it.
    pub(super) fn unread_memberships(&self) -> Option<Step> {
        let account = self.account().filter(|account| account.is_live() && account.marks.unsure.memberships)?;
        Some(Step::ReadGroups { id: account.id.clone(), page: None })
    }

    /// Okta was asked what must be known before something else is done. What it does not say is unknown, and nobody waits for
    /// it longer than for one more try.
    pub(super) fn after_inquiry(
        &mut self,
        step: &Step,
        outcome: &Outcome,
        answer: &Answer,
        context: &Context,
    ) -> Concluded {
        self.steps.clear();
        match outcome {
            Outcome::Retry { after, why } if self.claim.attempt == 0 => {
                return self.end(Release::Retry { at: context.now + (*after).max(A_MOMENT), why: why.clone() });
            }
            Outcome::Unknown { why } if self.claim.attempt == 0 => {
                return self.end(Release::Retry { at: context.now + A_MOMENT, why: why.clone() });
            }
            _ => {}
        }
        // Everybody is in a group: an answer without any is none.
        let is_reported = *outcome == Outcome::Applied && !is_empty(answer);
        if !is_reported {
            self.unanswered.push(match step {
                Step::ReadGroups { id, .. } => Step::ReadGroups { id: id.clone(), page: None },
                other => other.clone(),
            });
        }
        let mut account = if is_reported { observe(self.account(), step, answer) } else { self.account().cloned() };
        let at = context.now.millis();
        match (step, &mut account) {
            (Step::ReadRoles { .. }, Some(account)) => {
                let holds = if let Answer::Role { holds } = answer { Some(*holds) } else { None };
                account.marks.roles = Some(RolesRead { holds: holds.filter(|_| is_reported), at });
            }
            (Step::ReadGroups { .. }, Some(account)) if is_reported => {
                (account.marks.groups_read_at, account.marks.groups_unsaid_at) = (Some(at), None);
            }
            (Step::ReadGroups { .. }, Some(account)) => {
                let items = needs_groups(&context.rulebook.safeguards.protected, context.directory);
                account.marks.groups_unsaid_at = items.then_some(at);
            }
            _ => {}
        }
        let in_doubt = |account: Option<&Account>| account.is_some_and(|known| context.directory.is_in_doubt(known));
        self.is_cleared |= in_doubt(self.account()) && !in_doubt(account.as_ref());
        self.claim.case.account = account;
        let learned = if self.account().is_some() { self.held() } else { Learned::Nothing };
        self.concluded(learned, context)
    }

    /// The answer is discarded and the account read once by its id, or by the login of a create; if that goes wrong too, the
    /// person waits. The first to be tried again show whether Okta answers as it should.
    pub(super) fn about_another_user(&mut self, step: Option<&Step>, why: String, context: &Context) -> Concluded {
        self.steps.clear();
        self.strangers += 1;
        if let Some(Step::CreateUser { profile, .. }) = step {
            self.claim.login = profile.get("login").and_then(|l| l.as_str()).map(str::to_owned);
        }
        match self.read_step() {
            Some(read_first) if self.strangers < 2 => Concluded::reading(Learned::Nothing, read_first),
            _ => {
                let again = Some(context.now + WRONG_AGAIN * self.patience());
                let why = format!("{why}; look at what stands between the service and Okta");
                self.end(Release::Quarantined { why, again, read_first: true, awaits: Vec::new() })
            }
        }
    }

    pub(super) fn after_read(&mut self, outcome: &Outcome, answer: &Answer, context: &Context) -> Concluded {
        self.claim.read_first = false;
        self.steps.clear();
        match (outcome, answer) {
            (Outcome::Applied, Answer::User(found)) => {
                let anchor = found.anchor.as_deref();
                if anchor.is_some_and(|anchor| !self.claim.case.person.has(anchor)) && self.account().is_none() {
                    let why = format!(
                        "the login {} belongs to the Okta account {} of Namely profile {}; give one of the two another email",
                        found.login,
                        found.id,
                        anchor.unwrap_or_default()
                    );
                    return self.end(self.quarantined(why, false, context));
                }
                // Found by its login alone: whoever can write an email into a profile must not become its owner.
                if anchor.is_none() && self.account().is_none() && self.claim.okta_id.is_none() {
                    return self.end(Release::Found { account: Box::new(found.clone()) });
                }
                let step = Step::ReadAccount { id_or_login: found.id.clone() };
                let is_known = self.account().is_some_and(|known| known.id == found.id);
                let account = observe(self.account().filter(|_| is_known), &step, answer);
                let mut account = if is_known { account } else { account.map(Account::found_alone) };
                let revoked = self.done.contains(&Step::RevokeSessions { id: found.id.clone() });
                if let Some(account) = &mut account {
                    // What another run was refused is no reason not to ask again.
                    if self.reads == 0 && self.tried.is_empty() {
                        account.marks.not_suspended_in = None;
                    }
                    if account.is_awake() {
                        // What was proved of an end does not hold any more.
                        let proof = account.marks.exit.take().filter(|_| self.over);
                        account.marks.exit = proof.map(|proof| proof.begun_anew(revoked));
                    }
                }
                (self.fresh, self.absent) = (true, 0);
                self.claim.case.account = account;
                self.concluded(self.held(), context)
            }
            // What a load balancer says while Okta is away looks the same: two answers in a row are needed.
            (Outcome::Missing, _) if self.absent == 0 && self.account().is_some() => {
                self.absent += 1;
                match self.read_step() {
                    Some(read_first) => Concluded::reading(Learned::Nothing, read_first),
                    None => self.concluded(Learned::Nothing, context),
                }
            }
            (Outcome::Missing, _) => {
                (self.claim.case.account, self.claim.case.searched_at) = (None, None);
                self.concluded(Learned::Gone, context)
            }
            (Outcome::AnotherUser { why }, _) => self.about_another_user(None, why.clone(), context),
            (Outcome::Retry { after, why }, _) => {
                self.end(Release::ReadFirst { at: context.now + (*after).max(A_MOMENT), why: why.clone() })
            }
            (other, _) => {
                let why = other.why().unwrap_or("the account cannot be read").to_owned();
                self.end(Release::ReadFirst { at: context.now + context.backoff, why })
            }
        }
    }

    /// The account that has the wanted login was read: only one that is deactivated still gives it up.
    pub(super) fn after_holder(&mut self, (id, login): (&str, &str), answer: &Answer, context: &Context) -> Concluded {
        let holder = match answer {
            Answer::User(it)
                if it.status == AccountStatus::Deprovisioned && login_key(&it.login) == login_key(login) =>
            {
                self.steps.pop_front();
                return self.concluded(Learned::Nothing, context);
            }
            Answer::User(it) => OfHolder::Is(Box::new(it.clone())),
            _ => OfHolder::Gone(id.to_owned()),
        };
        let why = format!("the account {id}, which had the login {login}, is not deactivated any more: planned again");
        Concluded { holder: Some(holder), ..self.end(Release::Retry { at: context.now, why }) }
    }
}
