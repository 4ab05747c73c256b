//! Why somebody is worked on.

/// What made somebody dirty last. One word for each in traces and in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Namely shows another profile than before.
    Profile,
    /// The profile or the account of the manager has changed.
    Manager,
    /// A date has come: a start, a last day, the end of a grace period.
    Date,
    /// The configuration decides otherwise now.
    Rules,
    /// Somebody has decided about this match.
    Review(i64),
    /// The org was read, with an account that may be theirs.
    OrgRead,
    /// Everybody of the tenant was seen: who could not be told apart may be now.
    TenantRead,
    /// Somebody else has changed the account.
    Drift,
    /// Somebody takes back what was done.
    Undo,
    /// Somebody has asked for it.
    Request,
    /// A call for them was never answered, and may have landed since.
    Unanswered,
}

impl Cause {
    /// One word, from a closed set.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Profile => "profile",
            Cause::Manager => "manager",
            Cause::Date => "date",
            Cause::Rules => "rules",
            Cause::Review(_) => "review",
            Cause::OrgRead => "org_read",
            Cause::TenantRead => "tenant_read",
            Cause::Drift => "drift",
            Cause::Undo => "undo",
            Cause::Request => "request",
            Cause::Unanswered => "unanswered",
        }
    }

    /// For people, where it is not what Namely says that has changed.
    pub fn because(self) -> Option<String> {
        Some(match self {
            Cause::Profile => return None,
            Cause::Manager => "the manager's profile or account has changed".into(),
            Cause::Date => "a date passed".into(),
            Cause::Rules => "the rules changed".into(),
            Cause::Review(id) => format!("review {id} was decided"),
            Cause::OrgRead => "the org was read".into(),
            Cause::TenantRead => "everybody was seen".into(),
            Cause::Drift => "somebody else has changed the account".into(),
            Cause::Undo => "somebody takes back what was done".into(),
            Cause::Request => "somebody has asked for it".into(),
            Cause::Unanswered => "a call was never answered and may have landed since".into(),
        })
    }
}
