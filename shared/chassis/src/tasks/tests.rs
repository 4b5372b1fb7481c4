use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const LONG: Duration = Duration::from_secs(10);

async fn first_failure(on_end: OnEnd, future: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> String {
    let tasks = Tasks::new(Shutdown::new());
    tasks.spawn("lane", on_end, future);
    let joined = tokio::time::timeout(LONG, tasks.join(LONG)).await.expect("shutdown was requested");
    format!("{:#}", joined.unwrap_err())
}

#[tokio::test]
async fn an_essential_task_that_ends_stops_the_process_and_is_named() {
    let cause = async { Err(anyhow!("disk full").context("write")) };
    assert_eq!(first_failure(OnEnd::Essential, cause).await, "task lane: write: disk full");
    assert_eq!(first_failure(OnEnd::Essential, async { Ok(()) }).await, "task lane: ended before it was asked to");
    let panic = async { panic!("no {}", "way") };
    assert_eq!(first_failure(OnEnd::Essential, panic).await, "task lane: panicked: no way");
}

#[tokio::test]
async fn a_helper_that_ends_stops_nothing() {
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    tasks.spawn("broken", OnEnd::Helper, async { Err(anyhow!("disk full")) });
    tasks.spawn("panics", OnEnd::Helper, async { panic!("no way") });
    tasks.spawn("done", OnEnd::Helper, async { Ok(()) });
    let until_all_ended = async {
        tasks.inner.tracker.close();
        tasks.inner.tracker.wait().await;
    };
    tokio::time::timeout(LONG, until_all_ended).await.unwrap();
    assert!(!shutdown.is_requested());
    shutdown.request();
    tasks.join(LONG).await.unwrap();
}

#[tokio::test]
async fn tasks_finish_what_they_have_in_hand() {
    static FINISHED: AtomicBool = AtomicBool::new(false);
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    let (asked, nested) = (shutdown.clone(), tasks.clone());
    tasks.spawn("works", OnEnd::Essential, async move {
        asked.requested().await;
        nested.spawn("last", OnEnd::Helper, async {
            tokio::task::yield_now().await;
            FINISHED.store(true, Ordering::SeqCst);
            Ok(())
        });
        Ok(())
    });
    shutdown.request();
    tasks.join(LONG).await.unwrap();
    assert!(FINISHED.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_task_that_does_not_stop_is_aborted_at_the_deadline() {
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    tasks.spawn("stuck", OnEnd::Essential, pending());
    tasks.spawn("helper", OnEnd::Helper, pending());
    shutdown.request();
    let joined = tokio::time::timeout(LONG, tasks.join(Duration::from_millis(20))).await.unwrap();
    assert_eq!(format!("{:#}", joined.unwrap_err()), "task stuck: did not stop in time");
}

#[tokio::test]
async fn the_first_failure_is_the_one_that_is_told() {
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    let asked = shutdown.clone();
    tasks.spawn("second", OnEnd::Essential, async move {
        asked.requested().await;
        Err(anyhow!("late"))
    });
    tasks.spawn("first", OnEnd::Essential, async { Err(anyhow!("early")) });
    let joined = tokio::time::timeout(LONG, tasks.join(LONG)).await.unwrap();
    assert_eq!(format!("{:#}", joined.unwrap_err()), "task first: early");
}

#[tokio::test]
async fn a_crowd_is_waited_for_and_then_dropped() {
    let crowd = Crowd::default();
    crowd.spawn(async {});
    crowd.spawn(pending());
    crowd.spawn(pending());
    let dropped = tokio::time::timeout(LONG, crowd.drain(Duration::from_millis(100))).await.unwrap();
    assert_eq!(dropped, 2);
}
