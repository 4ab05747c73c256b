//! What is not as it should be, the worst first: said once, for `status` and for the console.

use super::state::State;
use crate::store::LeaverWithAccess;
use std::time::Duration;

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
    /// Whether nobody has anything to do.
    pub fn is_well(&self) -> bool {
        self.ready
            && !self.leavers_with_access.iter().any(|leaver| leaver.why.pages())
            && self.holds.is_empty()
            && self.pauses.is_empty()
            && self.audit.broken != Some(true)
    }

    /// What is not as it should be, the worst first.
    pub fn concerns(&self) -> Vec<Concern> {
        let bad = |message: String| Concern { weight: Weight::Bad, message };
        let warn = |message: String| Concern { weight: Weight::Warn, message };
        let open: Vec<_> = self.leavers_with_access.iter().filter(|leaver| leaver.why.pages()).collect();
        let mut all: Vec<Concern> = with_access(&open, "still access", &self.at).map(bad).into_iter().collect();
        if self.audit.broken == Some(true) {
            all.push(bad("the audit is not as it was written; see `audit verify`".to_owned()));
        }
        match &self.missing {
            None => all.push(bad("no service answers; this is what is in the store".to_owned())),
            Some(missing) if missing.is_empty() => {}
            Some(missing) => {
                let message: Vec<String> = missing.iter().map(|(what, why)| format!("\n  {what}: {why}")).collect();
                all.push(warn(format!("running, but not ready (`check` asks both sides):{}", message.concat())));
            }
        }
        all.extend(self.pauses.iter().map(|pause| bad(format!("{}; see `pause --list`", pause.message()))));
        for hold in &self.holds {
            let (id, change, people, why) = (hold.id, &hold.change, hold.people, &hold.why);
            all.push(warn(format!("hold {id}: {change} of {people} people, {why}; see `holds show {id}`")));
        }
        for (name, org) in self.orgs.iter().filter(|(_, org)| org.quarantined > 0) {
            let message = match org.quarantined {
                1 => format!("1 person of {name} waits"),
                people => format!("{people} people of {name} wait"),
            };
            all.push(warn(format!("{message} for somebody to change something; see `quarantine list`")));
        }
        all
    }
}

/// How many people have left and have access, the longest of them, why, and what to do.
pub fn with_access(leavers: &[&LeaverWithAccess], what: &str, at: &str) -> Option<String> {
    let oldest = leavers.iter().min_by_key(|leaver| leaver.since)?;
    let now = at.parse::<jiff::Timestamp>().map_or(oldest.since, |now| now.as_millisecond());
    let since = span(Duration::from_millis(u64::try_from(now - oldest.since).unwrap_or(0)));
    let who = match leavers.len() {
        1 => "1 person who has left has".to_owned(),
        n => format!("{n} people who have left have"),
    };
    let (name, why, message, command) = (&oldest.name, oldest.why, &oldest.message, &oldest.command);
    Some(format!("{who} {what}, since {since} ago {name} in {}, {why}: {message}; see `{command}`", oldest.org))
}

/// A time, in one unit.
pub fn span(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{:.1} min", duration.as_secs_f64() / 60.0),
        _ => format!("{:.1} h", duration.as_secs_f64() / 3600.0),
    }
}
