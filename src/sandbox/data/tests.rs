use super::twin::{RealAccount, RealProfile};
use super::*;
use serde_json::json;

const HEADER: &str =
    "Email,First Name,Last Name,User Status,Start Date,Job Title,Department,Office,Employee Type,Reports To,Badge\n";

fn whys(text: &str, format: Format) -> Vec<String> {
    let BadFile(bad) = Contents::read(text, format).expect_err("it is refused");
    bad.iter().map(ToString::to_string).collect()
}

fn line(email: &str, more: Value) -> String {
    let mut line = json!({
        "email": email, "first_name": "A", "last_name": "B", "user_status": "active", "start_date": "2024-01-31",
        "job_title": { "title": "Clerk" }, "department": "Mail Room", "office": "Oslo", "employee_type": "Full Time"
    });
    line.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
    format!("{line}\n")
}

#[test]
fn an_hr_table_becomes_a_company_in_its_own_words() {
    let rows = "ann@example.com,Ann,One,active,2024-01-31,Head,Mail Room,Oslo,Full Time,,7\n\
                bob@example.com,Bob,Two,inactive,2023-02-01,Clerk,\"Sorting, Night\",Bergen,Contractor,ANN@example.com,\n";
    let contents = Contents::read(&format!("\u{feff}{HEADER}{rows}"), Format::Table).expect("a company");
    let [ann, bob] = contents.people.as_slice() else { panic!("{:?}", contents.people) };
    assert_eq!((ann.title(), ann.department(), ann.office(), ann.manager), ("Head", "Mail Room", "Oslo", None));
    assert_eq!((bob.department(), bob.office(), bob.manager), ("Sorting, Night", "Bergen", Some(0)));
    assert_eq!(ann.raw.get("badge"), Some(&Some(json!("7"))));
    assert_eq!(contents.fields, BTreeSet::from(["badge".to_owned()]));
    let again = Contents::read(&format!("{HEADER}{rows}"), Format::Table).expect("a company");
    assert_eq!(again.people[0].id, ann.id, "who has no id gets the same one each time");
    assert_ne!(ann.id, bob.id);
}

#[test]
fn every_bad_line_is_named_with_its_number_and_nothing_is_guessed() {
    let text = [
        "not JSON\n".to_owned(),
        line("a@example.com", json!({ "start_date": "31.01.2024" })),
        "\n".to_owned(),
        line("b@example.com", json!({ "ssn": "078-05-1120" })),
        line("A@example.com", json!({ "user_status": "retired" })),
        line("c@example.com", json!({ "reports_to": "nobody@example.com", "department": "" })),
        "{\"account\":{\"status\":\"LIVE\",\"profile\":{\"login\":\"x\"},\"roles\":[]}}\n".to_owned(),
        "{\"group\":7}\n".to_owned(),
    ]
    .concat();
    let bad = whys(&text, Format::Lines);
    for (line, why) in [
        (1, "is no JSON"),
        (2, "start_date is no date like 2026-05-31"),
        (4, "ssn is sensitive"),
        (5, "user_status is active, inactive or pending"),
        (6, "department is missing"),
        (7, "an account has no roles"),
        (7, "status is one of"),
        (7, "profile.email is missing"),
        (8, "a group is the text"),
    ] {
        let start = format!("line {line}: ");
        assert!(bad.iter().any(|bad| bad.starts_with(&start) && bad.contains(why)), "{line} {why}: {bad:#?}");
    }
    assert!(!bad.join("\n").contains("078-05-1120"), "what is sensitive is not repeated");
    let rows = format!(
        "{HEADER}ann@example.com,Ann,One,active,2024-01-31,Head,Mail Room,Oslo,Full Time,ann@example.com,\nshort\n"
    );
    let bad = whys(&rows, Format::Table);
    assert!(bad[0].starts_with("line 2: reports_to names the person themselves"), "{bad:?}");
    assert!(bad[1].starts_with("line 3: cannot be read"), "{bad:?}");
    assert_eq!(whys("", Format::Lines), ["the file has nobody in it"]);
    let twice = whys(&(line("a@example.com", json!({})) + &line("A@example.com", json!({}))), Format::Lines);
    assert!(twice.iter().any(|bad| bad == "line 2: email \"A@example.com\" is that of line 1 already"), "{twice:?}");
    let long = whys(&line("a@example.com", json!({ "note": "x".repeat(70_000) })), Format::Lines);
    assert_eq!(long, ["line 1: is longer than 64 KiB"]);
}

