//! Reconciliation: where Okta is not what Namely says. The findings are the planner's own output, so that a fix is the same
//! plan carried out.

use super::page::{ReportError, page};
use crate::audit::details::agreement;
use crate::domain::ChangeKind;
use crate::domain::guard::preview::Preview;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Departments that are drawn; the rest is drawn together.
const DRAWN: usize = 12;

/// What kind of disagreement it is; the order is the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Can sign in to Okta, and is gone in Namely.
    Orphaned,
    /// Works here by Namely, and has no account.
    Missing,
    /// Suspended, staged or deactivated, and should not be; or the reverse.
    WrongStatus,
    WrongGroups,
    WrongAttributes,
    /// Okta holds what a person has decided, by an undo or an end of access, and not what Namely says.
    ByDecision,
    /// Nothing can be done until somebody changes something.
    Waiting,
    /// Has access, and complete walks of Namely do not show the profile any more.
    NotShown,
    /// Somebody else has changed it in Okta.
    Drift,
    /// An account of Okta that no profile of Namely is linked to; none of ours.
    Unmanaged,
}

impl Category {
    /// All of them.
    pub const ALL: [Category; 10] = [
        Category::Orphaned,
        Category::Missing,
        Category::WrongStatus,
        Category::WrongGroups,
        Category::WrongAttributes,
        Category::ByDecision,
        Category::Waiting,
        Category::NotShown,
        Category::Drift,
        Category::Unmanaged,
    ];

    /// The word in reports and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Category::Orphaned => "orphaned",
            Category::Missing => "missing",
            Category::WrongStatus => "wrong_status",
            Category::WrongGroups => "wrong_groups",
            Category::WrongAttributes => "wrong_attributes",
            Category::ByDecision => "by_decision",
            Category::Waiting => "waiting",
            Category::NotShown => "not_shown",
            Category::Drift => "drift",
            Category::Unmanaged => "unmanaged",
        }
    }

    /// Whether it says that the two sides disagree, and should not: what was decided, what waits, what has drifted and what is not
    /// ours does not.
    pub const fn is_mismatch(self) -> bool {
        !matches!(self, Category::ByDecision | Category::Waiting | Category::Drift | Category::Unmanaged)
    }
}

impl fmt::Display for Category {
    /// What people read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Category::Orphaned => "active in Okta, gone in Namely",
            Category::Missing => "in Namely, without an account",
            Category::WrongStatus => "wrong status",
            Category::WrongGroups => "wrong groups",
            Category::WrongAttributes => "wrong attributes",
            Category::ByDecision => "by decision, not as Namely says",
            Category::Waiting => "waits for somebody",
            Category::NotShown => "not shown by Namely any more",
            Category::Drift => "changed in Okta by somebody else",
            Category::Unmanaged => "in Okta only, not ours",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub category: Category,
    pub name: String,
    pub login: String,
    pub department: String,
    pub profile: String,
    pub what: String,
    /// Whose plan would mend it.
    pub target: Option<i64>,
}

/// An account that nobody of Namely is linked to.
#[derive(Clone, Debug)]
pub struct Unlinked {
    pub okta_id: String,
    pub login: String,
    pub name: String,
    /// The profile that it says it is of.
    pub anchor: Option<String>,
    /// Namely shows that profile, also if not all of it can be read.
    pub is_shown: bool,
}

/// What somebody else has changed, as the audit has it.
#[derive(Clone, Debug)]
pub struct Drift {
    pub at: String,
    pub login: String,
    pub what: String,
}

/// Something that is so about a person, beside what their plan would change.
#[derive(Clone, Debug)]
pub struct OfPerson {
    pub target: i64,
    pub name: String,
    pub login: String,
    pub department: String,
    pub profile: String,
    /// What is so, with the command that changes it.
    pub what: String,
}

impl OfPerson {
    fn row(self, category: Category) -> Row {
        let Self { name, login, department, profile, what, .. } = self;
        Row { category, name, login, department, profile, what, target: None }
    }
}

