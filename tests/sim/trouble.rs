//! The troubles of the broker as a whole.

use std::sync::Arc;

use messaging::BusState;

use crate::broker::Broker;
use crate::world::lock;

impl Broker {
    /// Now and then: connections are lost, the broker is away, or takes no messages.
    pub(crate) async fn have_troubles(self: Arc<Self>) {
        let world = Arc::clone(&self.world);
        while !world.is_calm() {
            world.rest(8000).await;
            if !world.hit(world.faults.broker_trouble) {
                continue;
            }
            let all: Vec<u64> = lock(&self.state).connections.keys().copied().collect();
            match world.dice.below(4) {
                0 => {
                    world.note(format_args!("-- the broker goes away"));
                    lock(&self.state).is_down = true;
                    all.iter().for_each(|connection| self.lose(*connection, "the broker is away"));
                    world.rest(6000).await;
                    lock(&self.state).is_down = false;
                    self.set_all(&BusState::Ready);
                }
                1 => {
                    world.note(format_args!("-- the broker takes no messages"));
                    self.set_all(&BusState::Blocked("alarm".to_owned()));
                    world.rest(6000).await;
                    self.set_all(&BusState::Ready);
                }
                _ => {
                    let index = world.dice.below(u64::try_from(all.len().max(1)).unwrap());
                    let Some(connection) = all.get(usize::try_from(index).unwrap()).copied() else { continue };
                    world.note(format_args!("-- connection #{connection} is lost"));
                    self.lose(connection, "connection lost");
                    world.rest(3000).await;
                    if let Some(known) = lock(&self.state).connections.get_mut(&connection) {
                        known.set(&BusState::Ready);
                    }
                }
            }
        }
    }

    fn set_all(&self, to: &BusState) {
        self.world.note(format_args!("-- the broker is {to:?}"));
        for connection in lock(&self.state).connections.values_mut() {
            connection.set(to);
        }
    }
}
