//! The bus on RabbitMQ keeps every contract, and survives what only a broker can do to it.

mod access;
mod faults;
mod network;
mod sharing;
mod topology;

use lapin::options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use messaging::BusUrl;
use protocol::topology::QueueName;
use testkit::Vhost;

use crate::running::{Place, within};

/// A virtual host that goes when it is dropped.
impl Place for Vhost {
    fn fresh() -> Self {
        testkit::vhost().unwrap()
    }

    fn url(&self) -> BusUrl {
        Vhost::url(self).parse().unwrap()
    }

    async fn refuse(&self, routing_key: &str) -> Option<QueueName> {
        let other = OtherClient::connect(Vhost::url(self)).await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(10));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        other.declare("soon full", arguments).await;
        other.bind("soon full", routing_key).await;
        Some("soon full".into())
    }
}

/// A client that is not ours.
struct OtherClient {
    channel: Channel,
    _connection: Connection,
}

impl OtherClient {
    async fn connect(url: &str) -> Self {
        let connecting = Connection::connect(url, ConnectionProperties::default());
        let connection = within("another connection", connecting).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        Self { channel, _connection: connection }
    }

    /// A durable classic queue.
    async fn declare(&self, name: &str, arguments: FieldTable) {
        self.channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    }

    /// Binds a queue to the exchange that everything is published to.
    async fn bind(&self, name: &str, key: &str) {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        self.channel.queue_bind(name.into(), "tropomq".into(), key.into(), options, arguments).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        self.channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    }
}

mod contracts {
    use testkit::Vhost;

    crate::contracts::keeps_every_contract!(Vhost);
}
