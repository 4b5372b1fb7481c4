//! Two of each service on one RabbitMQ.

use crate::crowd::{assert_answered, patient, text_all};
use crate::stage::{Bus, NUMBER, OTHER_NUMBER, Setup};

/// Half of the texts come in at one ingress, half at the other. A message may be launched by one egress and called back
/// for at the other.
#[tokio::test]
async fn two_replicas_of_each_service_share_the_work() {
    let stage = patient(Setup::new(Bus::RabbitMq).replicas(2)).start().await;
    let phones = stage.phones(50);
    let texts = text_all(&phones, 10, |index| if index % 2 == 0 { NUMBER } else { OTHER_NUMBER }).await;
    for phone in &phones {
        phone.received(10).await;
    }
    stage.settle().await;
    assert_answered(&phones, &texts).await;
    let metrics = stage.metrics().await;
    assert_eq!(metrics.published("message.sent"), 500);
    assert_eq!(metrics.sum("tropomq_ledger_claims_total", &[("tropomq_claim", "granted")]), 500);
    for replica in 0..2 {
        let of = async |service: &str| stage.metrics_of(&format!("{service}-{replica}")).await;
        assert_eq!(of("ingress").await.published("message.received"), 250);
        let egress = of("egress").await;
        assert!(0 < egress.settled("egress.message.send.", "handled"), "egress-{replica} sent nothing");
        assert!(0 < egress.settled("egress.session.result", "handled"), "egress-{replica} took no result");
        assert!(0 < egress.sum("tropomq_ledger_claims_total", &[]), "egress-{replica} was not called back");
    }
}
