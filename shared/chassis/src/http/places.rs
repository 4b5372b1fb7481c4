//! The places of a listener: so many connections at once, and who gives up a place when others wait for one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::paced::Progress;

/// The share of its idle time that a connection has before it is closed for another. A client that uses its connections
/// all the time may have sent the next request already, and would not know what became of it.
const IDLE_SHARE: u32 = 4;

/// How often who waits for a place looks for such a connection.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The places of one listener.
///
/// A connection that is only kept for the next request gives up its place when another waits: the one that has been
/// idle longest, and one that is busy with the end of its answer.
#[derive(Debug)]
pub(super) struct Places {
    idle_min: Duration,
    room: Arc<Semaphore>,
    taken: Mutex<BTreeMap<u64, Holder>>,
    next: AtomicU64,
    waited_for: AtomicBool,
}

#[derive(Debug)]
struct Holder {
    progress: Progress,
    leave: CancellationToken,
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    pub(super) progress: Progress,
    /// Cancelled when it has to be given up.
    pub(super) leave: CancellationToken,
    _room: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(connections_max: usize, idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            idle_min: idle_timeout / IDLE_SHARE,
            room: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
            taken: Mutex::default(),
            next: AtomicU64::default(),
            waited_for: AtomicBool::default(),
        })
    }

    /// A place, once there is one; `None` when there will be none.
    ///
    /// # Cancel safety
    /// Safe: at worst an idle connection was closed for nobody.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Place> {
        let room = match Arc::clone(&self.room).try_acquire_owned() {
            Ok(room) => room,
            Err(_) => self.wait().await?,
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (progress, leave) = (Progress::default(), CancellationToken::new());
        self.lock().insert(number, Holder { progress: progress.clone(), leave: leave.clone() });
        Some(Place { places: Arc::clone(self), number, progress, leave, _room: room })
    }

    /// Waits for room; `None` when nobody listens any more.
    async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        self.waited_for.store(true, Ordering::SeqCst);
        let _waiting = Waiting(self);
        loop {
            self.close_idlest();
            tokio::select! {
                biased;
                room = Arc::clone(&self.room).acquire_owned() => return room.ok(),
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    fn close_idlest(&self) {
        let taken = self.lock();
        let idle = taken.values().filter_map(|holder| Some((holder.progress.idle_for()?, &holder.leave)));
        let old = idle.filter(|(idle_for, leave)| self.idle_min <= *idle_for && !leave.is_cancelled());
        if let Some((_, leave)) = old.max_by_key(|(idle_for, _)| *idle_for) {
            leave.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Holder>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether another connection waits for a place.
    pub(super) fn is_wanted(&self) -> bool {
        self.places.waited_for.load(Ordering::SeqCst)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(&self.number);
    }
}

struct Waiting<'a>(&'a Places);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waited_for.store(false, Ordering::SeqCst);
    }
}
