//! What is not as it should be, the worst first: said once, for `status` and for the console.

use super::state::{ENDS_SOON, State};
use crate::clock::Moment;
use crate::domain::guard::alarm::AlarmKind;
use crate::store::{LeaverWithAccess, Pause};

/// A tenant that was not read for longer is remarkable: it is looked at every few seconds.
const UNREAD: f64 = 120.0;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Somebody must act now.
    Bad,
    /// Somebody must decide or mend something.
    Warn,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern {
    pub weight: Weight,
    pub message: String,
}

impl State {
    /// What is not as it should be, the worst first.
    pub fn concerns(&self) -> Vec<Concern> {
        let state = self;
        let bad = |message: String| Concern { weight: Weight::Bad, message };
        let warn = |message: String| Concern { weight: Weight::Warn, message };
        let open: Vec<_> = state.leavers_with_access.iter().filter(|leaver| leaver.why.pages()).collect();
        let mut all: Vec<Concern> = with_access(&open, "still access", &state.at).map(bad).into_iter().collect();
        all.extend(state.unconfigured.iter().map(|one| bad(one.message())));
        if state.audit.broken == Some(true) {
            all.push(bad("the audit is not as it was written; see `audit verify`".to_owned()));
        }
        let now = at(&state.at);
        for alarm in state.alarms.iter().filter(|alarm| alarm.kind() != AlarmKind::Channel) {
            all.push(bad(alarm.message(now)));
        }
        match &state.missing {
            None => all.push(bad("no service answers; this is what is in the store".to_owned())),
            Some(missing) if missing.keys().all(|what| state.is_alarmed(what)) => {}
            Some(missing) => {
                let others = missing.iter().filter(|(what, _)| !state.is_alarmed(what));
                let message: Vec<String> = others.map(|(what, why)| format!("\n  {what}: {why}")).collect();
                all.push(warn(format!("running, but not ready (`check` asks both sides):{}", message.concat())));
            }
        }
        all.extend(state.pauses.iter().map(|pause| bad(paused(pause, &state.at))));
        for hold in &state.holds {
            let (id, since) = (hold.id, ago(hold.since, &state.at));
            all.push(warn(format!("hold {id}, since {since}: {}; see `holds show {id}`", hold.message)));
        }
        all.extend(state.notices.iter().map(|(what, why)| match why.contains("; `") {
            true => warn(format!("{what}: {why}")), // it says what to do
            false => warn(format!("{what}: {why}; see `check`")),
        }));
        let channels = state.alarms.iter().filter(|alarm| alarm.kind() == AlarmKind::Channel);
        all.extend(channels.map(|alarm| warn(alarm.message(now))));
        for one in state.expiring.iter().filter(|one| one.seconds < ENDS_SOON) {
            all.push(bad(ends(&one.what, one.seconds)));
        }
        for (name, org) in state.orgs.iter().filter(|(_, org)| org.quarantined > 0) {
            let message = match org.quarantined {
                1 => format!("1 person of {name} waits"),
                people => format!("{people} people of {name} wait"),
            };
            let since = short(org.quarantined_seconds);
            all.push(warn(format!("{message} for somebody to change something, for {since}; see `quarantine list`")));
        }
        for (name, tenant) in &state.tenants {
            if let Some(seconds) = tenant.read_seconds.filter(|seconds| *seconds > UNREAD) {
                let message = format!(
                    "Namely {name} was not read for {}: what HR has changed since is not known",
                    short(seconds)
                );
                all.push(warn(message));
            }
        }
        let unreadable = state.unreadable.iter().filter(|(_, profiles)| **profiles > 0);
        all.extend(unreadable.map(|(tenant, profiles)| {
            let profiles = if *profiles == 1 { "1 profile".to_owned() } else { format!("{profiles} profiles") };
            warn(format!("{profiles} of {tenant} cannot be read; see `attention`"))
        }));
        let missing = state.missing_people.iter().filter(|(_, people)| **people > 0);
        all.extend(missing.map(|(tenant, people)| {
            let people = if *people == 1 { "1 person".to_owned() } else { format!("{people} people") };
            warn(format!("Namely does not show {people} of {tenant} any more; see `missing list`"))
        }));
        all
    }

    /// Whether what is missing is told by an alarm.
    fn is_alarmed(&self, what: &str) -> bool {
        self.alarms.iter().any(|alarm| alarm.place == what)
    }
}

fn paused(pause: &Pause, at: &str) -> String {
    format!("{}, since {}; let it go on with `resume {}`", pause.message(), ago(pause.at, at), pause.id)
}

/// A credential that ends, or has ended.
pub fn ends(what: &str, seconds: f64) -> String {
    match seconds <= 0.0 {
        true => format!("the credential of {what} has ended {} ago: make a new one", short(-seconds)),
        false => format!("the credential of {what} ends in {}: make a new one", short(seconds)),
    }
}

/// How many people have left and have access, the longest of them, why, and what to do.
pub fn with_access(leavers: &[&LeaverWithAccess], what: &str, at: &str) -> Option<String> {
    let oldest = leavers.iter().min_by_key(|leaver| leaver.since)?;
    let since = ago(oldest.since, at);
    let who = match leavers.len() {
        1 => "1 person who has left has".to_owned(),
        n => format!("{n} people who have left have"),
    };
    let (name, org, reason, command) = (&oldest.name, &oldest.org, oldest.reason(), &oldest.command);
    Some(format!("{who} {what}, since {since} {name} in {org}, {reason}; see `{command}`"))
}

/// How long ago a moment was, in milliseconds, as seen at a time.
fn ago(since: i64, at: &str) -> String {
    let now = at.parse::<jiff::Timestamp>().map_or(since, |now| now.as_millisecond());
    let since = Moment::from_millis(now).since(Moment::from_millis(since));
    format!("{} ago", short(since.as_secs_f64()))
}

/// A moment that was written as text; the first there is where it is none.
fn at(text: &str) -> Moment {
    text.parse::<jiff::Timestamp>().map_or(Moment::from_millis(0), Moment::from)
}

/// So many of them.
pub fn count(n: i64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// A length of time that a person reads at a glance.
pub fn short(seconds: f64) -> String {
    match seconds.max(0.0) {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.1} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