#[test]
fn a_twin_has_the_same_shape_and_no_word_of_the_people() {
    let ann = RealProfile {
        id: "7a1c0000-0000-4000-8000-00000000000a".into(),
        email: "Annalise.Keats@acme-holding.com".into(),
        first_name: "Annalise".into(),
        last_name: "Keats".into(),
        preferred_name: "Annie".into(),
        employee_id: "778123".into(),
        user_status: "active".into(),
        start_date: "2021-05-03".into(),
        job_title: "Head".into(),
        department: "Mail Room".into(),
        office: "Oslo".into(),
        employee_type: "Full Time".into(),
        direct_dial: "+47 99 88 77 66".into(),
        custom: BTreeMap::from([("t_shirt".into(), json!("XXL-green")), ("leave".into(), json!("On leave"))]),
        ..RealProfile::default()
    };
    let bob = RealProfile {
        id: "7a1c0000-0000-4000-8000-00000000000b".into(),
        email: "bob.stone@acme-holding.com".into(),
        first_name: "Bobbington".into(),
        last_name: "Stonewall".into(),
        manager: Some(ann.id.clone()),
        ..ann.clone()
    };
    let account = RealAccount {
        status: "ACTIVE".into(),
        profile: [
            ("login", json!("annalise.keats@acme-holding.com")),
            ("email", json!("annalise.keats@acme-holding.com")),
            ("firstName", json!("Annie")),
            ("lastName", json!("Keats")),
            ("displayName", json!("Annie Keats")),
            ("namelyId", json!(ann.id)),
            ("title", json!("Head")),
            ("nickName", json!("Keatsy")),
            ("primaryPhone", json!("+47 99 88 77 66")),
            ("managerId", json!("bob.stone@acme-holding.com")),
            ("manager", json!("Bobbington Stonewall")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect(),
        groups: BTreeSet::from(["Department Mail Room".to_owned()]),
    };
    let mut twin = Twin::new("namelyId", ["leave".to_owned()]);
    twin.add_profiles(&[ann, bob]);
    twin.add_groups(&account.groups);
    twin.add_account(&account);
    let text = twin.text();
    let lower = text.to_lowercase();
    for word in ["annalise", "annie", "keats", "bob", "stone", "acme", "778123", "99 88", "7a1c", "xxl", "keatsy"] {
        assert!(!lower.contains(word), "{word} is in {text}");
    }
    // What it was read as is a company of the same shape, on both sides.
    let contents = Contents::read(&text, Format::Lines).expect("a company");
    let [ann, bob] = contents.people.as_slice() else { panic!("{text}") };
    assert_eq!(
        (ann.department(), bob.manager, ann.raw["leave"].clone()),
        ("Mail Room", Some(0), Some(json!("On leave")))
    );
    let profile = &contents.accounts[0].profile;
    assert_eq!(profile["namelyId"], json!(ann.id));
    assert_eq!(profile["login"], json!(ann.email));
    assert_eq!(profile["firstName"], json!(ann.preferred_name));
    assert_eq!(profile["displayName"], json!(format!("{} {}", ann.preferred_name, ann.last_name)));
    assert_eq!((&profile["primaryPhone"], &profile["managerId"]), (&json!(ann.direct_dial), &json!(bob.email)));
    assert_eq!(profile["manager"], json!(format!("{} {}", bob.first_name, bob.last_name)));
    assert_eq!(contents.groups, BTreeSet::from(["Department Mail Room".to_owned()]));
}
