//! `[safeguards]`, `[protected]` and `[alerts]`: how much the service may do by itself, whom it never touches, and when
//! somebody is told.

use super::reader::{At, Reader, Section, size};
use crate::domain::pattern::Pattern;
use crate::domain::plan::limits::{Approvers, Limit, Mode, Protected, Safeguards, Scope, Span, Voices, default_limits};
use crate::domain::{ChangeKind, login_key};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long everybody can say no to what the only approver has approved.
const APPROVAL_DELAY: Duration = Duration::from_secs(3600);

/// Reads all of them.
pub fn read(r: &mut Reader, root: &mut Section) -> Safeguards {
    let defaults = Safeguards::default();
    let mut s = root.section(r, "safeguards");
    let mode = s.choice(r, "mode", &[("auto", Mode::Auto), ("approve", Mode::Approve), ("observe", Mode::Observe)]);
    let four_eyes = s.flag(r, "four_eyes").unwrap_or(defaults.four_eyes);
    let remind = s.duration(r, "remind", defaults.remind);
    let administrators = size(s.number(r, "administrators", 0..=1000, i64::from(defaults.administrators)));
    let administrators = u32::try_from(administrators).unwrap_or(u32::MAX);
    let (people, delay) = (s.number(r, "approvers", 1..=2, 2), s.duration(r, "approval_delay", APPROVAL_DELAY));
    let approvers = if people == 1 { Approvers::One { delay } } else { Approvers::Two };
    let fresh_adoption = s.duration(r, "fresh_adoption", defaults.fresh_adoption);
    let end_access = size(s.number(r, "end_access", 0..=100_000, 10));
    let given: Vec<Option<Limit>> = s.sections(r, "limits").into_iter().map(|section| limit(r, section)).collect();
    let given: Vec<Limit> = given.into_iter().flatten().collect();
    s.finish(r);
    // Whoever writes limits for a kind has thought about it: the defaults of that kind do not hold beside them.
    let limits = default_limits()
        .into_iter()
        .filter(|default| given.iter().all(|limit| limit.change != default.change))
        .chain(given.iter().copied())
        .collect();
    let mut s = root.section(r, "protected");
    let (logins, groups) = (s.texts(r, "logins"), s.texts(r, "groups"));
    s.finish(r);
    let protected = Protected {
        logins: patterns(r, "protected.logins", logins, login_key),
        groups: patterns(r, "protected.groups", groups, str::to_owned),
    };
    let mut s = root.section(r, "alerts");
    let leaver_access = s.duration(r, "leaver_access", defaults.leaver_access);
    s.finish(r);
    Safeguards {
        mode,
        limits,
        four_eyes,
        remind,
        administrators,
        approvers,
        fresh_adoption,
        protected,
        end_access,
        leaver_access,
        hears_holds: BTreeSet::new(),
        sign_in: None,
        voices: Voices::default(),
    }
}

fn limit(r: &mut Reader, mut s: Section) -> Option<Limit> {
    let change = s.required_text(r, "change", "deactivate").and_then(|at| {
        let change = ChangeKind::parse(&at.value);
        if change.is_none() {
            let words: Vec<&str> = ChangeKind::ALL.iter().map(|change| change.as_str()).collect();
            r.problem(at.span, format!("{}.change: {:?} is not one of {}", s.path, at.value, words.join(", ")));
        }
        change
    });
    let limit = Limit {
        change: change.unwrap_or(ChangeKind::Deactivate),
        people: u32::try_from(size(s.number(r, "people", 0..=10_000_000, 0))).unwrap_or(u32::MAX),
        share: s.part(r, "share", 0.0..=1.0, 0.0),
        per: s.choice(r, "per", &[("hour", Span::Hour), ("day", Span::Day), ("run", Span::Run)]),
        scope: s.choice(r, "scope", &[("tenant", Scope::Tenant), ("department", Scope::Department)]),
    };
    s.finish(r);
    change.map(|_| limit)
}

fn patterns(
    r: &mut Reader,
    path: &str,
    texts: Option<At<Vec<String>>>,
    normal: impl Fn(&str) -> String,
) -> Vec<Pattern> {
    let Some(at) = texts else { return Vec::new() };
    let patterns: Vec<Pattern> = at.value.iter().map(|text| Pattern::new(&normal(text))).collect();
    if patterns.iter().any(|pattern| !pattern.is_specific()) {
        r.problem(
            at.span,
            format!("{path}: a pattern that fits everybody stops the service; use safeguards.mode = \"observe\""),
        );
    }
    patterns
}
