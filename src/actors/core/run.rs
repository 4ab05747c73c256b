//! The core of a run: what one person's run does next, without any I/O.
//!
//! **Invariant:** an outcome that leaves anything in doubt is followed by a read before anything else is written.

use crate::audit::details::Planned;
use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::account::user::OfHolder;
use crate::domain::guard::change::{kinds_of, summary};
use crate::domain::guard::planned::plan;
use crate::domain::guard::safeguard::{Proposal, restrain};
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::decided::decided;
use crate::domain::plan::doubt::doubt;
use crate::domain::plan::limits::Mode;
use crate::domain::plan::observe::FullProfile;
use crate::domain::plan::situation::{Obstacle, Plan, Situation};
use crate::domain::plan::termination::next_try;
use crate::domain::work::run::{Claim, Next, Release};
use crate::domain::{Account, Answer, ChangeKind, Directory, Group, Learned, Priority, Rulebook, Step, observe};
use crate::okta::outcome::Outcome;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(crate) use refusal::taken;
use refusal::{Refusal, not_shown};
use waits::{A_MOMENT, AGAIN};

/// Reads after which a run gives up for now: Okta keeps answering something other than what it shows.
const MAX_READS: u32 = 3;
/// When somebody is read again about whom Okta has answered with another account.
const WRONG_AGAIN: Duration = Duration::from_secs(30);
/// Pages of somebody's groups that are read at most.
const MAX_PAGES: usize = 200;

/// What a plan is made with, besides the person.
pub struct Context<'a> {
    pub rulebook: &'a Rulebook,
    pub directory: &'a Directory,
    pub now: Moment,
    /// How long to wait after a failure, by the attempts so far.
    pub backoff: Duration,
    pub takes: fn(&Step) -> &'static [&'static str], // the permissions of a role that a step takes
}

/// What the run wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Send this call; `planned` is the plan it is the first call of.
    Send { step: Step, planned: Option<Planned> },
    /// Let go of the person; nothing was sent since the last outcome.
    Release(Release),
}

/// What an outcome leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Concluded {
    /// What Okta holds now, if the call told.
    pub account: Learned,
    /// What the call has told of the account that has the login which the person is to have.
    pub holder: Option<OfHolder>,
    /// What is written with the outcome.
    pub next: Next,
    /// What the run does after that is on disk.
    pub then: Option<Act>,
    /// The group catalogue of the org should be read again.
    pub refresh_directory: bool,
}

impl Concluded {
    fn new(account: Learned, next: Next, then: Option<Act>) -> Self {
        Self { account, holder: None, next, then, refresh_directory: false }
    }

    /// The account is read before anything else is done, also by whoever comes instead of this run.
    fn reading(account: Learned, read_first: Step) -> Self {
        Self::new(account, Next::Read, Some(Act::Send { step: read_first, planned: None }))
    }
}

/// One run for one person.
pub struct Run {
    claim: Claim,
    steps: VecDeque<Step>,
    done: Vec<Step>,
    reads: u32,
    /// Whether this run has read the account.
    fresh: bool,
    /// The whole profile, between its reading and its writing back.
    full: Option<FullProfile>,
    /// What the calls of the present plan are part of.
    kinds: Plan,
    /// The attribute that keeps a former login, under the rules of the present plan.
    former: Option<String>,
    /// What Okta did not say when it was asked.
    unanswered: Vec<Step>,
    /// Whether access is over, at once or after a grace: then no refusal stops the rest.
    over: bool,
    /// What Okta did not do in this run, and why; only while access is over.
    refused: Vec<Refusal>,
    /// Names of steps that Okta did not carry out the first time.
    tried: Vec<&'static str>,
    /// Whether the deactivation was tried once more after everything else was taken.
    asked_again: bool,
    /// Whether Okta has said in this run what it had not said before.
    is_cleared: bool,
    /// Calls in a row that Okta answered as if there were no such account.
    absent: u32,
    /// Answers that were about somebody else.
    strangers: u32,
    /// Whether the account could not be read although it should be.
    unread: bool,
    /// Whether Okta has shown the account open in this run since it may have been deactivated.
    shown_open: bool,
    /// Whether what the end of access waits for found no room, and is sent as urgently as the end.
    hurried: bool,
    /// Groups of the pages that were read so far, and where these pages were.
    listed: (Vec<Group>, Vec<String>),
}

