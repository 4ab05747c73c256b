//! What people were told of already: a cause is told once, however often somebody is tried again.

use super::audit_log::filter_audit;
use super::engine::Tx;
use super::{Filter, StoreError};
use crate::audit::{Event, Row};

/// Whether a row says that somebody is quarantined for the reason for which they were before, and they were not done in between.
pub(crate) fn is_repeated(c: &Tx, row: &Row) -> Result<bool, StoreError> {
    let (Event::Quarantined(now), Some(target)) = (&row.event, row.target) else { return Ok(false) };
    let kinds = ["quarantined", "done"].map(str::to_owned).to_vec();
    let mut before = None;
    filter_audit(c, &Filter { targets: vec![target], kinds, ..Filter::default() }, |stored| {
        if stored.seq < row.seq {
            before = Some(Row::read(&stored.text)?.event);
        }
        Ok(())
    })?;
    Ok(matches!(before, Some(Event::Quarantined(before)) if before.why == now.why))
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::audit::Record;
    use crate::audit::details::{Done, Quarantined};
    use crate::store::{append, read_audit};

    #[tokio::test]
    async fn a_reason_is_news_once_and_again_when_it_has_become_another_one_or_was_mended_in_between() {
        let world = World::new().await;
        let waits = |why: &str| Event::Quarantined(Quarantined { why: why.into() });
        let done = Event::Done(Done { decided: None, remark: None, took_ms: 1 });
        let events = [waits("a"), waits("a"), waits("b"), waits("a"), done, waits("a"), waits("a")];
        let now = world.now;
        let written = world.store.run(move |c| {
            for event in events {
                append(c, &Record::about(7, "main".into(), now, event))?;
                append(c, &Record::about(8, "main".into(), now, waits("a")))?;
            }
            let rows = read_audit(c, 0, 100)?;
            let rows = rows.iter().map(|row| Ok(Row::read(&row.text)?)).collect::<Result<Vec<_>, StoreError>>()?;
            let of = rows.iter().filter(|row| row.target == Some(7));
            of.map(|row| is_repeated(c, row)).collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(written.await.expect("reads"), [false, true, false, false, false, false, true]);
    }
}