/// Everything that a report is made from.
pub struct Findings {
    pub org: String,
    /// When the report was made.
    pub at: String,
    /// When the org was read as a whole.
    pub read_at: String,
    /// People who were compared.
    pub people: usize,
    pub previews: Vec<Preview>,
    pub unlinked: Vec<Unlinked>,
    /// Of whom Okta holds what a person has decided.
    pub decided: Vec<OfPerson>,
    /// Whom complete walks do not show any more, and about whom nobody has decided.
    pub not_shown: Vec<OfPerson>,
    pub drift: Vec<Drift>,
}

/// The report of one org.
#[derive(Clone, Debug, Serialize)]
pub struct Reconciliation {
    /// The org, by its name in the configuration.
    pub org: String,
    /// When it was made, as RFC 3339.
    pub at: String,
    /// When the org was last read as a whole, as RFC 3339: what is reported is not newer than that.
    pub read_at: String,
    /// People who were compared.
    pub people: usize,
    /// Of these, who are as Namely says.
    pub in_agreement: usize,
    /// Of these, who are as a person has decided, by an undo, an end of access or a rejection, and not as Namely says.
    pub by_decision: usize,
    /// Rows of each category, also those without any.
    pub counts: BTreeMap<Category, usize>,
    /// Every disagreement, one for each person and category.
    pub rows: Vec<Row>,
}

impl Reconciliation {
    /// Sorts findings into categories.
    pub fn new(findings: Findings) -> Self {
        let mut rows: Vec<Row> = findings.previews.iter().flat_map(of_preview).collect();
        for account in findings.unlinked {
            let orphaned = account.anchor.is_some() && !account.is_shown;
            let what = match &account.anchor {
                Some(anchor) if account.is_shown => {
                    format!(
                        "the account {} carries the anchor of the profile {anchor} of Namely and is not theirs: see `attention`",
                        account.okta_id
                    )
                }
                Some(anchor) => {
                    format!("the account {} is of the profile {anchor}, which Namely does not have", account.okta_id)
                }
                None => format!("the account {} is of nobody in Namely: left alone", account.okta_id),
            };
            rows.push(Row {
                category: if orphaned { Category::Orphaned } else { Category::Unmanaged },
                name: account.name,
                login: account.login,
                department: String::new(),
                profile: account.anchor.unwrap_or_default(),
                what,
                target: None,
            });
        }
        let others = findings.decided.iter().chain(&findings.not_shown).map(|one| one.target);
        let differs: BTreeSet<i64> = findings.previews.iter().map(|preview| preview.target).chain(others).collect();
        let rejected = findings.previews.iter().filter(|one| !one.rejected.is_empty()).map(|one| one.target);
        let by_decision: BTreeSet<i64> = findings.decided.iter().map(|one| one.target).chain(rejected).collect();
        rows.extend(findings.decided.into_iter().map(|one| one.row(Category::ByDecision)));
        rows.extend(findings.not_shown.into_iter().map(|one| one.row(Category::NotShown)));
        rows.extend(findings.drift.into_iter().map(|drift| Row {
            category: Category::Drift,
            name: String::new(),
            login: drift.login,
            department: String::new(),
            profile: String::new(),
            what: format!("{}: {}", drift.at, drift.what),
            target: None,
        }));
        rows.sort_by(|a, b| (a.category, &a.department, &a.name).cmp(&(b.category, &b.department, &b.name)));
        let mut counts: BTreeMap<Category, usize> = Category::ALL.into_iter().map(|category| (category, 0)).collect();
        for row in &rows {
            *counts.entry(row.category).or_default() += 1;
        }
        let in_agreement = findings.people.saturating_sub(differs.len());
        let Findings { org, at, read_at, people, .. } = findings;
        Self { org, at, read_at, people, in_agreement, by_decision: by_decision.len(), counts, rows }
    }

    /// How many agree, in words: whoever is as somebody has decided does not.
    pub fn agreement(&self) -> String {
        agreement(self.in_agreement, self.people, self.by_decision)
    }