impl Run {
    /// A run for what was claimed.
    pub fn new(mut claim: Claim) -> Self {
        // Who is protected is looked at in what Okta holds now: a read from before the change says nothing of groups that
        // somebody was put into since.
        let (dirty_at, ends) = (claim.dirty_at.millis(), claim.priority == Priority::Revoke && claim.attempt == 0);
        if let Some(account) = &mut claim.case.account {
            account.marks.groups_read_at = account.marks.groups_read_at.filter(|at| !ends && *at >= dirty_at);
        }
        Self {
            claim,
            steps: VecDeque::new(),
            done: Vec::new(),
            reads: 0,
            fresh: false,
            full: None,
            kinds: Plan::default(),
            former: None,
            unanswered: Vec::new(),
            over: false,
            refused: Vec::new(),
            tried: Vec::new(),
            asked_again: false,
            is_cleared: false,
            absent: 0,
            strangers: 0,
            unread: false,
            shown_open: false,
            hurried: false,
            listed: Default::default(),
        }
    }

    /// The person and the token.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The whole profile, if it was just read to be written back.
    pub fn full(&self) -> Option<&FullProfile> {
        self.full.as_ref()
    }

    /// The kinds of change that a call of the present plan is made of.
    pub fn changes_of(&self, step: &Step) -> BTreeSet<ChangeKind> {
        match step {
            Step::ReadAccount { .. } => BTreeSet::new(),
            step => kinds_of(&self.kinds, step, self.former.as_deref()),
        }
    }

    fn account(&self) -> Option<&Account> {
        self.claim.case.account.as_ref()
    }

    /// The first thing to do.
    pub fn begin(&mut self, context: &Context) -> Act {
        let lifecycle = context.rulebook.lifecycle(&self.claim.case, context.now);
        self.over = self.claim.case.entitlement(&lifecycle.entitlement).is_over();
        if self.claim.read_first
            && let Some(read_first) = self.read_step()
        {
            return Act::Send { step: read_first, planned: None };
        }
        if self.claim.conflict.is_some() && context.rulebook.safeguards.mode == Mode::Auto {
            self.steps = self.claim.doubtful.iter().map(|id| Step::RevokeSessions { id: id.clone() }).collect();
        }
        if let Some(step) = self.steps.front().cloned() {
            let steps = self.steps.iter().cloned().collect();
            let planned = Planned { steps, entitlement: Some("ended".into()), rules: BTreeMap::new() };
            return Act::Send { step, planned: Some(planned) };
        }
        self.plan(context)
    }

