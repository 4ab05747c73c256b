//! `status`: is it safe, is it keeping up, when will it be done, who is waiting; once, or as it changes.

use super::backend::Asking;
use super::table::{colours, fitted};
use crate::admin::concerns::{Weight, count, ends, short, with_access};
use crate::admin::routes::Ask;
use crate::admin::state::{Budget, ENDS_SOON, OrgState, Overall, State, TenantState};
use crate::clock::Moment;
use crate::domain::plan::limits::Mode;
use crate::domain::text::visible;
use anyhow::Context;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// From here on it is said how much of a safeguard is used.
const REMARKABLE: f64 = 0.5;
/// Credentials that end within this are named.
const NAMED: f64 = 30.0 * 86_400.0;
/// What is said before all else of a service that writes nothing.
const OBSERVES: &str = "only observing: nothing is written to Okta (mode \"observe\", or --dry-run)";
/// Nothing can be said.
const CANNOT_SAY: u8 = 2;

/// Flags of `status`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Look again and again until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows it. The exit code is 0 if all is well, 1 if somebody must decide or mend something now, 2 if nobody can say.
pub async fn status(options: &Options) -> anyhow::Result<ExitCode> {
    if !options.watch {
        let state = read(&options.asking).await?;
        match options.asking.json {
            true => println!("{}", serde_json::to_string_pretty(&state)?),
            false => println!("{}", fitted(&text(&state))),
        }
        return Ok(match state.overall() {
            Overall::Ok => ExitCode::SUCCESS,
            Overall::Attention => ExitCode::FAILURE,
            Overall::CannotSay => ExitCode::from(CANNOT_SAY),
        });
    }
    loop {
        // A service that is about to be started again is waited for.
        let text = read(&options.asking).await.map_or_else(|e| format!("{e:#}"), |state| fitted(&text(&state)));
        if std::io::stdout().is_terminal() {
            print!("\x1b[H\x1b[2J");
        }
        println!("{text}");
        std::io::stdout().flush()?;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(options.every)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn read(asking: &Asking) -> anyhow::Result<State> {
    let message = asking.at.to_read()?.read(Ask::Status, &[], json!({})).await?;
    serde_json::from_value(message).context("the service says it otherwise than this version knows: is it the same?")
}

fn text(state: &State) -> String {
    let paint = |code: &str, text: &str| {
        if colours() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let decided: Vec<_> = state.leavers_with_access.iter().filter(|leaver| !leaver.why.pages()).collect();
    let concerns = state.concerns();
    let rejected: i64 = state.orgs.values().map(|org| org.rejected).sum();
    let code = |weight| if weight == Weight::Bad { "31;1" } else { "33;1" };
    let mut lines: Vec<String> = concerns.iter().map(|concern| paint(code(concern.weight), &concern.message)).collect();
    if state.mode == Mode::Observe.as_str() {
        // Right after the worst, or first: whatever else is said, nothing is done about it.
        lines.insert(lines.len().min(1), paint("33;1", OBSERVES));
    }
    match &state.missing {
        // What somebody has decided is no fault, but it is not what Namely says either.
        Some(missing) if missing.is_empty() && !decided.is_empty() && concerns.is_empty() => {
            lines.extend(with_access(&decided, "access", &state.at).map(|line| paint("33;1", &line)));
        }
        Some(missing) if concerns.is_empty() && missing.is_empty() && rejected > 0 => {
            let who = if rejected == 1 { "1 person is" } else { &format!("{rejected} people are") };
            let why = "because somebody has rejected a change; see `holds list --all`";
            lines.push(paint("33;1", &format!("running; {who} not as Namely says, {why}")));
        }
        Some(missing) if concerns.is_empty() && missing.is_empty() => {
            lines.push(paint("32;1", "running, and nothing is missing"));
        }
        Some(missing) if missing.is_empty() => lines.push("running".to_owned()),
        _ => {}
    }
    if state.mode == Mode::Approve.as_str() {
        lines.push("everything waits for an approval (mode \"approve\")".to_owned());
    }
    if !concerns.is_empty() || state.missing.as_ref().is_none_or(|missing| !missing.is_empty()) {
        lines.extend(with_access(&decided, "access", &state.at).map(|line| paint("33", &line)));
    }
    lines.extend(state.nodes.iter().map(super::nodes::line));
    for (name, org) in &state.orgs {
        lines.push(format!("Okta {name}: {}", org_line(org)));
        lines.extend(budget_line(&org.budget));
    }
    lines.extend(state.tenants.iter().map(|(name, tenant)| format!("Namely {name}: {}", tenant_line(tenant))));
    lines.extend(state.approvers.lacking.iter().map(|message| paint("33", message)));
    for limit in state.safeguards.iter().filter(|limit| limit.used >= REMARKABLE) {
        lines.push(limit.message());
    }
    let soon = |seconds: f64| (ENDS_SOON..NAMED).contains(&seconds);
    lines.extend(state.expiring.iter().filter(|one| soon(one.seconds)).map(|one| ends(&one.what, one.seconds)));
    for (sink, rows) in state.audit.undelivered.iter().filter(|(_, rows)| **rows > 0) {
        let wait = if *rows == 1 { "waits" } else { "wait" };
        lines.push(format!("{} {wait} for {sink}", count(*rows, "audit row", "audit rows")));
    }
    let (rows, open) = (state.audit.rows, state.audit.rows - state.audit.sealed);
    lines.push(format!("audit: {}, {open} not sealed yet", count(rows, "row", "rows")));
    lines.iter().map(|line| visible_line(line)).collect::<Vec<_>>().join("\n")
}

/// A line as it is shown; our own colours stay.
fn visible_line(line: &str) -> String {
    if colours() { line.split('\x1b').map(visible).collect::<Vec<_>>().join("\x1b") } else { visible(line) }
}

fn org_line(org: &OrgState) -> String {
    let mut parts = vec![match org.waiting {
        0 => "nobody waits".to_owned(),
        people => {
            let leavers = count(org.terminations_waiting, "leaver", "leavers");
            let wait = if people == 1 { "waits" } else { "wait" };
            format!("{people} {wait} ({leavers}), the longest {}", short(org.oldest_seconds))
        }
    }];
    match org.paused_since.map(Moment::from_millis) {
        Some(since) => parts.push(format!("paused since {since}: nothing is written before `resume`")),
        None => parts.extend(org.eta_seconds.filter(|_| org.waiting > 0).map(|eta| format!("done in {}", short(eta)))),
    }
    if org.held > 0 {
        parts.push(format!("{} held", org.held));
    }
    if org.rejected > 0 {
        parts.push(format!("{} as somebody has decided", org.rejected));
    }
    if org.quarantined > 0 {
        parts.push(format!("{} quarantined", org.quarantined));
    }
    parts.join("; ")
}

/// What is left of the present minute, of the counters of which the least is left.
fn budget_line(budget: &[Budget]) -> Option<String> {
    let mut shown: Vec<&Budget> = budget.iter().collect();
    shown.sort_by(|a, b| (a.left / a.limit).total_cmp(&(b.left / b.limit)));
    let shown: Vec<String> =
        shown.iter().take(3).map(|of| format!("{} {} of {}", of.bucket, of.left, of.limit)).collect();
    (!shown.is_empty()).then(|| format!("  left of this minute: {}", shown.join(", ")))
}

fn tenant_line(tenant: &TenantState) -> String {
    let profiles = tenant.profiles.map(|n| format!("{n:.0} profiles"));
    let read = tenant.read_seconds.map(|seconds| format!("read {} ago", short(seconds)));
    let walked = match tenant.walked_seconds {
        Some(seconds) => format!("as a whole {} ago", short(seconds)),
        None => "not read as a whole yet".to_owned(),
    };
    let throttled = (tenant.throttled > 0.0)
        .then(|| format!("Namely asked for less {:.0} times since the start", tenant.throttled));
    profiles.into_iter().chain(read).chain([walked]).chain(throttled).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::state::{Approvers, AuditState, Expiring};
    use crate::domain::plan::leaver::WhyAccess;
    use crate::store::{LeaverWithAccess, Pause};
    use std::collections::BTreeMap;

    fn well() -> State {
        State {
            state: Overall::Ok,
            mode: "auto".into(),
            version: String::new(),
            at: "2026-11-26T04:00:00Z".into(),
            nodes: Vec::new(),
            running: true,
            ready: true,
            missing: Some(BTreeMap::new()),
            notices: BTreeMap::new(),
            alarms: Vec::new(),
            leavers_with_access: Vec::new(),
            unconfigured: Vec::new(),
            orgs: BTreeMap::new(),
            tenants: BTreeMap::new(),
            expiring: Vec::new(),
            unreadable: BTreeMap::new(),
            missing_people: BTreeMap::new(),
            holds: Vec::new(),
            pauses: Vec::new(),
            safeguards: Vec::new(),
            approvers: Approvers::default(),
            audit: AuditState { rows: 0, sealed: 0, broken: None, undelivered: BTreeMap::new() },
            unreached: Vec::new(),
        }
    }

    fn first(state: &State) -> String {
        state.concerns().into_iter().next().map(|concern| concern.message).unwrap_or_default()
    }

    fn minutes_ago(n: i64) -> i64 {
        let now: jiff::Timestamp = well().at.parse().expect("a time");
        now.as_millisecond() - n * 60_000
    }

    fn pause(change: Option<&str>) -> Pause {
        let (why, by) = ("night".to_owned(), "Ann".to_owned());
        Pause { id: 1, org: None, change: change.map(str::to_owned), why, by, at: minutes_ago(12) }
    }

    fn leaver(n: i64) -> LeaverWithAccess {
        LeaverWithAccess {
            target: n,
            org: "main".into(),
            tenant: "acme".into(),
            profile: format!("p{n}"),
            name: format!("Leaver {n}"),
            login: None,
            why: WhyAccess::Held,
            since: minutes_ago(n),
            message: "hold 1 waits for a decision".into(),
            command: "holds show 1".into(),
        }
    }

    #[test]
    fn nothing_is_missing_only_where_nobody_has_anything_to_do() {
        assert!(well().concerns().is_empty() && well().overall() == Overall::Ok);
        let paused = State { pauses: vec![pause(Some("deactivate"))], ..well() };
        let wanted =
            "every deactivate in every org is paused by Ann: night, since 12.0 min ago; let it go on with `resume 1`";
        assert_eq!(first(&paused), wanted);
        assert!(paused.overall() == Overall::Attention && !text(&paused).contains("nothing is missing"));
        let missing = BTreeMap::from([("adopt main".to_owned(), "look at `adopt`".to_owned())]);
        let waits = State { ready: false, missing: Some(missing), ..paused };
        assert!(first(&waits).contains("not ready") && first(&waits).contains("`adopt`"), "{}", first(&waits));
        let broken = State { audit: AuditState { broken: Some(true), ..well().audit }, ..waits };
        assert!(first(&broken).contains("audit verify"), "the worst stands first");
        assert_eq!(State { audit: broken.audit, ..well() }.overall(), Overall::Attention);
    }

    #[test]
    fn status_begins_with_leavers_who_have_access_whatever_else_is_wrong() {
        let state = State {
            leavers_with_access: vec![leaver(2), leaver(14)],
            pauses: vec![pause(None)],
            audit: AuditState { broken: Some(true), ..well().audit },
            ..well()
        };
        let wanted = "2 people who have left have still access, since 14.0 min ago Leaver 14 in main, held: hold 1 waits for a \
                      decision; see `holds show 1`";
        assert_eq!(first(&state), wanted);
        assert!(text(&state).starts_with(wanted));
    }

    #[test]
    fn mode_reload_namely_and_credentials_are_told_and_decide_how_it_ends() {
        let dry = text(&State { mode: "observe".into(), ..well() });
        assert!(dry.starts_with("only observing: nothing is written to Okta"), "{dry}");
        let left = State { mode: "observe".into(), leavers_with_access: vec![leaver(2)], ..well() };
        let second = text(&left).lines().nth(1).unwrap_or_default().to_owned();
        assert!(second.starts_with("only observing"), "the worst, and why nothing is done about it: {second}");
        let refused = BTreeMap::from([("configuration".to_owned(), "the reload by SIGHUP was refused".to_owned())]);
        let state = State { notices: refused, ..well() };
        assert!(first(&state).contains("refused") && !text(&state).contains("nothing is missing"));
        let credential = |days: f64| vec![Expiring { what: "namely acme".into(), seconds: days * 86_400.0 }];
        let far = State { expiring: credential(20.0), ..well() };
        assert!(far.overall() == Overall::Ok && text(&far).contains("namely acme ends in 20 days"), "{}", text(&far));
        let near = State { expiring: credential(3.0), ..well() };
        assert!(near.overall() == Overall::Attention && first(&near).contains("ends in 3 days"), "{}", first(&near));
        let tenant = TenantState {
            read_seconds: Some(600.0),
            walked_seconds: Some(900.0),
            profiles: Some(12.0),
            throttled: 2.0,
        };
        let unread = State { tenants: BTreeMap::from([("acme".to_owned(), tenant)]), ..well() };
        assert!(first(&unread).contains("Namely acme was not read for 10.0 min"), "{}", first(&unread));
        assert!(text(&unread).contains("asked for less 2 times"), "{}", text(&unread));
    }

    #[test]
    fn it_cannot_be_said_how_things_are_where_nobody_answers_or_not_everything_was_read() {
        assert_eq!(State { missing: None, ..well() }.overall(), Overall::CannotSay);
        let missing = |what: &str| Some(BTreeMap::from([(what.to_owned(), "not primed yet".to_owned())]));
        assert_eq!(State { missing: missing("okta main"), ..well() }.overall(), Overall::CannotSay);
        assert_eq!(State { missing: missing("adopt main"), ..well() }.overall(), Overall::Attention);
        let held = State { missing: None, pauses: vec![pause(None)], ..well() };
        assert_eq!(held.overall(), Overall::Attention, "what must be decided is known all the same");
    }

    fn org() -> OrgState {
        OrgState {
            rejected: 0,
            waiting: 1,
            waiting_by_priority: BTreeMap::new(),
            terminations_waiting: 1,
            oldest_seconds: 30.0,
            eta_seconds: Some(90.0),
            paused_since: None,
            held: 3,
            quarantined: 0,
            quarantined_seconds: 0.0,
            budget: ["users", "groups", "apps", "other"]
                .map(|bucket| Budget { bucket: bucket.into(), left: 500.0, limit: 600.0 })
                .to_vec(),
        }
    }

    #[test]
    fn nothing_is_missing_is_not_said_while_a_rejection_keeps_somebody_from_being_as_namely_says() {
        let of = |rejected| OrgState { rejected, held: 0, waiting: 0, ..org() };
        let said = |rejected| text(&State { orgs: BTreeMap::from([("main".to_owned(), of(rejected))]), ..well() });
        assert!(said(0).starts_with("running, and nothing is missing"), "{}", said(0));
        let wanted =
            "running; 3 people are not as Namely says, because somebody has rejected a change; see `holds list --all`";
        assert!(said(3).starts_with(wanted), "{}", said(3));
        assert!(said(1).starts_with("running; 1 person is not as Namely says"), "{}", said(1));
    }

    #[test]
    fn no_end_is_promised_while_every_write_is_paused() {
        let org = OrgState { paused_since: Some(1_795_665_600_000), ..org() };
        let text = text(&State { orgs: BTreeMap::from([("main".to_owned(), org)]), ..well() });
        assert!(text.contains("paused since 2026-11-26T04:00:00.000Z") && !text.contains("done in"), "{text}");
    }

    #[test]
    fn no_line_of_a_calm_status_is_longer_than_a_terminal() {
        let state = State { orgs: BTreeMap::from([("main".to_owned(), org())]), ..well() };
        let text = text(&state);
        assert!(text.contains("1 waits (1 leaver), the longest 30.0 s; done in 1.5 min; 3 held"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
