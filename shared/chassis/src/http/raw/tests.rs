use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What comes out when these bytes come in, whole.
fn mended(bytes: &[u8]) -> Vec<u8> {
    mended_in_pieces(bytes, bytes.len().max(1))
}

fn mended_in_pieces(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut mender = Mender { place: Place::FirstLine, line: Vec::new(), line_bytes_max: 200 };
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        mender.mend(piece, &mut out);
    }
    mender.give_up(&mut out);
    out
}

#[track_caller]
fn check(sent: &str, expected: &str) {
    for size in [1, 2, 7, sent.len()] {
        let out = mended_in_pieces(sent.as_bytes(), size);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "in pieces of {size}");
    }
}

#[test]
fn what_a_target_may_not_hold_is_encoded() {
    check(
        "GET /s?m=5 > 3 é#1 \"<a>\" {b|c}\\^`\t HTTP/1.1\r\n\r\n",
        "GET /s?m=5%20%3E%203%20%C3%A9%231%20%22%3Ca%3E%22%20%7Bb%7Cc%7D%5C%5E%60%09 HTTP/1.1\r\n\r\n",
    );
    check("HEAD /a b HTTP/1.0\n\n", "HEAD /a%20b HTTP/1.0\n\n");
    check("GET  /a  b HTTP/1.1\r\n\r\n", "GET  /a%20%20b HTTP/1.1\r\n\r\n");
    check("GET /?m=HTTP/1.1 HTTP/1.1 HTTP/1.1\r\n\r\n", "GET /?m=HTTP/1.1%20HTTP/1.1 HTTP/1.1\r\n\r\n");
}

#[test]
fn what_a_target_may_hold_is_not_touched() {
    for right in [
        "GET /a-._~:/?[]@!$&'()*+,;=%20%zz HTTP/1.1\r\nHost: é#x\r\n\r\n",
        "GET http://host:80/a HTTP/1.1\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/2.0\r\n\r\n",
        "GET /a b HTTP/1.12\r\n\r\n",
        "GET /a b\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "GET",
        "GETTER /a b HTTP/1.1\r\n\r\n",
        "PUT /a b HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1} HTTP/1.1\r\n",
    ] {
        check(right, right);
    }
}

#[test]
fn requests_that_follow_one_another_are_all_mended() {
    let (bad, good) = ("GET /a b HTTP/1.1\r\nHost: x y\r\ncontent-length: 0\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n");
    let mended = bad.replace("a b", "a%20b");
    check(&format!("{bad}{good}\r\n{bad}"), &format!("{mended}{good}\r\n{mended}"));
}

#[test]
fn from_the_first_body_on_nothing_is_touched() {
    let bad = "GET /a b HTTP/1.1\r\n\r\n";
    for header in ["Content-Length: 21", "content-length:21", "TRANSFER-ENCODING : chunked"] {
        check(
            &format!("GET /c d HTTP/1.1\r\n{header}\r\nx: y\r\n\r\n{bad}"),
            &format!("GET /c%20d HTTP/1.1\r\n{header}\r\nx: y\r\n\r\n{bad}"),
        );
    }
    let posted = format!("POST /a b HTTP/1.1\r\nContent-Length: 21\r\n\r\n{bad}{bad}");
    check(&format!("{bad}{posted}"), &format!("{}{posted}", bad.replace("a b", "a%20b")));
}

#[test]
fn another_method_waits_for_no_line_to_end() {
    let mut mender = Mender { place: Place::FirstLine, line: Vec::new(), line_bytes_max: 200 };
    let mut out = Vec::new();
    mender.mend(b"\r\nPO", &mut out);
    assert_eq!((out.as_slice(), mender.place), (b"\r\nPO".as_slice(), Place::Through));
}

#[test]
fn a_line_that_is_too_long_goes_through_and_ends_it() {
    for line in
        [format!("GET /{} HTTP/1.1\r\n", "a b".repeat(100)), format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(300))]
    {
        check(&format!("{line}\r\nGET /a b HTTP/1.1\r\n\r\n"), &format!("{line}\r\nGET /a b HTTP/1.1\r\n\r\n"));
    }
}

#[tokio::test]
async fn a_socket_ends_when_its_peer_does() {
    for (sent, expected) in [("", ""), ("GET /a b", "GET /a b"), ("GET /a b HTTP/1.1\r\n", "GET /a%20b HTTP/1.1\r\n")] {
        let (mut client, server) = tokio::io::duplex(3);
        let mut server = Mended::new(server, 200);
        let mut read = String::new();
        let write = async {
            client.write_all(sent.as_bytes()).await.unwrap();
            drop(client);
        };
        let ((), ended) = tokio::join!(write, server.read_to_string(&mut read));
        ended.unwrap();
        assert_eq!(read, expected);
    }
}

proptest! {
    #[test]
    fn pieces_make_no_difference_and_nothing_is_lost(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("GET /a b".to_owned()), Just(" HTTP/1.1\r\n".to_owned()), Just("\r\n".to_owned()), Just("POST ".to_owned()),
                Just("content-length: 3\r\n".to_owned()), Just("\n".to_owned()), "[ -~é]{0,9}",
            ],
            0..12,
        ),
        size in 1_usize..40,
    ) {
        let sent = parts.concat().into_bytes();
        let whole = mended(&sent);
        prop_assert_eq!(&mended_in_pieces(&sent, size), &whole);
        // Escapes are all that was added.
        let plain = |bytes: &[u8]| {
            let mut plain = Vec::new();
            let mut rest = bytes;
            while let [first, tail @ ..] = rest {
                let escaped = std::str::from_utf8(tail.get(..2).unwrap_or_default());
                match escaped.ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(byte) if *first == b'%' => {
                        plain.push(byte);
                        rest = &tail[2..];
                    }
                    _ => {
                        plain.push(*first);
                        rest = tail;
                    }
                }
            }
            plain
        };
        prop_assert_eq!(plain(&whole), plain(&sent));
    }
}
