//! Tenants whose lists and formats are not those of the documentation: the service reads the same people.

use crate::common::quick::quick_namely;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::sandbox::namely::Options;
use namely_okta_sync::sandbox::population::Status as Hired;
use serde_json::json;

#[test]
fn rows_that_repeat_across_pages_and_profiles_that_vanish_are_no_new_people_and_no_leavers() {
    on_a_system(async {
        let mut setup = Setup::of(130);
        setup.namely = Options { overlap: 7, ..quick_namely() };
        let rig = Rig::settled(setup).await;
        assert_eq!(rig.effects(), Vec::<String>::new(), "a walk with repeated rows is complete");
        rig.world.namely.core().vanish(77);
        rig.quiet().await;
        assert_eq!(rig.effects(), Vec::<String>::new(), "absence is not a termination");
    });
}

#[test]
fn a_service_on_a_tenant_with_the_formats_of_2014_reads_the_same_people() {
    on_a_system(async {
        let mut setup = Setup::of(20);
        setup.people.iter_mut().for_each(|person| {
            // Employee types as bare texts, dates with slashes, a manager list that is missing.
            let day = person.start_date.strftime("%m/%d/%Y").to_string();
            person.raw.insert("employee_type".into(), Some(json!(person.employee_type)));
            person.raw.insert("start_date".into(), Some(json!(day)));
        });
        let rig = Rig::settled(setup).await;
        assert_eq!(rig.effects(), Vec::<String>::new());
        rig.edit(3, |person| person.status = Hired::Inactive);
        let id = rig.setup.people[3].id.clone();
        rig.until_okta("they are out", |okta| {
            okta.user_by_anchor(&id)
                .is_some_and(|u| u.status == namely_okta_sync::sandbox::okta::users::Status::Deprovisioned)
        })
        .await;
    });
}
