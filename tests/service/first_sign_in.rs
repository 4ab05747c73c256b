//! What a joiner signs in with on the first day reaches the manager, or IT, and nothing else.

use crate::common::mailbox::{Mail, Mailbox};
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Hr, Person};
use namely_okta_sync::sandbox::world::today;
use namely_okta_sync::store::{Store, retry, starters};
use std::time::Duration;

async fn world(onboarding: &str, mails: &Mailbox) -> Rig {
    looking_every(None, onboarding, mails).await
}

/// The same, of a company that is looked at so often.
async fn looking_every(every: Option<Duration>, onboarding: &str, mails: &Mailbox) -> Rig {
    let mut rig = Rig::new(Setup::of(12));
    rig.poll_every = every;
    rig.variables = vec![("MAIL".into(), mails.start())];
    rig.extra = format!(
        "[onboarding]\nchannel = \"it\"\n{onboarding}\n[[notify]]\nname = \"it\"\nkind = \"mail\"\nserver = \"env:MAIL\"\n\
         from = \"sync@example.com\"\nto = [\"it@example.com\"]\nevents = [\"hold\"]\n"
    );
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    rig
}

fn a_hire(rig: &Rig) -> Person {
    Person {
        email: "joiner@example.com".into(),
        manager: Some(0),
        ..Hr::new(31, today(rig.world.clock.now())).joiner(1)
    }
}

/// What the account of somebody can be signed in to with for the first time.
fn valid(rig: &Rig, person: &Person) -> Option<String> {
    let okta = rig.world.okta.core();
    let user = okta.user_by_anchor(&person.id)?;
    assert_ne!(user.status, Status::Staged, "{user:?}");
    user.sign_in.clone()
}

/// The store as it lies in the folder, with everything beside it.
fn is_anywhere(rig: &Rig, secret: &str) -> bool {
    let files = std::fs::read_dir(rig.folder.path()).expect("reads").flatten();
    let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
    files.filter_map(|file| std::fs::read(file.path()).ok()).any(|bytes| has(&bytes))
}

#[test]
fn an_activation_link_goes_to_the_manager_once_and_is_nowhere_else() {
    on_a_system(async {
        let mails = Mailbox::default();
        let rig = world("activation = \"manager\"", &mails).await;
        let (person, manager) = (a_hire(&rig), rig.setup.people[0].email.to_lowercase());
        rig.hire(person.clone());
        rig.until("the mail is there", async |_| !mails.mails().is_empty()).await;
        rig.quiet().await;
        let sent = mails.mails();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].to.len() == 1 && sent[0].to[0].contains(&manager), "{sent:?}");
        let link = valid(&rig, &person).expect("a link is valid");
        assert!(sent[0].text.contains(&link) && sent[0].text.contains(&person.last_name), "{sent:?}");
        assert!(!is_anywhere(&rig, &link), "stored, logged or audited");
        let (rules, now) = (rig.store().rules().load(), rig.world.clock.now());
        let reader = Store::reader(rig.store().place()).expect("opens");
        let found = starters(&reader, &rules, "sandbox", 14, now).expect("reads");
        let found = found.iter().find(|one| one.profile == person.id);
        assert!(
            found.is_none_or(|one| !one.can_sign_in && one.note.contains("was sent to their manager")),
            "{found:?}"
        );
        let calls: Vec<String> = rig.effects().into_iter().filter(|call| call.contains("/lifecycle/")).collect();
        assert!(calls.len() == 2 && calls[1].ends_with("/reactivate"), "{calls:?}");
    });
}

#[test]
fn after_a_start_nothing_is_sent_before_the_company_was_read_as_a_whole_and_then_it_is() {
    on_a_system(async {
        let mails = Mailbox::default();
        let rig = looking_every(Some(Duration::from_secs(60)), "activation = \"manager\"", &mails).await;
        mails.refuse(true);
        let person = a_hire(&rig);
        rig.hire(person.clone());
        let waits = async |words: &'static str| {
            rig.until(words, async |rig| rig.quarantined().await.iter().any(|(_, why)| why.contains(words))).await;
        };
        waits("whoever looks after that mailbox").await;
        mails.refuse(false);
        let now = rig.world.clock.now();
        let restarted = rig.store().run(move |c| {
            c.execute("UPDATE meta SET value = '0' WHERE key LIKE 'walked in run %'", [])?;
            retry(c, None, &decider("Ann"), now)
        });
        restarted.await.expect("asks");
        waits("is read as a whole, after the start").await;
        assert!(mails.mails().is_empty());
        rig.until("the mail is there", async |_| !mails.mails().is_empty()).await;
    });
}

