//! The core of a lane: what one person's run does next, without any I/O.
//!
//! **Invariant:** an outcome that leaves anything in doubt is followed by a read before anything else is written.

use crate::clock::Moment;
use crate::identity::plan::{Answer, Situation, observe};
use crate::identity::{Account, Class, Directory, Entitlement, Mapping, Plan, Standing, Step, lifecycle, plan};
use crate::okta::outcome::{Fixer, Outcome};
use crate::store::{Claim, Next, Release};
use jiff::tz::TimeZone;
use std::collections::VecDeque;
use std::time::Duration;

/// Reads after which a lane gives up for now: Okta keeps answering something other than what it shows.
const MAX_LOOKS: u32 = 3;
/// When somebody is tried again whom Okta refused because of its settings; longer each time, up to a day.
const AGAIN: Duration = Duration::from_secs(15 * 60);
const A_MOMENT: Duration = Duration::from_secs(2);

/// What a plan is made with, besides the person.
pub struct Context<'a> {
    pub mapping: &'a Mapping,
    pub directory: &'a Directory,
    pub zone: &'a TimeZone,
    pub now: Moment,
    /// How long to wait after a failure, by the attempts so far.
    pub backoff: Duration,
}

/// What the lane wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Send this call; `planned` is the plan it is the first call of.
    Send { step: Step, planned: Option<Vec<Step>> },
    /// Let go of the person; nothing was sent since the last outcome.
    Release(Release),
}

/// What an outcome leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Concluded {
    /// What Okta holds now, if the call told.
    pub account: Option<Option<Account>>,
    /// What is written with the outcome.
    pub next: Next,
    /// What the lane does after that is on disk.
    pub then: Option<Act>,
    /// The group catalogue of the org should be read again.
    pub refresh_directory: bool,
}

/// One run for one person.
pub struct Lane {
    claim: Claim,
    account: Option<Account>,
    steps: VecDeque<Step>,
    done: Vec<Step>,
    looks: u32,
    remark: Option<String>,
}

impl Lane {
    /// A lane for what was claimed.
    pub fn new(claim: Claim) -> Self {
        Self { account: claim.account.clone(), claim, steps: VecDeque::new(), done: Vec::new(), looks: 0, remark: None }
    }

    /// The person and the token.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The first thing to do.
    pub fn begin(&mut self, context: &Context) -> Act {
        if self.claim.look
            && let Some(look) = self.look()
        {
            return Act::Send { step: look, planned: None };
        }
        if let Some(why) = &self.claim.conflict {
            return Act::Release(Release::SetAside { why: why.clone(), again: None });
        }
        self.plan(context)
    }

    /// Where to read the account: by its id, or by the login of the create whose outcome is unknown.
    fn look(&self) -> Option<Step> {
        let id = self.account.as_ref().map(|a| &a.id).or(self.claim.okta_id.as_ref()).or(self.claim.login.as_ref())?;
        Some(Step::Look { id_or_login: id.clone() })
    }

    fn standing(&self, context: &Context) -> Standing {
        lifecycle::standing(&self.claim.employee, context.zone, context.now)
    }

    fn plan(&mut self, context: &Context) -> Act {
        let standing = self.standing(context);
        let verdict = plan::plan(&Situation {
            employee: &self.claim.employee,
            entitlement: &standing.entitlement,
            account: self.account.as_ref(),
            mapping: context.mapping,
            directory: context.directory,
        });
        if standing.entitlement == Entitlement::NotYet && self.account.as_ref().is_some_and(Account::is_live) {
            self.remark = Some("pending in Namely, but the account is live: kept as it is".into());
        }
        self.remark = self.remark.take().or(standing.remark);
        match verdict {
            Plan::SetAside(why) => Act::Release(Release::SetAside { why, again: None }),
            Plan::Steps(steps) if steps.is_empty() => Act::Release(Release::Done { remark: self.remark.clone() }),
            Plan::Steps(steps) if self.done.contains(&steps[0]) => {
                let why = format!("Okta accepted {} but does not show it; look at the person in Okta", steps[0].name());
                Act::Release(Release::SetAside { why, again: None })
            }
            Plan::Steps(steps) => {
                self.steps = steps.iter().cloned().collect();
                Act::Send { step: steps[0].clone(), planned: Some(steps) }
            }
        }
    }

    /// The next call of the plan, or the verdict of a new plan when it is carried out.
    fn go_on(&mut self, context: &Context) -> Act {
        match self.steps.front() {
            Some(step) => Act::Send { step: step.clone(), planned: None },
            None => self.plan(context),
        }
    }

    /// `step` was answered.
    pub fn conclude(&mut self, step: &Step, outcome: &Outcome, answer: &Answer, context: &Context) -> Concluded {
        let outcome = tolerate(step, outcome);
        if matches!(step, Step::Look { .. }) {
            return self.after_look(&outcome, answer, context);
        }
        match outcome {
            Outcome::Applied | Outcome::AlreadySo => self.applied(step, answer, context),
            Outcome::Missing => self.missing(step, context),
            Outcome::Retry { after, why } => {
                let wait = after.max(if step.class() == Class::Revoke { after } else { context.backoff });
                self.end(Release::Retry { at: context.now + wait, why })
            }
            Outcome::Refused { why, who } => {
                // What changes in Okta's settings does not show: such people are tried again now and then.
                let again = (who == Fixer::OktaAdmin).then(|| context.now + AGAIN * self.patience());
                let is_administrator =
                    self.account.as_ref().is_some_and(|account| context.directory.is_administrator(&account.id));
                let person = if is_administrator { "; the person is an Okta administrator" } else { "" };
                self.end(Release::SetAside { why: format!("{}: {why}{person}; {who}", step.name()), again })
            }
            Outcome::Unknown { why } => self.end(Release::Look { at: context.now + A_MOMENT, why }),
            Outcome::Replan { why } => self.replan(step, why, context),
        }
    }

