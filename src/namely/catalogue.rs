//! Namely's groups with their types, and the tiers of job titles. Profiles name groups by id only; what is a department
//! and what an office is said by the group's type (`namely-api.md §3.5`).

use crate::domain::loose;
use crate::domain::text::{trimmed, visible};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What a group is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// Of a group type that [`GroupTypes`] takes for departments.
    Department,
    /// Of a group type that [`GroupTypes`] takes for offices.
    Office,
    /// A type the tenant made for itself.
    Custom,
}

/// One entry of Namely's `/groups`, with what its type makes of it (`namely-api.md §2.9`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueGroup {
    /// What people call it, as it is written in Namely.
    pub title: String,
    /// Title of its group type.
    pub group_type: String,
    /// What its members get it as.
    pub kind: GroupKind,
}

/// How the configuration tells departments and offices from other groups: by what a group type is called. Compared by
/// type, title and field name, without regard to case and punctuation.
#[derive(Clone, Debug)]
pub struct GroupTypes {
    /// What types of departments are called.
    pub department: Vec<String>,
    /// What types of offices are called.
    pub office: Vec<String>,
}

impl Default for GroupTypes {
    fn default() -> Self {
        let own = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        Self {
            department: own(&["department", "departments"]),
            office: own(&["office location", "office locations", "office"]),
        }
    }
}

impl GroupTypes {
    fn kind(&self, group_type: &Value) -> GroupKind {
        let called: Vec<String> =
            ["type", "title", "field_name"].iter().filter_map(|key| group_type[key].as_str()).map(loose).collect();
        let is = |names: &[String]| names.iter().any(|name| called.contains(&loose(name)));
        match (is(&self.department), is(&self.office)) {
            (true, _) => GroupKind::Department,
            (_, true) => GroupKind::Office,
            _ => GroupKind::Custom,
        }
    }
}

/// Groups by id, and the tier of each job title by the title's id.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    groups: HashMap<String, CatalogueGroup>,
    tiers: HashMap<String, String>,
}

impl Catalogue {
    /// Reads the answers of `/groups`, `/group_types` and `/job_titles`. Entries that make no sense are left out: a
    /// profile that names one is quarantined with that reason.
    pub fn read(groups: &Value, group_types: &Value, job_titles: &Value, names: &GroupTypes) -> Self {
        let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let types: HashMap<String, (String, GroupKind)> = list(group_types, "group_types")
            .iter()
            .filter_map(|t| Some((id_of(&t["id"])?, (title_of(&t["title"])?, names.kind(t)))))
            .collect();
        let groups = list(groups, "groups")
            .iter()
            .filter_map(|g| {
                // `type` on a group is free text; the type's id is in `links` (namely-api.md §2.7).
                let (group_type, kind) = types.get(&id_of(&g["links"]["group_type"])?)?.clone();
                Some((id_of(&g["id"])?, CatalogueGroup { title: title_of(&g["title"])?, group_type, kind }))
            })
            .collect();
        let tier_titles: HashMap<String, String> = list(&job_titles["linked"], "job_tiers")
            .iter()
            .filter_map(|t| Some((id_of(&t["id"])?, title_of(&t["title"])?)))
            .collect();
        let tiers = list(job_titles, "job_titles")
            .iter()
            .filter_map(|t| Some((id_of(&t["id"])?, tier_titles.get(&id_of(&t["links"]["job_tier"])?)?.clone())))
            .collect();
        Self { groups, tiers }
    }

    /// The group with this id.
    pub fn group(&self, id: &str) -> Option<&CatalogueGroup> {
        self.groups.get(id)
    }

    /// Titles of all groups by id.
    pub fn titles(&self) -> BTreeMap<String, String> {
        self.groups.iter().map(|(id, group)| (id.clone(), group.title.clone())).collect()
    }

    /// The tier of the job title with this id; empty without one.
    pub fn tier(&self, job_title_id: &str) -> &str {
        self.tiers.get(job_title_id).map_or("", String::as_str)
    }

    /// How many groups are of each kind: departments, offices, others.
    pub fn counts(&self) -> (usize, usize, usize) {
        let of = |kind| self.groups.values().filter(|g| g.kind == kind).count();
        (of(GroupKind::Department), of(GroupKind::Office), of(GroupKind::Custom))
    }
}

/// A title without what nobody sees at its ends, and with one blank for several: to people, and to Okta's groups, it is one name.
fn title_of(value: &Value) -> Option<String> {
    let written = value.as_str()?;
    let title = trimmed(written);
    if title != written {
        tracing::info!(title = %visible(written), "a title of Namely has blanks or invisible characters at its ends: read without them");
    }
    Some(title)
}

/// Ids are texts here and numbers there; a link may be the id itself or an object with it.
fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Object(o) => id_of(o.get("id")?),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// Finance (department), Lyon (office), Chess (a type of the company's own).
    pub(crate) fn small() -> Catalogue {
        Catalogue::read(
            &json!({ "groups": [
                { "id": "g1", "title": "Finance", "type": "Departments", "links": { "group_type": "t1" } },
                { "id": "g2", "title": "Lyon", "type": "Offices", "links": { "group_type": 2 } },
                { "id": "g3", "title": "Chess", "type": "Clubs", "links": { "group_type": { "id": "t3" } } },
                { "id": "g4", "title": "Broken", "links": { "group_type": "gone" } },
                { "title": "no id" }, 7
            ] }),
            &json!({ "group_types": [
                { "id": "t1", "title": "Departments", "type": "department" },
                { "id": 2, "title": "Where we sit", "type": "Office Location" },
                { "id": "t3", "title": "Clubs", "type": "custom" }
            ] }),
            &json!({
                "job_titles": [{ "id": "j1", "title": "Accountant", "links": { "job_tier": "r1" } }],
                "linked": { "job_tiers": [{ "id": "r1", "title": "Staff" }] }
            }),
            &GroupTypes::default(),
        )
    }

    #[test]
    fn groups_get_their_kind_from_their_type_whatever_form_the_ids_have() {
        let catalogue = small();
        assert_eq!(catalogue.counts(), (1, 1, 1));
        assert_eq!(catalogue.group("g2").map(|g| g.kind), Some(GroupKind::Office));
        assert_eq!(catalogue.group("g3").map(|g| g.group_type.as_str()), Some("Clubs"));
        assert_eq!(catalogue.group("g4"), None);
        assert_eq!((catalogue.tier("j1"), catalogue.tier("j9")), ("Staff", ""));
    }

    #[test]
    fn an_answer_of_nonsense_is_an_empty_catalogue() {
        let nonsense = json!("oops");
        let catalogue = Catalogue::read(&nonsense, &nonsense, &nonsense, &GroupTypes::default());
        assert_eq!(catalogue.counts(), (0, 0, 0));
    }
}