    fn plan(&mut self, context: &Context) -> Act {
        if let Some(why) = &self.claim.conflict {
            let sessions = match self.done.is_empty() {
                true => "",
                false => "; they have left: the sessions of all of these were revoked, and the accounts are live still",
            };
            // What settles it wakes the person in the transaction that writes it down: a decision, a profile, a walk, a list of
            // the org. Another try would only end sessions once more that may be somebody else's; what Okta has not done is
            // tried again.
            let again = (self.over && !self.refused.is_empty()).then(|| context.now + next_try(self.claim.attempt));
            return Act::Release(Release::Quarantined {
                why: format!("{why}{sessions}"),
                again,
                read_first: false,
                awaits: Vec::new(),
            });
        }
        let lifecycle = context.rulebook.lifecycle(&self.claim.case, context.now);
        self.over = self.claim.case.entitlement(&lifecycle.entitlement).is_over();
        // Whoever leaves is read after the end of their access.
        let unread = self.unread_memberships().filter(|_| !self.over);
        if let Some(step) = unread.clone().filter(|step| !self.unanswered.contains(step)) {
            return Act::Send { step, planned: None };
        }
        let refused: Vec<Step> = self.refused.iter().map(|refusal| refusal.step.clone()).collect();
        let verdict = plan(&Situation {
            case: &self.claim.case,
            lifecycle: &lifecycle,
            rulebook: context.rulebook,
            directory: context.directory,
            now: context.now,
            fresh: self.fresh,
            refused: &refused,
        });
        match verdict {
            Ok(Plan { steps, unfinished, .. })
                if self.over && steps.is_empty() && (unfinished.is_some() || self.unread) =>
            {
                if self.once_more() {
                    return self.plan(context);
                }
                Act::Release(self.not_ended(context))
            }
            Err(Obstacle { why, read_again, awaits }) => {
                Act::Release(self.quarantined(why, read_again, context).awaiting(awaits))
            }
            Ok(Plan { steps, unfinished: Some(why), awaits, .. }) if steps.is_empty() => {
                Act::Release(self.quarantined(why, true, context).awaiting(awaits))
            }
            Ok(Plan { steps, unsearched: true, .. }) if steps.is_empty() => Act::Release(Release::Search),
            Ok(Plan { steps, .. }) if steps.is_empty() && unread.is_some() => {
                let why = "the groups of the account could not be read".to_owned();
                Act::Release(Release::Retry { at: context.now + context.backoff.max(A_MOMENT), why })
            }
            Ok(Plan { steps, remarks, awaits_manager, .. }) if steps.is_empty() => {
                let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
                let decided = decided(&self.claim.case, context.rulebook, context.directory, context.now);
                let (was, decided) = (lifecycle.entitlement.as_str(), decided.map(|decided| decided.to_string()));
                Act::Release(Release::Done { was, decided, remark, awaits_manager })
            }
            Ok(mut plan) => {
                plan.steps.retain(|step| !self.unanswered.contains(step));
                self.restrained(plan, lifecycle.entitlement.as_str(), context)
            }
        }
    }

    /// Begins a plan, without what the safeguards do not let through.
    fn restrained(&mut self, plan: Plan, entitlement: &'static str, context: &Context) -> Act {
        let rules = context.rulebook;
        let former = rules.login.former.as_deref();
        let proposal = Proposal {
            plan: &plan,
            former,
            account: self.account(),
            directory: context.directory,
            administrator: self.administrator(context),
        };
        let found = restrain(&rules.safeguards, &self.claim.restraint, &proposal);
        let mut steps = found.sifted.steps;
        // Nothing is asked for the sake of what may not be done, but whether a leaver is still in the group that protects them,
        // and what Okta did not say the last time.
        if steps.iter().all(Step::is_inquiry) {
            let lifts = self.over && found.protected.is_some();
            let is_in_doubt = self.account().is_some_and(|account| context.directory.is_in_doubt(account));
            steps.retain(|step| match step {
                Step::ReadGroups { .. } => lifts || is_in_doubt,
                Step::ReadRoles { .. } => is_in_doubt,
                _ => false,
            });
        }
        (self.kinds, self.former) = (plan.kinds(), rules.login.former.clone());
        match steps.first() {
            Some(first) if self.over && self.done.contains(first) => {
                // Who cannot be suspended is deactivated.
                let suspended = matches!(first, Step::Suspend { .. }) && !self.kinds.exit;
                if let Some(account) = self.claim.case.account.as_mut().filter(|_| suspended) {
                    account.marks.not_suspended_in = Some(account.status);
                }
                // A list of memberships may lag a little (okta-api.md §3.2): the first one alone is no reason to tell anybody.
                let lags = matches!(first, Step::RemoveGroup { .. }) && self.claim.attempt == 0;
                self.refuse(Refusal::of_accepted(first, !lags));
                self.plan(context)
            }
            Some(first) if self.done.contains(first) => {
                let why = format!("Okta accepted {}; look at the person in Okta", not_shown(first));
                Act::Release(self.quarantined(why, false, context))
            }
            Some(first) => {
                let first = first.clone();
                self.steps = steps.iter().cloned().collect();
                let entitlement = Some(entitlement.to_owned());
                Act::Send { step: first, planned: Some(Planned { steps, entitlement, rules: plan.rules }) }
            }
            None => {
                let message = summary(&plan, former).into_values().flatten().collect::<Vec<_>>().join("; ");
                if let Some(why) = found.protected {
                    let why =
                        format!("{why}: nothing is written; Namely asks for: {message}. Do it by hand if it is meant");
                    return Act::Release(self.quarantined(why, false, context));
                }
                if !found.unevaluated.is_empty() {
                    // At once the first time: it is ordinary that a read shows more than was known.
                    let wait = if self.claim.attempt == 0 { Duration::ZERO } else { context.backoff };
                    return Act::Release(Release::Evaluate { at: context.now + wait });
                }
                if std::mem::take(&mut self.is_cleared) {
                    return Act::Release(Release::Evaluate { at: context.now }); // held for want of what is known now
                }
                let why = found.held.into_values().collect::<Vec<_>>().join("; ");
                let withheld = found.sifted.withheld.into_values().flatten().collect::<Vec<_>>();
                // What secures a leaver meanwhile waits for nobody: Okta's refusal of it is tried again.
                let is_refused =
                    |account: &Account| account.marks.not_suspended_in.is_some() || !self.refused.is_empty();
                let is_open = self.account().is_some_and(|account| account.is_awake() && is_refused(account));
                let again = (self.over && is_open).then(|| context.now + next_try(self.claim.attempt));
                Act::Release(Release::Held { why, withheld, again })
            }
        }
    }

