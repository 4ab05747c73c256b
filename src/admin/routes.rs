//! What can be asked of a running service: one table, from which requests are routed and the OpenAPI document (`openapi.rs`) is made.

pub use super::fields::{Field, Kind};

use super::asked::{
    AUDIT, DECIDED_TOO, DECISION, EDITED, EDITED_FOR_ONE, MISSING, NEW_PLAN, ORG, PEOPLE, PLAN, PLAN_APPROVAL,
    SAVED_PLAN, TESTED, UNDO_FROM, UNDO_ORG, UNDO_PERSON, UNDO_RUN, UNDO_TO,
};
use super::fields::{self, field};
use crate::config::Permission;

/// What a request asks for: the row of [`ROUTES`] says what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table has a sentence for each")]
pub enum Ask {
    Status,
    Attention,
    Leavers,
    Starters,
    Backlog,
    Person,
    People,
    Target,
    Audit,
    Holds,
    Hold,
    Approve,
    Reject,
    Reverse,
    Cancel,
    Missing,
    EndMissing,
    KeepMissing,
    Quarantine,
    Retry,
    Pauses,
    Pause,
    Resume,
    Adoption,
    Adoptions,
    Adopt,
    AcceptList,
    MakeGroup,
    LeaveGroup,
    Reviews,
    Review,
    Links,
    Link,
    Split,
    AcceptReview,
    RejectReview,
    Plans,
    MakePlan,
    Plan,
    PlannedPerson,
    PlanFile,
    ApproveKept,
    ApprovePlan,
    Mapping,
    MappingTest,
    TestMapping,
    DiffMapping,
    MappingDiffs,
    MappingDiff,
    UndoPreview,
    Undo,
    Release,
    EndAccess,
    EndedAccess,
    RestoreAccess,
    Fix,
    Reconcile,
    Reload,
    Poll,
    Nodes,
    DrainNode,
}

/// One thing that can be asked.
pub struct Route {
    /// What leads to the answer.
    pub ask: Ask,
    /// `GET` where nothing changes, else `POST`.
    pub method: &'static str,
    /// Below `/api/v1`; parts in braces stand for anything.
    pub path: &'static str,
    /// What somebody must be permitted who asks it.
    pub needs: Permission,
    /// For OpenAPI.
    pub about: &'static str,
    /// What can stand behind the question mark.
    pub query: &'static [Field],
    /// What is refused if it is not in the body as it should be.
    pub body: &'static [Field],
}

const fn read(ask: Ask, path: &'static str, about: &'static str) -> Route {
    Route { ask, method: "GET", path, needs: Permission::State, about, query: &[], body: &[] }
}

const fn choose(ask: Ask, path: &'static str, about: &'static str, query: &'static [Field]) -> Route {
    Route { ask, method: "GET", path, needs: Permission::State, about, query, body: &[] }
}

const fn act(ask: Ask, path: &'static str, needs: Permission, about: &'static str, body: &'static [Field]) -> Route {
    Route { ask, method: "POST", path, needs, about, query: &[], body }
}

/// What another permission than `State` is needed for.
const fn with(needs: Permission, route: Route) -> Route {
    Route { needs, ..route }
}

impl Route {
    /// Bytes that a body of it has at most.
    pub fn largest_body(&self) -> usize {
        fields::largest(self.body)
    }