    /// People whose plan would mend what disagrees.
    pub fn targets(&self) -> Vec<i64> {
        let mut targets: Vec<i64> =
            self.rows.iter().filter(|r| r.category.is_mismatch()).filter_map(|r| r.target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// How many findings say that the two sides disagree.
    pub fn mismatches(&self) -> usize {
        self.counts.iter().filter(|(category, _)| category.is_mismatch()).map(|(_, n)| n).sum()
    }

    /// A page that needs nothing but itself: charts, and a search without a server.
    pub fn html(&self) -> Result<String, ReportError> {
        let bar = |title: &str, n: usize, most: usize| serde_json::json!({ "title": title, "people": n, "width": n * 100 / most.max(1) });
        let most = self.counts.values().copied().max().unwrap_or(0);
        let categories: Vec<_> = self.counts.iter().map(|(c, n)| bar(&c.to_string(), *n, most)).collect();
        let mut departments: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.category.is_mismatch()) {
            *departments
                .entry(if row.department.is_empty() { "no department" } else { &row.department })
                .or_default() += 1;
        }
        let mut departments: Vec<(&str, usize)> = departments.into_iter().collect();
        departments.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let rest: usize = departments.iter().skip(DRAWN).map(|(_, n)| n).sum();
        departments.truncate(DRAWN);
        if rest > 0 {
            departments.push(("all others", rest));
        }
        let most = departments.iter().map(|(_, n)| *n).max().unwrap_or(0);
        let departments: Vec<_> = departments.iter().map(|(name, n)| bar(name, *n, most)).collect();
        let titled = |row: &Row| {
            serde_json::json!({
                "category": row.category.to_string(), "name": row.name, "login": row.login, "department": row.department,
                "what": row.what,
            })
        };
        let rows: Vec<_> = self.rows.iter().map(titled).collect();
        page(
            include_str!("reconciliation.html"),
            serde_json::json!({
                "report": {
                    "org": self.org, "at": self.at, "read_at": self.read_at, "people": self.people,
                    "in_agreement": self.in_agreement, "by_decision": self.by_decision, "mismatches": self.mismatches(),
                    "share": self.in_agreement * 100 / self.people.max(1),
                },
                "categories": categories, "departments": departments, "rows": rows,
            }),
        )
    }

    /// One line a finding.
    pub fn csv(&self) -> Result<Vec<u8>, ReportError> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["category", "name", "login", "department", "profile", "what"])?;
        for row in &self.rows {
            csv.write_record([
                &row.category.to_string(),
                &row.name,
                &row.login,
                &row.department,
                &row.profile,
                &row.what,
            ])?;
        }
        super::spreadsheet::without_formulas(&csv.into_inner().map_err(|e| e.into_error())?)
    }
}

fn of_preview(preview: &Preview) -> Vec<Row> {
    let row = |category, what: String| Row {
        category,
        name: preview.name.clone(),
        login: preview.login.clone(),
        department: preview.department.clone(),
        profile: preview.profile.clone(),
        what,
        target: Some(preview.target),
    };
    let by_decision = |why: &String| Row { target: None, ..row(Category::ByDecision, why.clone()) };
    let rejected: Vec<Row> = preview.rejected.values().map(by_decision).collect();
    if let Some(why) = &preview.obstacle {
        return rejected.into_iter().chain([row(Category::Waiting, why.clone())]).collect();
    }
    // Who has no account lacks whatever comes with it for that reason alone.
    let is_missing = preview.changes.contains_key(&ChangeKind::Create);
    let mut by_category: BTreeMap<Category, Vec<String>> = BTreeMap::new();
    for (change, words) in &preview.changes {
        let of = category(if is_missing { ChangeKind::Create } else { *change });
        by_category.entry(of).or_default().extend(words.iter().cloned());
    }
    let mut rows: Vec<Row> = by_category.into_iter().map(|(category, words)| row(category, words.join("; "))).collect();
    rows.extend(rejected);
    // While attributes are still to be written it is too early to ask what rules have made of them.
    if !preview.unfilled.is_empty() && !preview.changes.contains_key(&ChangeKind::ChangeAttributes) {
        let what =
            format!("not in {}, which one of Okta's own rules fills: look at the rule", preview.unfilled.join(", "));
        rows.push(Row { target: None, ..row(Category::WrongGroups, what) });
    }
    if !preview.ungoverned.is_empty() {
        let what = format!(
            "in {}, where this service has put them, and no rule gives or governs it any more: `undo --person {}` takes it \
             back, or take them out in Okta",
            preview.ungoverned.join(", "),
            preview.profile
        );
        rows.push(Row { target: None, ..row(Category::WrongGroups, what) });
    }
    rows
}