    /// Lets go until somebody changes something; what does not show by itself is looked at now and then. Whose access is over
    /// is tried again soon and without end, whatever the reason.
    fn quarantined(&self, why: String, read_first: bool, context: &Context) -> Release {
        let again = match self.over {
            true => Some(context.now + next_try(self.claim.attempt)),
            false => read_first.then(|| context.now + AGAIN * self.patience()),
        };
        Release::Quarantined { why, again, read_first, awaits: Vec::new() }
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
        if let Some(account) = &mut self.claim.case.account {
            doubt(account, step, outcome.ending());
        }
        self.claim.case.pins.carries_out(step);
        if let (Step::ListGroups { .. } | Step::ReadGroups { .. }, Outcome::Applied, Answer::Groups { groups, next }) =
            (step, outcome, answer)
        {
            return self.after_page(step, groups, next.as_deref(), context);
        }
        // A person who is not there any more is looked for; a group that is not there is no answer.
        if matches!(step, Step::ReadGroupRoles { .. }) || (step.is_inquiry() && *outcome != Outcome::Missing) {
            return self.after_inquiry(step, outcome, answer, context);
        }
        if self.over {
            return self.conclude_end(step, outcome, answer, context);
        }
        let outcome = tolerate(step, outcome);
        if matches!(step, Step::ReadAccount { .. }) {
            return self.after_read(&outcome, answer, context);
        }
        if let Step::ReadHolder { id, login } = step
            && let (Outcome::Applied, Answer::User(_)) | (Outcome::Missing, _) = (&outcome, answer)
        {
            return self.after_holder((id, login), answer, context);
        }
        match outcome {
            Outcome::Replan { why } | Outcome::Refused { why, .. } if matches!(step, Step::FreeLogin { .. }) => {
                let Step::FreeLogin { id, login, .. } = step else { unreachable!("matched above") };
                let why = format!(
                    "the login {login} cannot be taken from the deactivated account {id} ({why}); allow edits of deactivated \
                     users in Okta (Directory > People > More actions), or delete that account"
                );
                self.end(self.quarantined(why, false, context))
            }
            Outcome::Applied | Outcome::AlreadySo => self.applied(step, answer, context),
            Outcome::Missing => self.missing(step, context),
            Outcome::Retry { after, why } => {
                let wait = after.max(if step.priority() == Priority::Revoke { after } else { context.backoff });
                self.end(Release::Retry { at: context.now + wait, why })
            }
            Outcome::Refused { why, who } => self.refused_for_now(step, &why, who, context),
            Outcome::Unknown { why } => {
                let wait = if self.claim.attempt == 0 { A_MOMENT } else { context.backoff.max(A_MOMENT) };
                self.end(Release::ReadFirst { at: context.now + wait, why })
            }
            Outcome::AnotherUser { why } => self.about_another_user(Some(step), why, context),
            Outcome::Replan { why } => self.replan(step, why, context),
        }
    }

