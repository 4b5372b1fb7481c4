//! The ledger, the account, the journal, and what is known of people, on real databases.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in a test a panic is the report")]

/// Makes of each contract a test on each database.
macro_rules! on_both {
    ($($contract:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::$contract(super::Place::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::$contract(super::Place::postgres()).await;
            })+
        }
    };
}

/// Makes of each contract a test on each database, and on each as a newer version leaves it, whose steps only add: what
/// an older process meets in a rolling update, and after a roll-back.
macro_rules! on_all {
    ($($contract:ident),+ $(,)?) => {
        on_both!($($contract),+);
        mod newer_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::$contract(super::Place::sqlite().added_to().await).await;
            })+
        }
        mod newer_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::$contract(super::Place::postgres().added_to().await).await;
            })+
        }
    };
}

mod accounts;
mod consents;
mod contract;
mod desk;
mod journal;
mod lives;
mod memories;
mod model;
mod place;
mod postgres;
mod sqlite;
mod upgrade;
