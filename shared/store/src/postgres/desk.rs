//! What the console keeps, in SQL.

use protocol::Timestamp;

use super::Postgres;
use crate::LedgerError;
use crate::desk::{Act, Desk, Digest, NumberedAct, Request, Requested, SignedIn};
use crate::ledger::BoxFuture;

impl Desk for Postgres {
    fn sign_in<'a>(&'a self, signed_in: &'a SignedIn) -> BoxFuture<'a, Result<(), LedgerError>> {
        let _ = signed_in;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn signed_in<'a>(
        &'a self,
        session: &'a Digest,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<SignedIn>, LedgerError>> {
        let _ = session;
        let _ = now;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn sign_out<'a>(&'a self, session: &'a Digest) -> BoxFuture<'a, Result<(), LedgerError>> {
        let _ = session;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn request<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Requested, LedgerError>> {
        let _ = request;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn note_act<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, Result<(), LedgerError>> {
        let _ = act;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn acts(&self, before: Option<i64>, limit: u32) -> BoxFuture<'_, Result<Vec<NumberedAct>, LedgerError>> {
        let _ = before;
        let _ = limit;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
    fn forget_desk(&self, now: Timestamp, before: Timestamp, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        let _ = now;
        let _ = before;
        let _ = limit;
        Box::pin(async { Err(LedgerError::unavailable(std::io::Error::other("not written yet"))) })
    }
}
