//! Confirmed publishing: one task owns the channel, and has many messages unconfirmed at once.

use anyhow::{Context, bail};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{mpsc, oneshot};

/// How many messages may be unconfirmed.
const WINDOW: usize = 256;

/// A message that does not outlive the broker would be no promise.
const PERSISTENT: u8 = 2;

struct Publish {
    queue: &'static str,
    body: Vec<u8>,
    confirmed: oneshot::Sender<()>,
}

/// Hands messages to the task.
pub(crate) struct Publisher(mpsc::Sender<Publish>);

impl Publisher {
    /// A publisher, and the work that goes on as long as it shall publish.
    pub(crate) async fn start(
        channel: Channel,
    ) -> anyhow::Result<(Self, impl Future<Output = anyhow::Result<()>> + Send)> {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (sender, receiver) = mpsc::channel(WINDOW);
        Ok((Self(sender), publish_all(channel, receiver)))
    }

    /// Publishes to a queue, and waits for the confirm.
    pub(crate) async fn publish(&self, queue: &'static str, body: Vec<u8>) -> anyhow::Result<()> {
        let (confirmed, confirm) = oneshot::channel();
        self.0.send(Publish { queue, body, confirmed }).await.ok().context("the publisher ended")?;
        confirm.await.context("it was not confirmed")
    }
}

async fn publish_all(channel: Channel, mut publishes: mpsc::Receiver<Publish>) -> anyhow::Result<()> {
    let mut unconfirmed = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(confirmed) = unconfirmed.next() => confirmed?,
            publish = publishes.recv(), if unconfirmed.len() < WINDOW => {
                let publish = publish.context("nobody publishes")?;
                unconfirmed.push(publish_one(&channel, publish));
            }
        }
    }
}

async fn publish_one(channel: &Channel, Publish { queue, body, confirmed }: Publish) -> anyhow::Result<()> {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let sent =
        channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), &body, properties).await?;
    let Confirmation::Ack(_) = sent.await? else { bail!("the broker refused a message") };
    // Who published may be gone.
    let _ = confirmed.send(());
    Ok(())
}