    /// Its path with these in place of the parts in braces, in order.
    pub fn path_of(&self, parts: &[&str]) -> String {
        let mut parts = parts.iter();
        let segments = self.path.split('/').map(|segment| match segment.starts_with('{') {
            true => parts.next().copied().unwrap_or_default(),
            false => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// What leads to an answer.
pub fn route_of(ask: Ask) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.ask == ask)
}

/// Everything.
pub const ROUTES: &[Route] = &[
    read(Ask::Status, "/status", "Is it safe, is it keeping up, what waits for whom."),
    read(Ask::Nodes, "/nodes", "Which node serves the store, and which would."),
    act(
        Ask::DrainNode,
        "/nodes/{name}/drain",
        Permission::Operate,
        "Have a node hand over to another one that lives: before it is stopped or brought up to date.",
        &[],
    ),
    with(
        Permission::People,
        read(Ask::Attention, "/attention", "Everything that waits for a person, and what is remarkable."),
    ),
    with(
        Permission::People,
        read(Ask::Leavers, "/leavers", "Who has left and still has access, the most urgent first."),
    ),
    with(
        Permission::People,
        choose(
            Ask::Starters,
            "/starters",
            "Who starts soon, and what stands in their way.",
            &[
                field("days", Kind::Number, false, "so many days ahead; 14 without it"),
                field("org", Kind::Text, false, "only this org"),
                field(
                    "listed",
                    Kind::Flag,
                    false,
                    "of the list of people that is kept, which is at most a minute old: quick",
                ),
            ],
        ),
    ),
    read(Ask::Backlog, "/backlog", "Who waits to be worked on, in the order of service; at most 500."),
    with(
        Permission::Audit,
        choose(
            Ask::Person,
            "/people/{person}",
            "What happened to somebody: by profile, email, login or full name.",
            &[
                field("all", Kind::Flag, false, "from the beginning; the newest 200 audit rows without it"),
                field("org", Kind::Text, false, "only in this org"),
            ],
        ),
    ),
    with(
        Permission::People,
        choose(
            Ask::People,
            "/people",
            "Everybody, searched, sorted and page by page; what is listed was so at the time that the answer says.",
            PEOPLE,
        ),
    ),
    with(
        Permission::People,
        choose(
            Ask::Target,
            "/targets/{target}",
            "Somebody in one org: what Namely says, what each rule gives, what Okta has, what would change, and what happened.",
            &[field("all", Kind::Flag, false, "all that happened; the newest 200 audit rows without it")],
        ),
    ),
    with(
        Permission::Audit,
        choose(
            Ask::Audit,
            "/audit",
            "Rows of the audit, the newest first; `next` says before which row the search goes on.",
            AUDIT,
        ),
    ),
    choose(Ask::Holds, "/holds", "What waits for a decision.", DECIDED_TOO),
    read(Ask::Hold, "/holds/{id}", "Who is held, and what would be done to them."),
    read(Ask::Missing, "/missing", "Whom Namely does not show any more, since when, and what was decided."),
    read(Ask::Quarantine, "/quarantine", "Who is quarantined, why, and what to do."),
    read(Ask::Pauses, "/pauses", "What somebody has paused."),
    act(
        Ask::Retry,
        "/quarantine/retry",
        Permission::Operate,
        "Try somebody once more who is quarantined.",
        &[field("person", Kind::Text, false, "profile, email, login or full name; everybody without it")],
    ),
    act(
        Ask::Pause,
        "/pause",
        Permission::Operate,
        "Stop writes: all, those to one org, those of one kind.",
        &[
            field("why", Kind::Text, true, "for the audit, and for whoever wonders"),
            field("org", Kind::Text, false, "only this org"),
            field("change", Kind::Text, false, "only this kind of change"),
        ],
    ),
    act(
        Ask::Resume,
        "/resume",
        Permission::Operate,
        "Let writes go on.",
        &[field("id", Kind::Number, false, "number of the pause; all without it")],
    ),
    read(Ask::Adoption, "/orgs/{org}/adoption", "What first contact with an org would do."),
    read(Ask::Adoptions, "/adoption", "What first contact would do, for every org."),
    choose(Ask::Reviews, "/reviews", "Matches that wait for a decision.", DECIDED_TOO),
    read(Ask::Review, "/reviews/{id}", "A match, with the plans of both people before and after it, and its code."),
    choose(
        Ask::Links,
        "/links",
        "Which account is whose, by which rule and evidence.",
        &[
            field("org", Kind::Text, false, "only in this org"),
            field("person", Kind::Text, false, "only this one: profile, email, login or full name"),
        ],
    ),
    read(Ask::Link, "/links/{profile}", "A profile's link in each org, what a split would do, and its code."),
    act(
        Ask::EndAccess,
        "/access/end",
        Permission::Decide,
        "End somebody's access now, before HR has said so; a token with end_access may, whatever its role.",
        &[
            field("people", Kind::Texts, false, "whose: profile, email, login or full name of each"),
            field("accounts", Kind::Texts, false, "accounts that are nobody's in Namely, by login"),
            field("why", Kind::Text, true, "for the audit, and for whoever wonders"),
            field("org", Kind::Text, false, "only in this org"),
            field("at", Kind::Text, false, "from then on, as 2026-05-04T06:00:00Z; at once without it"),
            field("suspend", Kind::Flag, false, "only suspend: memberships and apps stay"),
        ],
    ),
    act(
        Ask::RestoreAccess,
        "/access/restore",
        Permission::Decide,
        "Take back the end of access: who has asked for it within 10 minutes, later somebody else.",
        &[
            field("person", Kind::Text, true, "profile, email, login or full name"),
            field("why", Kind::Text, true, "for the audit"),
            field("org", Kind::Text, false, "only in this org"),
        ],
    ),
    read(Ask::EndedAccess, "/access/ended", "Whose access was ended before HR has done it."),
    act(
        Ask::Fix,
        "/fix",
        Permission::Operate,
        "Bring people to what Namely says, through the safeguards.",
        &[ORG, field("targets", Kind::Numbers, true, "whom")],
    ),
    act(
        Ask::Reconcile,
        "/reconcile",
        Permission::Operate,
        "Read an org again as a whole, and compare.",
        &[field("org", Kind::Text, false, "only this org; every one without it")],
    ),
    act(
        Ask::Reload,
        "/reload",
        Permission::Operate,
        "Read the configuration again and exchange it: whole, or not at all.",
        &[],
    ),
    act(
        Ask::Poll,
        "/poll",
        Permission::Operate,
        "Read one profile of a tenant at once, instead of waiting for the next pass.",
        &[
            field("tenant", Kind::Text, true, "the tenant, by its name in the configuration"),
            field("profile", Kind::Text, true, "the UUID of the profile"),
        ],
    ),
    read(
        Ask::Plans,
        "/plans",
        "Plans that were made to be looked at, the newest first: kept for a day, and not over a restart.",
    ),
    act(
        Ask::MakePlan,
        "/plans",
        Permission::State,
        "Make a plan of what has been read: nothing is asked and nothing is written. What is answered names it.",
        NEW_PLAN,
    ),
    choose(Ask::Plan, "/plans/{plan}", "A plan in numbers, its code, and its people page by page.", PLAN),
    read(
        Ask::PlannedPerson,
        "/plans/{plan}/people/{target}",
        "What a plan says of somebody, and whether it is so now.",
    ),
    read(Ask::PlanFile, "/plans/{plan}/file", "The plan as a file: what `plan -o` saves, and `apply` takes."),
    act(
        Ask::ApproveKept,
        "/plans/{plan}/approve",
        Permission::Decide,
        "Let go what a plan says of whom is meant, exactly as it was shown with this code.",
        PLAN_APPROVAL,
    ),
    act(
        Ask::ApprovePlan,
        "/plans/approve",
        Permission::Decide,
        "Let go what a saved plan says, word by word.",
        SAVED_PLAN,
    ),
    with(
        Permission::Configuration,
        read(
            Ask::Mapping,
            "/mapping",
            "The rules of the mapping as they are written, and how many people each concerns.",
        ),
    ),
    with(
        Permission::Configuration,
        choose(
            Ask::MappingTest,
            "/mapping/test",
            "What the mapping says of somebody: each attribute, group and app, and why.",
            TESTED,
        ),
    ),
    act(
        Ask::TestMapping,
        "/mapping/test",
        Permission::Configuration,
        "What an edited mapping would say of somebody, beside the one that is used; nothing is written.",
        EDITED_FOR_ONE,
    ),
    act(
        Ask::DiffMapping,
        "/mapping/diffs",
        Permission::Configuration,
        "Compare what an edited mapping would change for everybody; nothing is written. What is answered names it.",
        EDITED,
    ),
    with(
        Permission::Configuration,
        read(Ask::MappingDiffs, "/mapping/diffs", "Comparisons that are kept, the newest first."),
    ),
    with(
        Permission::Configuration,
        read(Ask::MappingDiff, "/mapping/diffs/{diff}", "What an edited mapping would change, counted and grouped."),
    ),
    choose(
        Ask::UndoPreview,
        "/undo",
        "What an undo would restore and what cannot come back, with the code that names exactly this.",
        &[
            UNDO_ORG,
            UNDO_RUN,
            UNDO_PERSON,
            UNDO_FROM,
            UNDO_TO,
            field("rows", Kind::Text, false, "what these rows of the audit have done: 4711,4712"),
        ],
    ),
    act(
        Ask::Undo,
        "/undo",
        Permission::Decide,
        "Restore what was before, through the safeguards: exactly what was shown with this code.",
        &[
            field("code", Kind::Text, true, "the code of what was shown"),
            UNDO_ORG,
            UNDO_RUN,
            UNDO_PERSON,
            UNDO_FROM,
            UNDO_TO,
            field("rows", Kind::Numbers, false, "what these rows of the audit have done"),
        ],
    ),
    act(
        Ask::Release,
        "/undo/release",
        Permission::Decide,
        "Let go of what an undo has restored.",
        &[
            field("org", Kind::Text, false, "only in this org; needed with targets"),
            field("targets", Kind::Numbers, false, "of whom, by target"),
            field("person", Kind::Text, false, "of whom: profile, email, login or full name"),
        ],
    ),
    act(
        Ask::Adopt,
        "/orgs/{org}/adopt",
        Permission::Decide,
        "Accept the report of first contact: writing begins.",
        &[field("code", Kind::Text, true, "the code of the report that was shown: another one is refused")],
    ),
    act(
        Ask::AcceptReview,
        "/reviews/{id}/accept",
        Permission::Decide,
        "The two are one person.",
        &[
            field("code", Kind::Text, true, "the code of what was shown: the decision is bound to it"),
            field("same_person", Kind::Flag, false, "that two active profiles of one tenant are one person"),
            field("why", Kind::Text, false, "why they are, for the audit"),
        ],
    ),
    act(
        Ask::Split,
        "/links/split",
        Permission::Decide,
        "A profile is somebody else than the account or the person it is linked to.",
        &[
            ORG,
            field("profile", Kind::Text, true, "the UUID of the profile"),
            field("code", Kind::Text, true, "the code of what was shown: the decision is bound to it"),
            field("why", Kind::Text, false, "for the audit"),
        ],
    ),
    act(
        Ask::AcceptList,
        "/orgs/{org}/accept-list",
        Permission::Decide,
        "Accounts that Okta's lists lack were deleted: each is asked for, and forgotten if it is gone.",
        &[],
    ),
    act(
        Ask::MakeGroup,
        "/orgs/{org}/make-group",
        Permission::Decide,
        "A group of the mapping that somebody else has deleted in Okta is made and filled again.",
        &[field("group", Kind::Text, true, "its name")],
    ),
    act(
        Ask::LeaveGroup,
        "/orgs/{org}/leave-group",
        Permission::Decide,
        "A group of the mapping that somebody else has deleted in Okta is done without.",
        &[field("group", Kind::Text, true, "its name")],
    ),
    act(
        Ask::RejectReview,
        "/reviews/{id}/reject",
        Permission::Decide,
        "The two are different people.",
        &[field("code", Kind::Text, true, "the code of what was shown: the decision is bound to it")],
    ),
    act(
        Ask::EndMissing,
        "/missing/end",
        Permission::Decide,
        "Somebody whom Namely does not show any more has left: access ends, through the safeguards.",
        MISSING,
    ),
    act(
        Ask::KeepMissing,
        "/missing/keep",
        Permission::Decide,
        "Somebody whom Namely does not show any more stays as they are.",
        MISSING,
    ),
    act(Ask::Approve, "/holds/{id}/approve", Permission::Decide, "Let go exactly what was shown.", DECISION),
    act(Ask::Reject, "/holds/{id}/reject", Permission::Decide, "Keep it from being done.", DECISION),
    act(
        Ask::Reverse,
        "/holds/{id}/reverse",
        Permission::Decide,
        "Take back what was rejected: it is evaluated as if it were asked for the first time.",
        DECISION,
    ),
    act(
        Ask::Cancel,
        "/holds/{id}/cancel",
        Permission::Veto,
        "Stop what the only approver has approved, before its delay is over.",
        &[],
    ),
];

/// Why no route fits.
#[derive(Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing is at this path.
    NotHere,
    /// Something is here, for these methods.
    OtherMethods(Vec<&'static str>),
}

/// The route of a request below `/api/v1`, with what stands for the parts in braces.
pub fn find<'p>(method: &str, path: &'p str) -> Result<(&'static Route, Vec<&'p str>), Lost> {
    let mut methods = Vec::new();
    for route in ROUTES {
        if let Some(parts) = fits(route.path, path) {
            if route.method == method {
                return Ok((route, parts));
            }
            methods.push(route.method);
        }
    }
    Err(if methods.is_empty() { Lost::NotHere } else { Lost::OtherMethods(methods) })
}

fn fits<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (wanted, given) in wanted.iter().zip(given) {
        match wanted.starts_with('{') {
            true if given.is_empty() => return None,
            true => parts.push(given),
            false if *wanted != given => return None,
            false => {}
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_find_their_route_and_its_parts_or_are_told_why_not() {
        let (route, parts) = find("POST", "/holds/7/approve").expect("a route");
        assert_eq!((route.ask, parts), (Ask::Approve, vec!["7"]));
        assert_eq!(find("DELETE", "/holds/7").err(), Some(Lost::OtherMethods(vec!["GET"])));
        for nowhere in ["", "/", "/hold", "/holds/", "/holds/7/approve/now", "/people//"] {
            assert_eq!(find("GET", nowhere).err(), Some(Lost::NotHere), "{nowhere}");
        }
    }
}
