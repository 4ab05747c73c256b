//! A change of everybody, and how far it has come.

use super::rig::Rig;
use namely_okta_sync::sandbox::okta::Okta;
use namely_okta_sync::sandbox::population::Status as Hired;

/// The value of a metric line that begins like this.
pub fn metric(rig: &Rig, line: &str) -> Option<f64> {
    let text = rig.service().metrics.text();
    text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok())
}

/// The telephone number that everybody gets.
pub const NUMBER: &str = "+1 555 777";

pub fn change_everybody(rig: &Rig) {
    for person in 0..rig.setup.people.len() {
        rig.edit(person, |p| p.direct_dial = NUMBER.into());
    }
}

pub fn changed(okta: &Okta) -> usize {
    okta.users().filter(|u| u.profile.get("primaryPhone").is_some_and(|t| t == NUMBER)).count()
}

/// Everybody who works here: the rest has no account to change.
pub fn active(rig: &Rig) -> usize {
    rig.setup.people.iter().filter(|p| p.status == Hired::Active).count()
}
