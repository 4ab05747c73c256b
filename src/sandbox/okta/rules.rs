//! Group rules (`okta-api.md §3.3, §11`): what they say, whom they put into groups, and what becomes of them.

use super::super::http::{Request, Response};
use super::attributes::BaseAttribute;
use super::errors::{Problem, problem};
use super::expression::Expression;
use super::language::{Candidate, Kind};
use super::memberships::Origin;
use super::objects::{Rule, RuleStatus};
use super::paging::page;
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A rule as a body describes it.
struct Described {
    name: String,
    expression: String,
    condition: Expression,
    groups: Vec<String>,
    excluded: BTreeSet<String>,
}

impl Okta {
    pub(super) fn rules_route(&mut self, request: &Request, rest: &[&str], now: Moment) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let sought = request.param("search").map(|text| text.to_lowercase());
                let found = |rule: &&Rule| sought.as_ref().is_none_or(|text| rule.name.to_lowercase().contains(text));
                let listed = self.rules.values().filter(found).map(|r| (r.id.clone(), r.json()));
                page(listed, request, 50, 200)
            }
            ("POST", []) => self.create_rule(request, now),
            ("GET", [id]) => Ok(Response::json(200, &self.rule(id)?.json())),
            ("PUT", [id]) => self.replace_rule(id, request, now),
            ("DELETE", [id]) => self.delete_rule(id, request),
            ("POST", [id, "lifecycle", "activate"]) => self.switch_rule(id, RuleStatus::Active, now),
            ("POST", [id, "lifecycle", "deactivate"]) => self.switch_rule(id, RuleStatus::Inactive, now),
            _ => Err(problem::wrong_method()),
        }
    }

    fn rule(&self, id: &str) -> Result<&Rule, Problem> {
        self.rules.get(id).ok_or_else(|| problem::not_found(id, "GroupRule"))
    }

    /// A rule as a body describes it, or what is wrong with that.
    fn described(&self, request: &Request) -> Result<Described, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() || name.chars().count() > 50 {
            return Err(problem::validation("name", &["name: must be 1 to 50 characters".to_owned()]));
        }
        let conditions = &body["conditions"];
        let expression = conditions["expression"]["value"].as_str().unwrap_or_default().to_owned();
        let condition = Expression::parse(&expression, &|name| self.kind_of(name))
            .map_err(|why| problem::validation("validateRule", &[why]))?;
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let groups = texts(&body["actions"]["assignUserToGroups"]["groupIds"]);
        if groups.is_empty() {
            return Err(problem::validation("groupIds", &["groupIds: The field cannot be left blank".to_owned()]));
        }
        if let Some(unknown) = groups.iter().find(|id| self.writable_group(id).is_err()) {
            let cause = format!("groupIds: {unknown} is no group that a rule can fill");
            return Err(problem::validation("groupIds", &[cause]));
        }
        let excluded: BTreeSet<String> = texts(&conditions["people"]["users"]["exclude"]).into_iter().collect();
        if let Some(unknown) = excluded.iter().find(|id| !self.users.contains_key(*id)) {
            return Err(problem::validation("exclude", &[format!("exclude: there is no user {unknown}")]));
        }
        Ok(Described { name, expression, condition, groups, excluded })
    }

    /// The type of an attribute, whichever user type has it.
    fn kind_of(&self, attribute: &str) -> Option<Kind> {
        let base = BaseAttribute::of(attribute).map(|_| Kind::Text);
        let mut custom = self.types.values().filter_map(|kind| kind.custom.get(attribute));
        base.or_else(|| custom.next().map(|property| Kind::of_schema(property.kind())))
    }

    fn create_rule(&mut self, request: &Request, now: Moment) -> Result<Response, Problem> {
        let Described { name, expression, condition, groups, excluded } = self.described(request)?;
        let id = self.id("0pr");
        let (status, created, updated) = (RuleStatus::Inactive, now, now);
        let rule = Rule { id: id.clone(), name, status, expression, condition, groups, excluded, created, updated };
        let answer = Response::json(200, &rule.json());
        self.rules.insert(id, rule);
        Ok(answer)
    }

    /// Only what is inactive can be changed; whether what a rule does can be, is a matter of the org's age.
    fn replace_rule(&mut self, id: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        let rule = self.rule(id)?;
        if rule.status != RuleStatus::Inactive {
            return Err(problem::validation("rule", &["Only inactive rules can be changed".to_owned()]));
        }
        let before = rule.groups.clone();
        let Described { name, expression, condition, groups, excluded } = self.described(request)?;
        if groups != before && !self.options.rule_actions_replaceable {
            return Err(problem::validation("actions", &["actions: cannot be changed".to_owned()]));
        }
        if let Some(rule) = self.rules.get_mut(id) {
            *rule = Rule { name, expression, condition, groups, excluded, updated: now, ..rule.clone() };
        }
        Ok(Response::json(200, &self.rule(id)?.json()))
    }

    fn delete_rule(&mut self, id: &str, request: &Request) -> Result<Response, Problem> {
        if self.rule(id)?.is_active() {
            return Err(problem::validation("rule", &["Active rules cannot be deleted".to_owned()]));
        }
        self.rules.remove(id);
        self.members.forget_rule(id, request.param("removeUsers").as_deref() == Some("true"));
        Ok(Response::json(202, &json!({})))
    }

    fn switch_rule(&mut self, id: &str, status: RuleStatus, now: Moment) -> Result<Response, Problem> {
        if self.rule(id)?.status == RuleStatus::Invalid {
            return Err(problem::validation("rule", &["A group of the rule was deleted".to_owned()]));
        }
        if let Some(rule) = self.rules.get_mut(id) {
            (rule.status, rule.updated) = (status, now);
        }
        if status == RuleStatus::Active {
            let users: Vec<String> = self.users.keys().cloned().collect();
            users.iter().for_each(|user| self.run_rules(user));
        }
        Ok(Response::empty(204))
    }

    /// A group is gone, and the rules that filled it are invalid from now on.
    pub(super) fn forget_group(&mut self, id: &str, now: Moment) {
        let members: Vec<String> = self.members.of(id).into_iter().flat_map(|m| m.keys().cloned()).collect();
        self.groups.remove(id);
        self.members.drop_group(id);
        for rule in self.rules.values_mut().filter(|rule| rule.groups.iter().any(|group| group == id)) {
            (rule.status, rule.updated) = (RuleStatus::Invalid, now);
        }
        members.iter().for_each(|user| self.run_rules(user));
    }

    /// The rules that keep somebody in a group.
    pub(super) fn rules_of_member(&self, group: &str, user: &str) -> Result<Response, Problem> {
        let user = self.find_user(user)?;
        let rules: Vec<Value> = match self.members.of(group).and_then(|members| members.get(&user)) {
            Some(Origin::Rules(rules)) => rules.iter().filter_map(|id| self.rules.get(id)).map(Rule::json).collect(),
            _ => Vec::new(),
        };
        Ok(Response::json(200, &json!(rules)))
    }

    /// Lets the active rules put a user into their groups, and take out whom they have put in.
    pub(super) fn run_rules(&mut self, user: &str) {
        // A rule may look at a group that another one fills: again, as long as anything moves.
        for _ in 0..=self.rules.len() {
            if !self.run_rules_once(user) {
                return;
            }
        }
    }

    fn run_rules_once(&mut self, user: &str) -> bool {
        if !self.rules.values().any(Rule::is_active) {
            return false;
        }
        let Some(account) = self.users.get(user) else { return false };
        let groups: Vec<(&str, &str)> = self
            .groups
            .values()
            .filter(|group| self.members.has(&group.id, user))
            .map(|group| (group.id.as_str(), group.name.as_str()))
            .collect();
        let candidate = Candidate {
            id: &account.id,
            status: account.status.as_str(),
            profile: &account.profile,
            groups: &groups,
            ignores_case: self.options.rules_ignore_case,
        };
        // A deactivation runs none but those that look at the status.
        let runs = |rule: &&Rule| {
            let heeds_status = self.options.rules_heed_deactivation && rule.condition.reads_status();
            rule.is_active() && (account.is_live() || heeds_status)
        };
        let verdicts: Vec<(String, Vec<String>, bool)> = self
            .rules
            .values()
            .filter(runs)
            .map(|rule| {
                let belongs = !rule.excluded.contains(user) && rule.condition.holds(&candidate);
                (rule.id.clone(), rule.groups.clone(), belongs)
            })
            .collect();
        let mut moved = false;
        for (rule, groups, belongs) in verdicts {
            for group in &groups {
                let moves = match belongs {
                    true => self.members.add_by_rule(group, user, &rule),
                    false => self.members.remove_by_rule(group, user, &rule),
                };
                if moves {
                    self.touch_group(group);
                    moved = true;
                }
            }
        }
        moved
    }
}