    /// How much longer this person waits than the first time.
    fn patience(&self) -> u32 {
        1 << self.claim.attempt.clamp(0, 6)
    }

    fn applied(&mut self, step: &Step, answer: &Answer, context: &Context) -> Concluded {
        let gone = *answer == Answer::NoAccount;
        let account = match step {
            Step::CreateGroup { .. } => None,
            _ => {
                self.account = observe(self.account.as_ref(), step, answer);
                Some(self.account.clone())
            }
        };
        self.steps.pop_front();
        if !matches!(step, Step::ReadBack { .. } | Step::ListGroups { .. }) {
            self.done.push(step.clone());
        }
        if gone {
            self.steps.clear();
        }
        self.concluded(account, context)
    }

    /// Goes on; if that is the end of the lane, it is written with the outcome, in one commit.
    fn concluded(&mut self, account: Option<Option<Account>>, context: &Context) -> Concluded {
        match self.go_on(context) {
            Act::Release(release) => {
                Concluded { account, next: Next::Release(release), then: None, refresh_directory: false }
            }
            act => Concluded { account, next: Next::Continue, then: Some(act), refresh_directory: false },
        }
    }

    fn end(&self, release: Release) -> Concluded {
        Concluded { account: None, next: Next::Release(release), then: None, refresh_directory: false }
    }

    /// 404: the person or the group is not there.
    fn missing(&mut self, step: &Step, context: &Context) -> Concluded {
        match step {
            Step::ReadBack { .. } => self.applied(step, &Answer::NoAccount, context),
            Step::RemoveGroup { .. } | Step::UnassignApp { .. } => self.applied(step, &Answer::Done, context),
            Step::AddGroup { name, .. } => Concluded {
                refresh_directory: true,
                ..self.replan(step, format!("Okta does not know the person or the group {name:?} any more"), context)
            },
            _ => self.replan(step, "Okta does not know the account any more, or not in this state".into(), context),
        }
    }

    /// Okta's state is not what the plan took it for.
    fn replan(&mut self, step: &Step, why: String, context: &Context) -> Concluded {
        self.steps.clear();
        if let Step::CreateGroup { .. } = step {
            let wait = Release::Retry { at: context.now + A_MOMENT, why };
            return Concluded { refresh_directory: true, ..self.end(wait) };
        }
        if let Step::CreateUser { profile, .. } = step {
            self.claim.login = profile.get("login").and_then(|l| l.as_str()).map(str::to_owned);
        }
        self.looks += 1;
        match self.look() {
            Some(look) if self.looks <= MAX_LOOKS => Concluded {
                account: None,
                next: Next::Continue,
                then: Some(Act::Send { step: look, planned: None }),
                refresh_directory: false,
            },
            _ => self.end(Release::Retry { at: context.now + context.backoff, why }),
        }
    }

    fn after_look(&mut self, outcome: &Outcome, answer: &Answer, context: &Context) -> Concluded {
        self.claim.look = false;
        match (outcome, answer) {
            (Outcome::Applied, Answer::User(found)) => {
                let anchor = found.anchor.as_deref();
                if anchor.is_some_and(|anchor| anchor != self.claim.employee.id) {
                    let why = format!(
                        "the login {} belongs to the Okta account {} of Namely profile {}; give one of the two another email",
                        found.login,
                        found.id,
                        anchor.unwrap_or_default()
                    );
                    return self.end(Release::SetAside { why, again: None });
                }
                let step = Step::Look { id_or_login: found.id.clone() };
                let mut account = observe(self.account.as_ref(), &step, answer);
                if let Some(account) = &mut account
                    && account.is_live()
                {
                    account.exit = None; // what was proved of an end does not hold any more
                }
                self.account = account;
                self.concluded(Some(self.account.clone()), context)
            }
            (Outcome::Missing, _) => {
                self.account = None;
                self.concluded(Some(None), context)
            }
            (Outcome::Retry { after, why }, _) => {
                self.end(Release::Look { at: context.now + (*after).max(A_MOMENT), why: why.clone() })
            }
            (other, _) => {
                let why = other.why().unwrap_or("the account cannot be read").to_owned();
                self.end(Release::Look { at: context.now + context.backoff, why })
            }
        }
    }
}

/// Revoking sessions must never keep somebody's account alive: whatever Okta says to it, the plan goes on. The audit row
/// keeps what it said.
fn tolerate(step: &Step, outcome: &Outcome) -> Outcome {
    let sessions = matches!(step, Step::RevokeSessions { .. } | Step::RevokeSessionsAgain { .. });
    match outcome {
        Outcome::Refused { .. } | Outcome::Replan { .. } | Outcome::Missing if sessions => Outcome::AlreadySo,
        // Repeating it is harmless, but nothing is gained by waiting: the account comes first.
        Outcome::Unknown { .. } if sessions => Outcome::AlreadySo,
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
