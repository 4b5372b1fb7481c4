//! A rolling restart under load, as a new version is brought in.

use crate::stage::{Bus, Setup};
use crate::steady::Load;

/// One replica after the other is asked to stop, and started again once it has: nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_refuses_and_repeats_nothing() {
    let mut stage = Setup::new(Bus::RabbitMq).replicas(2).balanced().start().await;
    let load = Load::begin(&stage);
    for service in ["egress", "router", "ingress"] {
        for replica in 0..2 {
            let service = stage.service(&format!("{service}-{replica}"));
            let status = service.terminate().await;
            assert_eq!(status.code(), Some(0), "{} did not stop in good order", service.name());
            service.start();
            service.ready().await;
        }
    }
    let told = load.end(&stage).await;
    assert_eq!((told.refused, told.unanswered), (0, vec![]));
    assert!(50 < told.accepted, "too few texts to tell anything");
}
