//! A socket that waits for its peer only so long.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::limits::Limits;

/// How long a connection is kept after its last byte was written, for the peer to read it.
const LINGER: Duration = Duration::from_secs(1);
/// How many bytes are thrown away meanwhile, at most.
const LINGER_BYTES: usize = 1 << 20;

/// From when the moments are counted at which connections become idle.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a connection is doing, so far as its peer's pace is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Stage {
    /// Headers are expected: a new connection, or a request that has begun.
    Head = 0,
    /// A request is in hand. Its body has a time of its own.
    InHand = 1,
    /// The answer is written, but perhaps not taken yet: the next request may begin.
    Idle = 2,
}

/// How far a connection is, shared by its socket and its service.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stage: AtomicU8,
    /// In milliseconds after [`BEGINNING`].
    idle_since: AtomicU64,
    cut_short: AtomicBool,
}

// One task polls both sides, so nothing else is ordered by these: `Relaxed` throughout. (Whoever looks for the idlest may
// be a moment late.)
impl Progress {
    pub(super) fn set(&self, stage: Stage) {
        if stage == Stage::Idle {
            let since = u64::try_from(BEGINNING.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.0.idle_since.store(since, Ordering::Relaxed);
        }
        self.0.stage.store(stage as u8, Ordering::Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Relaxed) {
            0 => Stage::Head,
            1 => Stage::InHand,
            _ => Stage::Idle,
        }
    }

    /// How long it has been idle, if it is.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.0.idle_since.load(Ordering::Relaxed));
        (self.stage() == Stage::Idle).then(|| BEGINNING.elapsed().saturating_sub(since))
    }

    /// The rest of a request will not be read.
    pub(super) fn cut_short(&self) {
        self.0.cut_short.store(true, Ordering::Relaxed);
    }

    fn is_cut_short(&self) -> bool {
        self.0.cut_short.load(Ordering::Relaxed)
    }
}

/// A moment to be woken at. The timer is made when it is first needed: most reads and writes need none.
#[derive(Debug, Default)]
pub(super) struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    /// Ready when that moment has come.
    pub(super) fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

/// The socket of one connection.
pub(super) struct Paced {
    stream: TcpStream,
    progress: Progress,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// Whether the peer has ever sent anything.
    received: bool,
    /// The stage that the peer is waited for in, and since when.
    reading: (Stage, Instant),
    read_deadline: Deadline,
    /// Since when the peer has not taken what was written.
    stalled: Option<Instant>,
    write_deadline: Deadline,
    /// Until when the peer may read the last of it, and how many more of its bytes are thrown away.
    lingering: Option<(Instant, usize)>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, progress: Progress, limits: &Limits) -> Self {
        Self {
            stream,
            progress,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            received: false,
            reading: (Stage::Head, Instant::now()),
            read_deadline: Deadline::default(),
            stalled: None,
            write_deadline: Deadline::default(),
            lingering: None,
        }
    }

    /// Ready with an error when the peer has been waited for too long.
    fn poll_late_reader(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let stage = self.progress.stage();
        // What is not taken yet has a time of its own, and the next request is not due before.
        if self.reading.0 != stage || self.stalled.is_some() {
            self.reading = (stage, Instant::now());
        }
        let patience = match stage {
            Stage::Head => self.header_timeout,
            Stage::Idle => self.idle_timeout,
            Stage::InHand => return Poll::Pending,
        };
        ready!(self.read_deadline.poll(self.reading.1 + patience, cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "no request in time"))
    }

    fn poll_written(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            let since = *self.stalled.get_or_insert_with(Instant::now);
            ready!(self.write_deadline.poll(since + self.write_timeout, cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "answer not taken in time")));
        }
        written
    }
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if read.is_ready() {
            let received = before < buf.filled().len();
            this.received |= received;
            // The first byte of the next request: from now on its headers are due.
            if received && this.progress.stage() == Stage::Idle {
                this.progress.set(Stage::Head);
            }
            return read;
        }
        this.poll_late_reader(cx).map(Err)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_written(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.poll_written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when it has written all it had, so a flush, and not a few bytes taken, ends a stall: a peer that
    /// takes a byte now and then is as late as one that takes none.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stalled = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes the way out, then reads on for a moment if a request was cut short: closing on bytes that were not read
    /// resets the connection, and the peer would lose the answer that says why.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let head_cut_short = this.progress.stage() == Stage::Head && this.received;
        if !head_cut_short && !this.progress.is_cut_short() {
            return Poll::Ready(Ok(()));
        }
        let (until, mut left) = this.lingering.unwrap_or_else(|| (Instant::now() + LINGER, LINGER_BYTES));
        let mut scratch = [0_u8; 4096];
        while 0 < left {
            this.lingering = Some((until, left));
            let mut buf = ReadBuf::new(&mut scratch);
            let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, &mut buf) else {
                return this.read_deadline.poll(until, cx).map(Ok);
            };
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
            left = left.saturating_sub(buf.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}