    /// Whether the person is an administrator, as far as it is known.
    fn administrator(&self, context: &Context) -> Knowledge {
        let account = self.account();
        account.map_or(Knowledge::Nobody, |account| context.directory.administrator(account, context.now))
    }

    /// How much longer this person waits than the first time.
    fn patience(&self) -> u32 {
        1 << self.claim.attempt.clamp(0, 6)
    }

    fn applied(&mut self, step: &Step, answer: &Answer, context: &Context) -> Concluded {
        let mut holder = None;
        let account = match step {
            Step::CreateGroup { .. } => Learned::Nothing,
            Step::FreeLogin { id, renamed: name, .. } => {
                holder = Some(OfHolder::Renamed { id: id.clone(), login: name.clone() });
                if let Ok(chosen) = &mut self.claim.case.login {
                    chosen.deactivated_holder = None;
                }
                Learned::Nothing
            }
            _ => {
                self.claim.case.account = observe(self.account(), step, answer);
                self.held()
            }
        };
        if let Answer::Profile(_, full) = answer {
            self.full = Some(full.clone());
        } else {
            self.full = None;
        }
        self.steps.pop_front();
        if step.is_write() {
            self.done.push(step.clone());
        }
        // What was to be taken before access comes back is shown to be gone first.
        let exit = self.account().and_then(|account| account.marks.exit.as_ref());
        if matches!(self.steps.front(), Some(Step::Activate { .. })) && exit.is_some_and(|exit| !exit.taken.is_empty())
        {
            self.steps.clear();
        }
        if matches!(step, Step::Activate { .. }) && !self.steps.is_empty() {
            // Okta activates after its answer, and refuses everything else until then (okta-api.md §2.1).
            let why = "the activation is still running in Okta".into();
            let next = Next::Release(Release::ReadThen { at: context.now + A_MOMENT, why });
            return Concluded::new(account, next, None);
        }
        Concluded { holder, ..self.concluded(account, context) }
    }

    /// Goes on; if that is the end of the run, it is written with the outcome, in one commit.
    fn concluded(&mut self, account: Learned, context: &Context) -> Concluded {
        let act = self.go_on(context);
        // What was planned may have marked the account.
        let account = if account == Learned::Nothing { account } else { self.held() };
        match act {
            Act::Release(release) => Concluded::new(account, Next::Release(release), None),
            act => Concluded::new(account, Next::Continue, Some(act)),
        }
    }

    /// What is held of the account, as it is written with the outcome.
    fn held(&self) -> Learned {
        self.claim.case.account.clone().into()
    }

    fn end(&self, release: Release) -> Concluded {
        Concluded::new(Learned::Nothing, Next::Release(release), None)
    }

    /// 404: the person or the group is not there.
    fn missing(&mut self, step: &Step, context: &Context) -> Concluded {
        match step {
            Step::RemoveGroup { name, .. } => self.not_in_group(step, name, context),
            Step::UnassignApp { app, name, .. } => self.without_app(step, app, name, context),
            Step::NameInApp { app, .. } => self.not_in_app(app, context),
            Step::SetManager { .. } => Concluded {
                refresh_directory: true,
                ..self.end(Release::Retry {
                    at: context.now + context.backoff,
                    why: "Okta does not know the manager's account or the relation any more".into(),
                })
            },
            Step::AddGroup { name, .. } => Concluded {
                refresh_directory: true,
                ..self.replan(step, format!("Okta does not know the person or the group {name:?} any more"), context)
            },
            // A group of it is not there any more, or its user type.
            Step::CreateUser { .. } => Concluded {
                refresh_directory: true,
                ..self.end(Release::Retry {
                    at: context.now + context.backoff.max(A_MOMENT),
                    why: "Okta does not know a group or the user type of the new account any more".into(),
                })
            },
            _ => {
                self.absent += 1;
                self.replan(step, "Okta does not know the account any more, or not in this state".into(), context)
            }
        }
    }