#[test]
fn what_could_not_be_sent_is_made_anew_which_makes_the_one_before_void() {
    on_a_system(async {
        let mails = Mailbox::default();
        let rig = world("activation = \"tac\"\ntac_authenticator = \"aut1\"", &mails).await;
        mails.refuse(true);
        let person = Person { manager: None, ..a_hire(&rig) };
        rig.hire(person.clone());
        let made =
            |rig: &Rig| rig.effects().iter().filter(|call| call.ends_with("/authenticator-enrollments/tac")).count();
        rig.until("a code was made", async |rig| made(rig) > 0).await;
        let first = valid(&rig, &person);
        rig.until("it is made anew", async |rig| made(rig) > 1).await;
        rig.until("it is said who can mend it", async |rig| {
            rig.quarantined().await.iter().any(|(_, why)| why.contains("whoever looks after that mailbox"))
        })
        .await;
        mails.refuse(false);
        // From the second refusal on it is tried more and more rarely.
        rig.world.clock.clone().jump(Duration::from_secs(15 * 60));
        rig.until("the mail is there", async |_| !mails.mails().is_empty()).await;
        rig.quiet().await;
        let (sent, code) = (mails.mails(), valid(&rig, &person).expect("a code is valid"));
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].to[0].contains("it@example.com"), "{sent:?}");
        assert!(made(&rig) > 1 && first.as_ref() != Some(&code) && sent[0].text.contains(&code), "{first:?} {sent:?}");
        assert!(!is_anywhere(&rig, &code), "stored, logged or audited");
        let said = rig.pairs("SELECT kind, row FROM audit WHERE kind = 'effect'").await;
        assert!(said.iter().any(|(_, row)| row.contains("could not be sent, and is made anew")), "{said:?}");
    });
}

/// Mails with something to sign in with.
fn given(mails: &Mailbox) -> Vec<Mail> {
    mails.mails().into_iter().filter(|mail| mail.text.contains("First sign-in")).collect()
}

#[test]
fn nothing_to_sign_in_with_goes_to_a_manager_whose_last_day_is_over_while_that_is_held() {
    on_a_system(async {
        let mails = Mailbox::default();
        let held = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\n";
        let rig = world(&format!("activation = \"manager\"\n{held}"), &mails).await;
        let yesterday = today(rig.world.clock.now()).yesterday().expect("a day").yesterday().expect("a day");
        rig.edit(0, |p| p.departure_date = Some(yesterday));
        rig.until("their end is held", async |rig| {
            rig.pairs("SELECT CAST(count(*) AS TEXT), '' FROM risk WHERE hold IS NOT NULL").await[0].0 != "0"
        })
        .await;
        let manager = rig.world.okta.core().user_by_anchor(&rig.setup.people[0].id).expect("an account").status;
        assert_eq!(manager, Status::Active, "nobody has decided");
        rig.hire(a_hire(&rig));
        rig.until("the mail is there", async |_| given(&mails).len() == 1).await;
        assert!(given(&mails)[0].to[0].contains("it@example.com"), "{:?}", given(&mails));
    });
}

#[test]
fn nothing_to_sign_in_with_goes_to_a_manager_who_has_left_or_to_an_address_that_okta_does_not_have() {
    on_a_system(async {
        let mails = Mailbox::default();
        let held = "[[safeguards.limits]]\nchange = \"change_login\"\npeople = 0\n\n[termination]\ngrace = \"720h\"\n";
        let rig = world(&format!("activation = \"manager\"\n{held}"), &mails).await;
        let known = rig.setup.people[0].email.to_lowercase();
        rig.edit(0, |p| p.email = "evil@elsewhere.example".into());
        rig.until("the address is held", async |rig| {
            let sql = "SELECT CAST(count(*) AS TEXT), '' FROM risk WHERE hold IS NOT NULL";
            rig.pairs(sql).await[0].0 != "0"
        })
        .await;
        rig.hire(a_hire(&rig));
        rig.until("the mail is there", async |_| given(&mails).len() == 1).await;
        assert!(given(&mails)[0].to[0].contains(&known), "as Okta has it: {:?}", given(&mails));
        rig.edit(0, |p| p.status = namely_okta_sync::sandbox::population::Status::Inactive);
        rig.until_okta("the manager is suspended", |okta| {
            okta.user_by_anchor(&rig.setup.people[0].id).is_some_and(|user| user.status == Status::Suspended)
        })
        .await;
        let second =
            Person { email: "second@example.com".into(), ..Hr::new(32, today(rig.world.clock.now())).joiner(1) };
        rig.hire(Person { manager: Some(0), ..second });
        rig.until("the second mail is there", async |_| given(&mails).len() == 2).await;
        assert!(given(&mails)[1].to[0].contains("it@example.com"), "{:?}", given(&mails));
    });
}

#[test]
fn a_mail_server_that_takes_less_only_is_sent_nothing_that_has_no_link_in_it_and_the_joiner_waits() {
    on_a_system(async {
        let mails = Mailbox::default();
        let rig = world("activation = \"manager\"", &mails).await;
        // Headers and one line would fit, what somebody signs in with would not.
        mails.take_at_most(Some(600));
        let person = a_hire(&rig);
        rig.hire(person.clone());
        rig.until("it was sent twice in vain", async |_| mails.too_large() >= 2).await;
        assert!(mails.mails().is_empty(), "a part of it is of no use: {:?}", mails.mails());
        rig.until("the audit says that it is made anew", async |rig| {
            let rows = rig.pairs("SELECT kind, row FROM audit WHERE kind = 'effect'").await;
            rows.iter().any(|(_, row)| row.contains("could not be sent, and is made anew"))
        })
        .await;
        let link = valid(&rig, &person).expect("a link is valid");
        assert!(!is_anywhere(&rig, &link), "stored, logged or audited");
        mails.take_at_most(None);
        rig.until("the whole mail is there", async |_| !mails.mails().is_empty()).await;
        rig.quiet().await;
        assert_eq!(rig.quarantined().await, [], "it heals by itself");
        let (sent, link) = (mails.mails(), valid(&rig, &person).expect("a link is valid"));
        assert!(sent.len() == 1 && sent[0].text.contains(&link), "{sent:?}");
    });
}
