//! What Tropo refuses is dead, until Tropo is mended and an operator has it sent all the same.

use serde_json::json;

use super::{Phone, Stage, tropomq, until};

impl Stage {
    /// Tropo refuses from now on, and so what these phones should get: their own words.
    pub(crate) async fn refuse(&self, phones: &[Phone], words: &str) {
        self.tropo.turn(json!({ "create_status": 403 })).await;
        for phone in phones {
            phone.text(&format!("echo {words}")).await;
        }
        until("they are dead", async || {
            let dead = self.metrics().await.settled("egress.message.send.story", "dead");
            (dead == phones.len() as u64).then_some(())
        })
        .await;
    }

    /// The same with one phone, which gets its words after all: Tropo is mended, and all that is dead is replayed.
    pub(crate) async fn refuse_and_replay(&self, phone: &Phone, words: &str) {
        self.refuse(std::slice::from_ref(phone), words).await;
        self.tropo.behave().await;
        let console = self.console_url();
        let replayed = tropomq(self.home(), &["dead", "--console", &console, "replay", "--all"]).await;
        assert!(replayed.status.success(), "{replayed:?}");
        phone.reply().await;
    }
}
