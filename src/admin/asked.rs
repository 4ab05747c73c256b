//! Fields of what can be asked: what may stand behind the question mark, and in a body.

use super::fields::{Field, Kind, field};

/// A decision about a hold.
pub const DECISION: &[Field] = &[
    field("code", Kind::Text, true, "the code of what was shown: the decision is bound to it"),
    field(
        "targets",
        Kind::Numbers,
        false,
        "only these people of the hold, by the target that it shows; all without it",
    ),
    field("people", Kind::Texts, false, "the same by profile, email, login or full name"),
    field("departments", Kind::Texts, false, "only people of these departments, as the hold shows them"),
    field("except", Kind::Texts, false, "without these: profile, email, login or full name"),
];

/// A decision about somebody whom Namely does not show any more.
pub const MISSING: &[Field] = &[
    field("person", Kind::Text, true, "profile, email, login or full name"),
    field("why", Kind::Text, true, "for the audit"),
];

/// Lists of what waits.
pub const DECIDED_TOO: &[Field] = &[field("all", Kind::Flag, false, "also what was decided")];

/// An org that must be named.
pub const ORG: Field = field("org", Kind::Text, true, "in this org");

/// What is taken back.
pub const UNDO_ORG: Field = field("org", Kind::Text, false, "only in this org");
/// What is taken back.
pub const UNDO_RUN: Field = field("run", Kind::Number, false, "what was done in this run of the service");
/// What is taken back.
pub const UNDO_PERSON: Field =
    field("person", Kind::Text, false, "what was done to them: profile, email, login or full name");
/// What is taken back.
pub const UNDO_FROM: Field = field("from", Kind::Text, false, "what was done from then on, as 2026-05-04T06:00:00Z");
/// What is taken back.
pub const UNDO_TO: Field = field("to", Kind::Text, false, "what was done until then");

/// Searches among people.
pub const PEOPLE: &[Field] = &[
    field("text", Kind::Text, false, "words of a name, email, login, department, title or id, in any alphabet"),
    field("org", Kind::Text, false, "only in this org"),
    field("state", Kind::Text, false, "only who is quarantined, held, undecided, under way or done"),
    field("profile", Kind::Text, false, "only the person of this profile"),
    field("leavers", Kind::Flag, false, "only whose access is over, or who has a last day"),
    field("sort", Kind::Text, false, "by this field of a person; from the end with - in front of it"),
    field("page", Kind::Number, false, "this page, from 1 on"),
    field("size", Kind::Number, false, "people of a page; 50 without it"),
];

/// Searches in the audit.
pub const AUDIT: &[Field] = &[
    field("text", Kind::Text, false, "rows that say this somewhere: a name, an actor, an id of a request"),
    field("person", Kind::Text, false, "about them: profile, email, login or full name"),
    field("kind", Kind::Text, false, "of this kind"),
    field("routine", Kind::Flag, false, "also what happens with every change; without it only what people ask about"),
    field("from", Kind::Text, false, "written then or later, as 2026-05-04T06:00:00Z"),
    field("to", Kind::Text, false, "written before then"),
    field("before", Kind::Number, false, "older than this row"),
    field("size", Kind::Number, false, "so many rows, 100 without it, 10,000 at most"),
];

/// A plan that somebody has saved.
pub const SAVED_PLAN: &[Field] = &[
    field("plan", Kind::Text, true, "the checksum of the plan, for the audit"),
    field("rules", Kind::Text, true, "the rules that it was made by, as it names them"),
    field("store", Kind::Text, false, "the store that it was made of, as it names it"),
    field("expires", Kind::Text, false, "when the approval ends, if earlier than by itself"),
    PLAN_STRICT,
    PLAN_CHANGES,
    field(
        "people",
        Kind::People,
        true,
        "of each: target, basis, and changes: the words of each kind, as the plan shows them; the service plans \
                 each again and refuses whose plan is another one",
    ),
];

const PLAN_STRICT: Field = field("strict", Kind::Flag, false, "nothing at all, if anything of it is refused");
const PLAN_CHANGES: Field = field(
    "changes",
    Kind::Texts,
    false,
    "of each person only these kinds of change; all that the plan says without it",
);
const PLAN_TEXT: Field = field("text", Kind::Text, false, "only people whose name, login or department has this part");
const PLAN_DEPARTMENT: Field = field("department", Kind::Text, false, "only people of this department");
const PLAN_CHANGE: Field = field("change", Kind::Text, false, "only people with this kind of change");
const PLAN_RULE: Field =
    field("rule", Kind::Text, false, "only people to whom this rule gives something, or from whom it takes it");
const PLAN_WHAT: Field =
    field("what", Kind::Text, false, "only people to whom this is done, in the words of the summary");
const PLAN_TAKES: Field = field("takes", Kind::Flag, false, "only people from whom something is taken");
const PLAN_BLOCKED: Field = field("blocked", Kind::Flag, false, "only people for whom nothing can be done");

/// What a plan looks at.
pub const NEW_PLAN: &[Field] = &[
    field("org", Kind::Text, false, "only in this org"),
    field("everybody", Kind::Flag, false, "everybody, and not only people of whom something has changed"),
    field("since", Kind::Text, false, "only people of whom something has changed since then, as 2026-05-04T06:00:00Z"),
];

/// Which people of a plan are shown.
pub const PLAN: &[Field] = &[
    field("targets", Kind::Text, false, "only these people, by target: 4711,4712"),
    PLAN_TEXT,
    PLAN_DEPARTMENT,
    PLAN_CHANGE,
    PLAN_RULE,
    PLAN_WHAT,
    PLAN_TAKES,
    PLAN_BLOCKED,
    field("sort", Kind::Text, false, "by name, login, department or calls; from the end with - in front of it"),
    field("page", Kind::Number, false, "this page, from 1 on"),
    field("size", Kind::Number, false, "people of a page; 50 without it"),
];

/// Which people of a plan are approved; everybody of whom anything can be done, if nobody is named.
pub const PLAN_APPROVAL: &[Field] = &[
    field("code", Kind::Text, true, "the code of what was shown: another one is refused"),
    field("targets", Kind::Numbers, false, "only these people, by the target that the plan shows"),
    PLAN_TEXT,
    PLAN_DEPARTMENT,
    PLAN_CHANGE,
    PLAN_RULE,
    PLAN_WHAT,
    PLAN_TAKES,
    PLAN_BLOCKED,
    PLAN_CHANGES,
    field("people", Kind::Number, false, "how many they are, as it was shown: refused if it means more or fewer"),
    PLAN_STRICT,
];

const MAPPING: Field = field(
    "mapping",
    Kind::Document,
    true,
    "the edited tables of [mapping], or a whole configuration, of which nothing else is read",
);
const TESTED_PERSON: Field = field("person", Kind::Text, true, "profile, email, login or full name");
const TESTED_ORG: Field = field("org", Kind::Text, false, "only in this org");

/// Whom a mapping is tested with.
pub const TESTED: &[Field] = &[TESTED_PERSON, TESTED_ORG];

/// The same with an edited one.
pub const EDITED_FOR_ONE: &[Field] = &[TESTED_PERSON, TESTED_ORG, MAPPING];

/// An edited mapping.
pub const EDITED: &[Field] = &[MAPPING, TESTED_ORG];