    /// 404 to a removal: Okta answers so where the person or the group is not there, and not where they are merely not in it. So
    /// something is not as it is known; the list of the person's groups says what.
    fn not_in_group(&mut self, step: &Step, name: &str, context: &Context) -> Concluded {
        if self.tried.contains(&step.name()) {
            let why = format!("Okta says that the group {name:?} or the person is not there, and lists them in it");
            return self.end(Release::Retry { at: context.now + context.backoff, why });
        }
        self.tried.push(step.name());
        self.steps.clear();
        self.claim.case.account = observe(self.account(), step, &Answer::Done);
        if let Some(account) = &mut self.claim.case.account {
            account.marks.unsure.memberships = true;
        }
        self.concluded(self.held(), context)
    }

    /// 404 to an app that is taken away: there is no list of a person's apps to look at, so it is asked once more.
    fn without_app(&mut self, step: &Step, app: &str, name: &str, context: &Context) -> Concluded {
        let unsure = self.claim.case.account.as_mut().map(|account| &mut account.marks.unsure.apps);
        if !unsure.is_some_and(|apps| apps.insert(app.to_owned())) {
            return self.applied(step, &Answer::Done, context);
        }
        let why = format!("Okta says that the person does not have the app {name:?}; it is asked once more");
        let again = self.end(Release::Retry { at: context.now + context.backoff.max(A_MOMENT), why });
        Concluded { account: self.held(), ..again }
    }

    /// 404 to a name in an app: somebody has taken the app from the person, or the account is gone, which giving it again shows.
    fn not_in_app(&mut self, app: &str, context: &Context) -> Concluded {
        self.steps.clear();
        if let Some(account) = &mut self.claim.case.account {
            account.apps.remove(app);
            account.app_names.remove(app);
            account.marks.unsure.app_names.remove(app);
        }
        self.concluded(self.held(), context)
    }

    /// Okta's state is not what the plan took it for.
    fn replan(&mut self, step: &Step, why: String, context: &Context) -> Concluded {
        self.steps.clear();
        if let Step::CreateGroup { name } = step {
            if self.claim.attempt == 0 {
                let wait = Release::Retry { at: context.now + context.backoff.max(A_MOMENT), why };
                return Concluded { refresh_directory: true, ..self.end(wait) };
            }
            // Okta has a group of that name, in another case or not on its list: it is asked for by name.
            let why = format!(
                "{why}: Okta has a group whose name is the same as {name:?} to it, and its list does not show it; looked for"
            );
            let again = Some(context.now + AGAIN * self.patience());
            let awaits = vec![Awaited::Group(name.clone())];
            let wait = Release::Quarantined { why, again, read_first: false, awaits };
            return Concluded { refresh_directory: true, ..self.end(wait) };
        }
        if let Step::CreateUser { profile, .. } = step {
            self.claim.login = profile.get("login").and_then(|l| l.as_str()).map(str::to_owned);
        }
        let mut account = Learned::Nothing;
        if let (Step::Suspend { status, .. }, Some(known)) = (step, &mut self.claim.case.account) {
            known.marks.not_suspended_in = Some(*status);
            account = Learned::Is(Box::new(known.clone()));
        }
        self.reads += 1;
        match self.read_step() {
            Some(read_first) if self.reads <= MAX_READS => Concluded::reading(account, read_first),
            _ => self.end(Release::ReadFirst { at: context.now + context.backoff, why }),
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

mod leaver;
mod reading;
mod refusal;
mod refused;
mod waits;

#[cfg(test)]
mod tests;
