//! Who can mend a value that Okta's own checks do not accept: that depends on where the value comes from.
//!
//! Okta names the attribute in each cause, as `<field>: <message>` (`okta-api.md §3.1`).

use super::outcome::Fixer;
use super::wire::ErrorBody;
use crate::domain::Step;
use crate::domain::mapping::desired::{Mapping, Source};
use serde_json::Value;

/// The longest value that is shown.
const SHOWN: usize = 60;

/// Who can mend it, and what they have to know beside Okta's words.
pub fn mend(step: &Step, error: &ErrorBody, mapping: &Mapping) -> (Fixer, String) {
    if !matches!(step, Step::CreateUser { .. } | Step::UpdateUser { .. } | Step::ChangeType { .. }) {
        return (Fixer::OktaAdmin, String::new()); // no value of anybody's is sent
    }
    let (mut fixer, mut notes) = (None, Vec::new());
    for cause in &error.causes {
        let Some(attribute) = cause.attribute() else { continue };
        let (who, note) = match value_of(step, attribute) {
            None => {
                let note = format!("no rule of this product gives {attribute}: make it optional in Okta, or map it");
                (Fixer::OktaAdmin, note)
            }
            Some(value) => match mapping.source_of(attribute) {
                Source::Namely(fields) => {
                    (Fixer::Hr, format!("{attribute} is {} from {} in Namely", shown(value), fields.join(", ")))
                }
                Source::Rule => (Fixer::Config, format!("the mapping itself gives {attribute} as {}", shown(value))),
            },
        };
        notes.push(note);
        fixer = Some(fixer.map_or(who, |known: Fixer| known.max(who)));
    }
    // What is not about a value that was sent is between this product and the org.
    (fixer.unwrap_or(Fixer::OktaAdmin), notes.join("; "))
}

/// What was sent for an attribute.
fn value_of<'s>(step: &'s Step, attribute: &str) -> Option<&'s Value> {
    match step {
        Step::CreateUser { profile, .. } => profile.get(attribute),
        Step::UpdateUser { changes, .. } | Step::ChangeType { changes, .. } => {
            changes.iter().find(|change| change.field == attribute).map(|change| &change.after)
        }
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "empty".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cut: String = text.chars().take(SHOWN).collect();
    format!("{cut:?}{}", if cut.len() < text.len() { " …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::desired::tests::usual;
    use crate::domain::record::employee::FieldChange;
    use serde_json::json;

    fn error(causes: &[&str]) -> ErrorBody {
        let causes: Vec<Value> = causes.iter().map(|cause| json!({ "errorSummary": cause })).collect();
        let body = json!({ "errorCode": "E0000001", "errorSummary": "Api validation failed", "errorCauses": causes });
        ErrorBody::read(body.to_string().as_bytes())
    }

    fn update(field: &str, after: Value) -> Step {
        let change = FieldChange { field: field.into(), before: Value::Null, after };
        Step::UpdateUser { id: "00u1".into(), changes: vec![change] }
    }

    #[test]
    fn who_can_mend_a_value_is_whoever_it_comes_from() {
        let mapping = usual();
        let phone = update("primaryPhone", "+1 555 \u{200b}0100".into());
        let (who, note) = mend(&phone, &error(&["primaryPhone: String is too long"]), &mapping);
        assert_eq!(who, Fixer::Hr);
        assert!(note.contains("from office_direct_dial, office_main_number in Namely"), "{note}");
        let (who, note) = mend(&phone, &error(&["costCenter: The field cannot be left blank"]), &mapping);
        assert_eq!(who, Fixer::OktaAdmin);
        assert!(note.contains("no rule of this product gives costCenter"), "{note}");
        let long = update("primaryPhone", "5".repeat(100).into());
        let (_, note) = mend(&long, &error(&["primaryPhone: String is too long"]), &mapping);
        assert!(note.len() < 160 && note.contains('…'), "{note}");
        let both = ["primaryPhone: String is too long", "costCenter: The field cannot be left blank"];
        assert_eq!(mend(&phone, &error(&both), &mapping).0, Fixer::OktaAdmin, "HR alone cannot");
    }

    #[test]
    fn what_is_not_about_a_value_is_for_an_administrator_of_the_org() {
        let mapping = usual();
        for step in [Step::Deactivate { id: "00u1".into() }, Step::Activate { id: "00u1".into(), send_email: false }] {
            assert_eq!(
                mend(&step, &error(&["user: cannot be changed now"]), &mapping),
                (Fixer::OktaAdmin, String::new())
            );
        }
    }

    #[test]
    fn only_the_clash_of_a_login_is_one() {
        let clash = |name: &str| {
            error(&[&format!("{name}: An object with this field already exists in the current organization")])
        };
        assert!(clash("login").is_login_taken());
        assert!(!clash("badgeNumber").is_login_taken() && !clash("email").is_login_taken());
    }
}
