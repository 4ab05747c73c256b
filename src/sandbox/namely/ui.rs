//! The company on a page: people, and what HR does with one click.

use super::super::http::{Request, Response};
use super::super::population::{Hr, OFFICES, Person, Status};
use super::super::ui::{Shown, answer, change_faults, common, paged};
use super::Namely;
use crate::clock::Moment;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::HashMap;

impl Namely {
    /// What is asked of its pages; nothing if it is something else.
    pub(super) fn shown(&mut self, request: &Request, now: Moment) -> Option<Response> {
        let is_on = self.options.ui;
        let changed = change_faults(is_on, &mut self.faults, request);
        answer(is_on, request, changed, |path, form| match (path, form) {
            ([], None) => Shown::Page("namely.html", self.page(request, now)),
            (["hire"], Some(form)) => Shown::Done(self.hires(form, now).unwrap_or_else(|why| why)),
            (["people", id], Some(form)) => Shown::Done(self.edits_one(id, form, now).unwrap_or_else(|why| why)),
            _ => Shown::Nothing,
        })
    }

    fn page(&self, request: &Request, now: Moment) -> Value {
        let mut context = common(request, &self.faults, self.history.exchanges(), now);
        let wanted = request.param("text").unwrap_or_default().to_lowercase();
        let there: Vec<&Person> =
            self.people.iter().filter(|record| !record.vanished).map(|record| &record.person).collect();
        let fits = |person: &&&Person| {
            wanted.is_empty() || format!("{}\n{}", name(person), person.email).to_lowercase().contains(&wanted)
        };
        let lines = there.iter().filter(fits).map(|person| self.line(person)).collect();
        paged(request, lines, &mut context);
        context["active"] = json!(there.iter().filter(|person| person.status == Status::Active).count());
        context["inactive"] = json!(there.iter().filter(|person| person.status == Status::Inactive).count());
        context["edits"] = json!(self.edits);
        context["departments"] = json!(self.options.departments);
        context["today"] = json!(today(now).to_string());
        context
    }

    fn line(&self, person: &Person) -> Value {
        let (tone, state) = match person.status {
            Status::Active if person.on_leave => ("warn", "on leave"),
            Status::Active => ("good", "active"),
            Status::Inactive => ("bad", "has left"),
            Status::Pending => ("", "pending"),
        };
        json!({
            "id": person.id, "name": name(person), "email": person.email, "office": OFFICES.get(person.office),
            "department": self.options.departments.get(person.department), "start": person.start_date.to_string(),
            "departure": person.departure_date.map(|date| date.to_string()), "tone": tone, "state": state,
            "works": person.status != Status::Inactive, "on_leave": person.on_leave,
        })
    }

    fn department(&self, form: &HashMap<String, String>) -> Result<usize, String> {
        let given = form.get("department").and_then(|given| given.parse().ok());
        given.filter(|n| *n < self.options.departments.len()).ok_or_else(|| "there is no such department".to_owned())
    }

    fn hires(&mut self, form: &HashMap<String, String>, now: Moment) -> Result<String, String> {
        let text = |key: &str| form.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
        let (first_name, last_name, email) = (text("first"), text("last"), text("email"));
        if [&first_name, &last_name, &email].iter().any(|text| text.is_empty()) {
            return Err("somebody who is hired has a first name, a last name and an email".into());
        }
        let start_date: Date = text("start").parse().map_err(|_| "the first day is no date".to_owned())?;
        let seed = self.options.seed.wrapping_add(1_000_000 + self.people.len() as u64);
        let other = Hr::new(seed, today(now)).joiner(0);
        let department = self.department(form)?;
        let person =
            Person { first_name, last_name, email, start_date, department, preferred_name: String::new(), ..other };
        let said = format!("{} is hired and starts on {start_date}", name(&person));
        self.hire(person, now);
        Ok(said)
    }

    fn edits_one(&mut self, id: &str, form: &HashMap<String, String>, now: Moment) -> Result<String, String> {
        let index = self.people.iter().position(|record| record.person.id == id && !record.vanished);
        let index = index.ok_or("there is nobody of that id any more")?;
        let who = name(self.person(index));
        let done = match form.get("do").map(String::as_str).unwrap_or_default() {
            "transfer" => {
                let department = self.department(form)?;
                self.edit(index, now, |person| person.department = department);
                format!("is transferred to {}", self.options.departments[department])
            }
            "leave" => self.edited(index, now, "goes on leave", |person| person.on_leave = true),
            "return" => self.edited(index, now, "is back from leave", |person| person.on_leave = false),
            "terminate" => self.edited(index, now, "is terminated", |person| {
                (person.status, person.departure_date) = (Status::Inactive, Some(today(now)));
            }),
            "rehire" => self.edited(index, now, "is hired again", |person| {
                (person.status, person.departure_date) = (Status::Active, None);
            }),
            _ => return Err("say what HR does: transfer, leave, return, terminate or rehire".into()),
        };
        Ok(format!("{who} {done}"))
    }

    fn edited(&mut self, index: usize, now: Moment, said: &str, edit: impl FnOnce(&mut Person)) -> String {
        self.edit(index, now, edit);
        said.to_owned()
    }
}

fn name(person: &Person) -> String {
    format!("{} {}", person.first_name, person.last_name)
}

fn today(now: Moment) -> Date {
    TimeZone::UTC.to_datetime(now.timestamp()).date()
}
