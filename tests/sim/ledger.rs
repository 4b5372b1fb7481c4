//! The real release ledger, behind a network that fails: its answers come late, or never, and what a dead process
//! asked for may be done after its death.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use protocol::{Address, BackendName, EventId, SessionId, Timestamp};
use store::{
    AllOverdue, BoxFuture, Claim, Claimed, Consent, ConsentChange, Consents, GaveUp, GiveUp, Ledger, LedgerError,
    Opened, Outcome, Record, Release, Settled,
};
use tokio::sync::oneshot;

use crate::planted::Plant;
use crate::world::World;

/// Waits for an answer of the ledger's thread, and lets nothing else happen meanwhile: so its timing cannot be seen.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

/// The ledger as a process reaches it.
pub(crate) struct Remote {
    pub(crate) world: Arc<World>,
    pub(crate) database: Opened,
}

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

fn no_answer() -> LedgerError {
    LedgerError::Unavailable(Arc::new(NoAnswer))
}

impl Remote {
    async fn perform<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.ask(move |database| work(&*database.ledger)).await
    }

    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (world, database) = (Arc::clone(&self.world), self.database.clone());
        let (answer, answered) = oneshot::channel();
        self.world.spawn(async move {
            world.travel().await;
            let is_undone = answer.is_closed() && world.dice.falls(0.5);
            if is_undone || world.hit(world.faults.ledger_away) {
                return;
            }
            let result = work(&database);
            world.travel().await;
            if !world.hit(world.faults.ledger_answer_lost) {
                let _ = answer.send(result);
            }
        });
        answered.await.unwrap_or_else(|_| Err(no_answer()))
    }

    async fn claim_for(&self, claim: Claim) -> Result<Claimed, LedgerError> {
        let session = claim.session_id.clone();
        if self.world.plant == Plant::ClaimLater {
            return Ok(self.claim_later(claim));
        }
        let world = Arc::clone(&self.world);
        let claimed = self
            .perform(move |ledger| {
                let mut asked = claim.clone();
                if world.plant == Plant::ForgetConsent {
                    asked.to = Address::Withheld;
                }
                let claimed = wait(ledger.claim(asked));
                if matches!(claimed, Ok(Claimed::Granted { .. })) && world.is_out(&claim.backend, &claim.to) {
                    world.violation(format!("{} is released to a person who opted out", claim.message_id));
                }
                world.note(format_args!("{} claims {}: {claimed:?}", claim.session_id, claim.message_id));
                match claimed {
                    Ok(Claimed::Refused { .. }) if world.plant == Plant::SecondDocument => {
                        Ok(Claimed::Again { at: claim.at, life: 0 })
                    }
                    other => other,
                }
            })
            .await;
        if claimed.is_err() {
            self.world.trouble(session.as_str(), "the ledger did not answer");
        }
        claimed
    }

    /// The planted mistake: the document is on its way before the claim.
    fn claim_later(&self, claim: Claim) -> Claimed {
        let (at, world, ledger) = (claim.at, Arc::clone(&self.world), Arc::clone(&self.database.ledger));
        self.world.spawn(async move {
            world.travel().await;
            let claimed = wait(ledger.claim(claim.clone()));
            world.note(format_args!("{} claims {} late: {claimed:?}", claim.session_id, claim.message_id));
        });
        Claimed::Granted { at, life: 0 }
    }
}

impl Ledger for Remote {
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        Box::pin(self.claim_for(claim))
    }

    fn find<'a>(&'a self, message_ids: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        let message_ids = message_ids.to_vec();
        Box::pin(self.perform(move |ledger| wait(ledger.find(&message_ids))))
    }

    fn look_up(&self, message_id: EventId) -> BoxFuture<'_, Result<Option<Record>, LedgerError>> {
        Box::pin(self.perform(move |ledger| wait(ledger.look_up(message_id))))
    }

    fn give_up(&self, give_up: GiveUp) -> BoxFuture<'_, Result<GaveUp, LedgerError>> {
        let world = Arc::clone(&self.world);
        Box::pin(self.perform(move |ledger| {
            let gave_up = wait(ledger.give_up(give_up.clone()));
            world.note(format_args!("{} is given up: {gave_up:?}", give_up.message_id));
            gave_up
        }))
    }

    fn replay(
        &self,
        message_id: EventId,
        given_up_before: Timestamp,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, LedgerError>> {
        Box::pin(self.perform(move |ledger| wait(ledger.replay(message_id, given_up_before, at))))
    }

    fn reopen<'a>(&'a self, release: &'a Release, at: Timestamp) -> BoxFuture<'a, Result<bool, LedgerError>> {
        let release = release.clone();
        Box::pin(self.perform(move |ledger| wait(ledger.reopen(&release, at))))
    }

    fn commanded(&self, message_id: EventId, reopened_at: Timestamp) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.perform(move |ledger| wait(ledger.commanded(message_id, reopened_at))))
    }

    fn find_by_session<'a>(
        &'a self,
        backend: &'a BackendName,
        session_id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        let (backend, session_id) = (backend.clone(), session_id.clone());
        Box::pin(self.perform(move |ledger| wait(ledger.find_by_session(&backend, &session_id))))
    }

    fn settle<'a>(
        &'a self,
        message_id: EventId,
        session_id: &'a SessionId,
        outcome: Outcome,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Settled, LedgerError>> {
        let (world, session_id) = (Arc::clone(&self.world), session_id.clone());
        Box::pin(self.perform(move |ledger| {
            let settled = wait(ledger.settle(message_id, &session_id, outcome, at));
            world.note(format_args!("{message_id} of {session_id} is {outcome:?}: {settled:?}"));
            settled
        }))
    }

    fn overdue<'a>(
        &'a self,
        backend: &'a BackendName,
        released_before: Timestamp,
        limit: u32,
    ) -> BoxFuture<'a, Result<AllOverdue, LedgerError>> {
        let backend = backend.clone();
        Box::pin(self.perform(move |ledger| wait(ledger.overdue(&backend, released_before, limit))))
    }

    fn count(&self) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.perform(|ledger| wait(ledger.count())))
    }

    fn prune(&self, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(self.perform(move |ledger| wait(ledger.prune(before, limit))))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.perform(|ledger| wait(ledger.ping())))
    }
}

impl Consents for Remote {
    fn consent<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Option<Consent>, LedgerError>> {
        let (backend, person) = (backend.clone(), person.clone());
        Box::pin(self.ask(move |database| wait(database.consents.consent(&backend, &person))))
    }

    fn change(&self, change: ConsentChange) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(self.ask(move |database| wait(database.consents.change(change))))
    }

    fn history<'a>(
        &'a self,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<Vec<ConsentChange>, LedgerError>> {
        let (backend, person) = (backend.clone(), person.clone());
        Box::pin(self.ask(move |database| wait(database.consents.history(&backend, &person))))
    }

    fn opted_out<'a>(
        &'a self,
        after: Option<(&'a BackendName, Option<&'a Address>)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Consent>, LedgerError>> {
        let after = after.map(|(backend, person)| (backend.clone(), person.cloned()));
        Box::pin(self.ask(move |database| {
            let after = after.as_ref().map(|(backend, person)| (backend, person.as_ref()));
            wait(database.consents.opted_out(after, limit))
        }))
    }

    fn permits<'a>(
        &'a self,
        message_id: EventId,
        backend: &'a BackendName,
        person: &'a Address,
    ) -> BoxFuture<'a, Result<bool, LedgerError>> {
        let (backend, person) = (backend.clone(), person.clone());
        Box::pin(self.ask(move |database| wait(database.consents.permits(message_id, &backend, &person))))
    }
}