fn category(change: ChangeKind) -> Category {
    match change {
        ChangeKind::Deactivate => Category::Orphaned,
        ChangeKind::Create => Category::Missing,
        ChangeKind::Suspend | ChangeKind::Activate | ChangeKind::Adopt => Category::WrongStatus,
        ChangeKind::AddGroup | ChangeKind::RemoveGroup | ChangeKind::GrantAdmin => Category::WrongGroups,
        ChangeKind::ChangeLogin
        | ChangeKind::ChangeContact
        | ChangeKind::ChangeAttributes
        | ChangeKind::LinkManager => Category::WrongAttributes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(target: i64, changes: &[(ChangeKind, &str)]) -> Preview {
        Preview {
            rejected: BTreeMap::new(),
            org: "main".into(),
            target,
            tenant: "acme".into(),
            profile: format!("p{target}"),
            name: format!("<b>Person {target}</b>"),
            department: "R&D".into(),
            login: format!("p{target}@example.com"),
            entitlement: "entitled".into(),
            changes: changes.iter().map(|(change, word)| (*change, vec![(*word).to_owned()])).collect(),
            rules: BTreeMap::new(),
            by_okta: Vec::new(),
            unfilled: Vec::new(),
            ungoverned: Vec::new(),
            obstacle: None,
            remarks: Vec::new(),
            basis: String::new(),
            calls: 1,
            steps: Default::default(),
        }
    }

    fn report() -> Reconciliation {
        let unlinked = |anchor: Option<&str>| Unlinked {
            okta_id: "00u9".into(),
            login: "x@example.com".into(),
            name: "X".into(),
            anchor: anchor.map(str::to_owned),
            is_shown: false,
        };
        Reconciliation::new(Findings {
            org: "main".into(),
            at: "now".into(),
            read_at: "before".into(),
            people: 10,
            previews: vec![
                preview(1, &[(ChangeKind::Deactivate, "access ends")]),
                preview(
                    2,
                    &[
                        (ChangeKind::AddGroup, "into group \"A\""),
                        (ChangeKind::ChangeAttributes, "title: \"a\" → \"b\""),
                    ],
                ),
                Preview { obstacle: Some("first_name is empty".into()), ..preview(3, &[]) },
            ],
            unlinked: vec![unlinked(None), unlinked(Some("p7"))],
            decided: vec![],
            not_shown: vec![],
            drift: vec![Drift { at: "then".into(), login: "y@example.com".into(), what: "title".into() }],
        })
    }

    #[test]
    fn findings_are_sorted_and_counted_and_only_mismatches_are_mended() {
        let report = report();
        assert_eq!((report.people, report.in_agreement, report.mismatches()), (10, 7, 4));
        assert_eq!(report.counts[&Category::Orphaned], 2, "the leaver, and the account of a profile that is gone");
        assert_eq!(report.targets(), [1, 2]);
    }

    #[test]
    fn the_page_escapes_what_it_shows_and_the_table_has_every_finding() {
        let report = report();
        let html = report.html().expect("renders");
        assert!(html.contains("&lt;b&gt;Person 1") && !html.contains("<b>Person 1"), "{html}");
        let csv = String::from_utf8(report.csv().expect("writes")).expect("UTF-8");
        assert_eq!(csv.lines().count(), 1 + report.rows.len());
    }
}
