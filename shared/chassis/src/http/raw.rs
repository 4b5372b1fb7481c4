//! Requests of careless clients: what a request target may not hold is percent-encoded before the parser sees it.
//!
//! Clients that paste a text into a query send lines such as `GET /say?msg=5 > 3 é#1 HTTP/1.1`. The parser refuses
//! them, and no handler hears of it. The client of a stand-in cannot be mended, so its listener is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are read at once.
const READ_BYTES: usize = 4096;

/// The methods whose requests have no body, as a rule.
const BODILESS: [&[u8]; 2] = [b"GET ", b"HEAD "];

/// A socket whose requests are mended, if they are to be, as long as all of them are without a body.
pub(super) struct Mended<S> {
    socket: S,
    mender: Option<Mender>,
    /// What is mended and not taken yet, from this place on.
    ready: Vec<u8>,
    taken: usize,
}

/// Mends the first lines of requests. Bytes go in and come out, in pieces of any size.
///
/// It reads line by line where requests begin and ends one after the other, which it knows as long as none has a body.
/// From the first that has one, or that has another method than GET and HEAD, everything goes through untouched.
struct Mender {
    place: Place,
    /// The line that has begun, as far as it came.
    line: Vec<u8>,
    line_bytes_max: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Before or in the first line of a request.
    FirstLine,
    /// In its headers, which have told of a body or not.
    Headers { body: bool },
    /// Beyond what is mended.
    Through,
}

impl<S> Mended<S> {
    /// Nothing is mended.
    pub(super) fn untouched(socket: S) -> Self {
        Self { socket, mender: None, ready: Vec::new(), taken: 0 }
    }

    /// Lines of at most so many bytes are mended.
    pub(super) fn new(socket: S, line_bytes_max: usize) -> Self {
        let mender = Mender { place: Place::FirstLine, line: Vec::new(), line_bytes_max };
        Self { mender: Some(mender), ..Self::untouched(socket) }
    }

    /// Hands out what is ready; whether there was anything.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = self.ready.get(self.taken..).unwrap_or_default();
        if rest.is_empty() {
            return false;
        }
        let taken = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(taken);
        self.taken += taken.len();
        if self.taken == self.ready.len() {
            // A long line is an exception, and its memory is not kept for the next.
            self.ready = Vec::new();
            self.taken = 0;
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Mended<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            let Some(mender) = this.mender.as_mut().filter(|mender| mender.place != Place::Through) else {
                return Pin::new(&mut this.socket).poll_read(cx, buf);
            };
            // To hand out nothing would be the end, so it goes on until there is something.
            let mut bytes = [0_u8; READ_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.socket).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                mender.give_up(&mut this.ready);
            } else {
                mender.mend(read.filled(), &mut this.ready);
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mended<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Mender {
    /// Takes the next bytes, and writes those that are known to be right.
    fn mend(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() && self.place != Place::Through {
            let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.line.extend_from_slice(part);
            bytes = rest;
            let first = self.place == Place::FirstLine;
            if self.line_bytes_max < self.line.len() || (first && !may_be_bodiless(&self.line)) {
                self.give_up(out);
            } else if end.is_some() {
                self.end_line(out);
            }
        }
        out.extend_from_slice(bytes);
    }

    /// A whole line is there.
    fn end_line(&mut self, out: &mut Vec<u8>) {
        let is_blank = self.line.trim_ascii().is_empty();
        if self.place == Place::FirstLine {
            encode_target(&self.line, out);
        } else {
            out.extend_from_slice(&self.line);
        }
        self.place = match self.place {
            // Blank lines before a request are skipped, as the parser does.
            Place::FirstLine if is_blank => Place::FirstLine,
            Place::FirstLine => Place::Headers { body: false },
            Place::Headers { body: false } if is_blank => Place::FirstLine,
            Place::Headers { body: true } if is_blank => Place::Through,
            Place::Headers { body } => Place::Headers { body: body || announces_body(&self.line) },
            Place::Through => Place::Through,
        };
        self.line.clear();
    }

    /// From here on everything goes through.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.line);
        self.place = Place::Through;
    }
}

/// Whether a line that has begun so can be the first of a request without a body, or blank.
fn may_be_bodiless(line: &[u8]) -> bool {
    let begins = |method: &[u8]| line.iter().zip(method).all(|(one, other)| one == other);
    BODILESS.into_iter().any(begins) || line.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Whether a header says that a body follows.
fn announces_body(header: &[u8]) -> bool {
    let Some(colon) = header.iter().position(|byte| *byte == b':') else { return false };
    let (name, value) = header.split_at(colon);
    let name = name.trim_ascii();
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(b"transfer-encoding")
        || (name.eq_ignore_ascii_case(b"content-length") && value.iter().any(|digit| *digit != b'0'))
}

/// Writes a first line with its target encoded: what stands between the blanks after the method and the last
/// ` HTTP/1.x`. A line that is none, or that needs nothing, is written as it stands.
fn encode_target(line: &[u8], out: &mut Vec<u8>) {
    let Some((before, target, after)) = parts(line) else {
        out.extend_from_slice(line);
        return;
    };
    out.extend_from_slice(before);
    for byte in target {
        if may_stand_in_target(*byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', hex(byte >> 4), hex(byte & 0xf)]);
        }
    }
    out.extend_from_slice(after);
}

/// A first line in three parts, of which the middle one is the target.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    const VERSION: &[u8] = b" HTTP/1.";
    let end = line.windows(VERSION.len()).rposition(|window| window == VERSION)?;
    let (head, after) = line.split_at(end);
    let minor = after.get(VERSION.len()..)?.trim_ascii_end();
    let method = head.iter().position(|byte| *byte == b' ')?;
    let blanks = head.get(method..)?.iter().take_while(|byte| **byte == b' ').count();
    let (before, target) = head.split_at(method + blanks);
    (matches!(minor, [digit] if digit.is_ascii_digit()) && !target.is_empty()).then_some((before, target, after))
}

/// What RFC 3986 lets stand in a path or a query, and `%`, which may be an escape already.
fn may_stand_in_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }
}

#[cfg(test)]
mod tests;
