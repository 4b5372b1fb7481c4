//! What goes to the messaging gateway, as the debugger shows it: an RTSP ANNOUNCE that holds an MRCP SPEAK that holds
//! SSML, and the gateway's answer.

use protocol::{Address, Network, SessionId, Timestamp};

use super::wording::breaks_shown;

/// The synthesizer, and the platform's end of the connection to it.
const GATEWAY: (&str, &str) = ("10.0.0.9:10074", "10.0.0.8:59469");

/// A session's connection to the gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    rtsp_session: String,
    /// Ends every line: the two sessions and the two addresses.
    tail: String,
    cseq: u32,
    /// The SPEAK request's id, which counts over all sessions.
    first_speak: u64,
}

/// One message to the gateway.
pub(crate) struct Speak<'a> {
    pub(crate) from: &'a Address,
    pub(crate) to: &'a Address,
    pub(crate) network: &'a Network,
    pub(crate) bot_key: &'a str,
    pub(crate) text: &'a str,
}

impl Gateway {
    /// The connection of a session, the `count`th of all, that began at a time.
    pub(crate) fn new(id: &SessionId, began: Timestamp, count: u64, application: usize, account: &str) -> Self {
        let high = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [left, right] = [high >> 32, high & 0xffff_ffff];
        let rtsp_session = format!("{}-{left:08x}-{right:08x}-{count:08x}", began.as_millisecond());
        let (synthesizer, platform) = GATEWAY;
        let tail = format!("#[{rtsp_session}][{synthesizer}][{platform}][{id}][{application}][{account}]");
        Self { rtsp_session, tail, cseq: 3, first_speak: 141_650_000 + count * 100 }
    }

    /// The lines of one message: what is sent, and the gateway's word that it is on its way.
    pub(crate) fn speak(&mut self, speak: &Speak<'_>) -> [String; 2] {
        let Self { rtsp_session, tail, cseq, first_speak } = &*self;
        let (synthesizer, _) = GATEWAY;
        let id = first_speak + u64::from(cseq.saturating_sub(2));
        let mrcp = speak.mrcp(id);
        let announce = format!(
            "ANNOUNCE rtsp://{synthesizer}/synthesizer/ RTSP/1.0\r\nCseq: {cseq}\r\nSession: {rtsp_session}\r\n\
             Content-Type: application/mrcp\r\nContent-Length: {}\r\n\r\n{mrcp}",
            mrcp.len()
        );
        let mrcp = format!("MRCP/1.0 {id} 200 IN-PROGRESS\r\n\r\n");
        let answer = format!(
            "RTSP/1.0 200 OK\r\nSession: {rtsp_session}\r\nCseq: {cseq}\r\nContent-Type: application/mrcp\r\n\
             Content-Length: {}\r\n\r\n{mrcp}",
            mrcp.len()
        );
        let lines = [
            format!("#MRCP#: (o){} {tail}", breaks_shown(&announce)),
            format!("#MRCP#: (i){} {tail}", breaks_shown(&answer)),
        ];
        self.cseq = cseq.saturating_add(1);
        lines
    }
}

impl Speak<'_> {
    fn mrcp(&self, id: u64) -> String {
        let Self { from, to, network, bot_key, text } = self;
        let ssml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><speak>{}</speak>", escaped(text));
        format!(
            "SPEAK {id} MRCP/1.0\r\nKill-On-Barge-In: false\r\nSpeech-Language: im\r\n\
             Vendor-Specific-Parameters: IMified-Network={network};IMified-From={};IMified-Bot-Key={bot_key};\
             IMified-User=tel:{}\r\nContent-Type: application/synthesis+ssml\r\nContent-Length: {}\r\n\r\n{ssml}",
            from.as_str(),
            to.as_str(),
            ssml.len()
        )
    }
}

/// The text of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(gateway: &mut Gateway, text: &str) -> [String; 2] {
        gateway.speak(&Speak {
            from: &"+15555550100".parse().unwrap(),
            to: &"15555550177".parse().unwrap(),
            network: &Network::sms(),
            bot_key: "0F1E2D3C-4B5A-6978-8796A5B4C3D2E1F0",
            text,
        })
    }

    fn gateway() -> Gateway {
        let began = "2013-06-02T09:30:16.011Z".parse().unwrap();
        Gateway::new(&"c2d0a1b2".parse().unwrap(), began, 1, 500_001, "70001")
    }

    /// The lengths of a captured line: the SSML, the MRCP message around it, and the MRCP answer.
    #[test]
    fn the_lengths_are_those_that_tropo_counted() {
        let [sent, answered] = lines(&mut gateway(), "Sorry, RapidSMS could not understand your message.");
        assert!(sent.starts_with(
            "#MRCP#: (o)ANNOUNCE rtsp://10.0.0.9:10074/synthesizer/ RTSP/1.0\\r\\nCseq: 3\\r\\nSession: 1370165416011-"
        ));
        assert!(
            sent.contains("Content-Type: application/mrcp\\r\\nContent-Length: 397\\r\\n\\r\\nSPEAK 141650101 MRCP")
        );
        assert!(sent.contains("application/synthesis+ssml\\r\\nContent-Length: 103\\r\\n\\r\\n<?xml"));
        assert!(sent.contains(";IMified-From=+15555550100;") && sent.contains(";IMified-User=tel:+15555550177\\r\\n"));
        assert!(answered.starts_with("#MRCP#: (i)RTSP/1.0 200 OK\\r\\nSession: 1370165416011-"));
        assert!(answered.contains("Content-Length: 38\\r\\n\\r\\nMRCP/1.0 141650101 200 IN-PROGRESS\\r\\n\\r\\n #["));
        let tail = "][10.0.0.9:10074][10.0.0.8:59469][c2d0a1b2][500001][70001]";
        assert!(sent.ends_with(tail) && answered.ends_with(tail));
    }

    #[test]
    fn lengths_count_bytes_of_what_is_escaped() {
        let [sent, _] = lines(&mut gateway(), "a<é>&\n");
        assert!(sent.contains("Content-Length: 70\\r\\n\\r\\n<?xml"), "{sent}");
        assert!(sent.contains("<speak>a&lt;é&gt;&amp;\\n</speak>"), "{sent}");
    }

    #[test]
    fn each_message_of_a_session_has_a_number_of_its_own() {
        let mut gateway = gateway();
        let [first, _] = lines(&mut gateway, "1");
        let [second, answer] = lines(&mut gateway, "2");
        assert!(first.contains("Cseq: 3\\r") && first.contains("SPEAK 141650101 "));
        assert!(second.contains("Cseq: 4\\r") && second.contains("SPEAK 141650102 "));
        assert!(answer.contains("Cseq: 4\\r"));
    }
}
