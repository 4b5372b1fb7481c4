//! What became of every text: the sums, and whether they are good enough. Pure.

use std::time::Duration;

use protocol::Timestamp;
use serde::Serialize;

/// How many texts of a kind are named, for whoever looks into it.
const EXAMPLES_MAX: usize = 20;

/// What Tropo was told when it brought a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// 2xx: it is promised that the text is kept.
    Accepted,
    /// Another status, or nobody was there: nothing is promised.
    Refused,
    /// No whole answer: nothing is promised, and it may have been kept.
    Uncertain,
}

/// How an answer ended that did not end well, as the product has it on record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// Released, and no result came: it may or may not have been sent.
    Unconfirmed,
    /// It will not arrive.
    Failed,
    /// Nobody took it in its time.
    Expired,
    /// Nothing was released, and it is among the dead letters, or those that no queue was bound for.
    Dead,
    /// It has none yet: it is still on a queue.
    Waiting,
}

/// A numbered text, and all that was seen of it.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) number: u64,
    pub(super) fate: Fate,
    pub(super) sent_at: Timestamp,
    /// When its reply reached the phone, for each time that it did.
    pub(super) replies: Vec<Timestamp>,
    /// What is on record about its answer.
    pub(super) end: Option<End>,
}

/// The sums. Of the accepted texts, each is in one of `answered`, `late`, `unconfirmed`, `given_up`, `waiting`, `lost`
/// and `repeated`.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) refused: u64,
    pub(super) uncertain: u64,
    /// Refused or uncertain, and answered all the same.
    pub(super) answered_unasked: u64,
    pub(super) accepted: u64,
    /// One reply, in time.
    pub(super) answered: u64,
    /// One reply, and it took longer.
    pub(super) late: u64,
    /// No reply, and on record as released without a result.
    pub(super) unconfirmed: u64,
    /// No reply, and on record as failed or expired, or a dead letter: no fault of a drill is a reason for that.
    pub(super) given_up: u64,
    /// No reply yet: it is on its way still, and the drill did not wait for it.
    pub(super) waiting: u64,
    /// One reply, though it is on record as released without a result.
    pub(super) unconfirmed_and_reached: u64,
    /// One reply, though it is on record as failed or expired.
    pub(super) given_up_and_reached: u64,
    /// More than one reply, whether accepted or not.
    pub(super) repeated: u64,
    /// No reply, and nothing on record says why.
    pub(super) lost: u64,
    /// Replies that belong to no text.
    pub(super) stray: u64,
    /// How long the replies took, in milliseconds.
    pub(super) median_ms: u64,
    pub(super) p99_ms: u64,
    pub(super) longest_ms: u64,
    /// The numbers of some of the texts that were lost, said twice or given up, or are unconfirmed.
    pub(super) lost_numbers: Vec<u64>,
    pub(super) repeated_numbers: Vec<u64>,
    pub(super) unconfirmed_numbers: Vec<u64>,
    pub(super) given_up_numbers: Vec<u64>,
}

impl Tally {
    /// Sums up. A reply later than `late_after` is late.
    pub(super) fn of(texts: &[Text], stray: u64, late_after: Duration) -> Self {
        let mut tally = Self { stray, ..Self::default() };
        let mut took = Vec::with_capacity(texts.len());
        for text in texts {
            tally.add(text, late_after, &mut took);
        }
        took.sort_unstable();
        tally.median_ms = at_share(&took, 50);
        tally.p99_ms = at_share(&took, 99);
        tally.longest_ms = at_share(&took, 100);
        tally
    }

    fn add(&mut self, text: &Text, late_after: Duration, took: &mut Vec<u64>) {
        self.sent += 1;
        let accepted = text.fate == Fate::Accepted;
        match text.fate {
            Fate::Accepted => self.accepted += 1,
            Fate::Refused => self.refused += 1,
            Fate::Uncertain => self.uncertain += 1,
        }
        match text.replies.as_slice() {
            [] if accepted => self.add_unanswered(text),
            [] => {}
            [reply] => {
                let millis = millis_between(text.sent_at, *reply);
                took.push(millis);
                match text.end {
                    Some(End::Unconfirmed) => self.unconfirmed_and_reached += 1,
                    Some(End::Failed | End::Expired | End::Dead) => self.given_up_and_reached += 1,
                    Some(End::Waiting) | None => {}
                }
                if !accepted {
                    self.answered_unasked += 1;
                } else if u128::from(millis) <= late_after.as_millis() {
                    self.answered += 1;
                } else {
                    self.late += 1;
                }
            }
            _ => {
                self.repeated += 1;
                note(&mut self.repeated_numbers, text.number);
            }
        }
    }

    /// An accepted text without a reply.
    fn add_unanswered(&mut self, text: &Text) {
        match text.end {
            Some(End::Waiting) => self.waiting += 1,
            Some(End::Unconfirmed) => {
                self.unconfirmed += 1;
                note(&mut self.unconfirmed_numbers, text.number);
            }
            Some(End::Failed | End::Expired | End::Dead) => {
                self.given_up += 1;
                note(&mut self.given_up_numbers, text.number);
            }
            None => {
                self.lost += 1;
                note(&mut self.lost_numbers, text.number);
            }
        }
    }

    /// Nothing was lost or given up or is still on its way, and nothing said twice or to the wrong phone.
    pub(super) fn is_good(&self) -> bool {
        let Self { lost, given_up, waiting, repeated, stray, .. } = self;
        [lost, given_up, waiting, repeated, stray].into_iter().all(|count| *count == 0)
    }
}

fn note(numbers: &mut Vec<u64>, number: u64) {
    if numbers.len() < EXAMPLES_MAX {
        numbers.push(number);
    }
}

/// From the text to its reply. The clock is one machine's; where it was set back meanwhile, no time passed.
fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or_default()
}

/// The value that so many of a hundred do not exceed; 0 of none.
fn at_share(sorted: &[u64], of_hundred: usize) -> u64 {
    let rank = (sorted.len() * of_hundred).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE_AFTER: Duration = Duration::from_secs(5);

    fn text(fate: Fate, replies_after_ms: &[i64], end: Option<End>) -> Text {
        let at = |ms: i64| Timestamp::from_millisecond(1_000_000 + ms).unwrap();
        Text { number: 7, fate, sent_at: at(0), replies: replies_after_ms.iter().map(|ms| at(*ms)).collect(), end }
    }

    #[track_caller]
    fn check(text: Text, expected: Tally, good: bool) {
        let tally = Tally::of(&[text], 0, LATE_AFTER);
        // Of times, the table below says more.
        let untimed = Tally { median_ms: 0, p99_ms: 0, longest_ms: 0, ..tally };
        assert_eq!(untimed, Tally { sent: 1, ..expected });
        assert_eq!(untimed.is_good(), good);
    }

    #[test]
    fn an_accepted_text_is_in_one_sum() {
        let accepted = |replies: &[i64], end| text(Fate::Accepted, replies, end);
        let one = || Tally { accepted: 1, ..Tally::default() };
        check(accepted(&[80], None), Tally { answered: 1, ..one() }, true);
        check(accepted(&[5000], None), Tally { answered: 1, ..one() }, true);
        check(accepted(&[5001], None), Tally { late: 1, ..one() }, true);
        check(accepted(&[], None), Tally { lost: 1, lost_numbers: vec![7], ..one() }, false);
        let unconfirmed = Tally { unconfirmed: 1, unconfirmed_numbers: vec![7], ..one() };
        check(accepted(&[], Some(End::Unconfirmed)), unconfirmed, true);
        for end in [End::Failed, End::Expired, End::Dead] {
            let given_up = Tally { given_up: 1, given_up_numbers: vec![7], ..one() };
            check(accepted(&[], Some(end)), given_up, false);
            let reached = Tally { answered: 1, given_up_and_reached: 1, ..one() };
            check(accepted(&[80], Some(end)), reached, true);
        }
        check(accepted(&[], Some(End::Waiting)), Tally { waiting: 1, ..one() }, false);
        let reached = Tally { answered: 1, unconfirmed_and_reached: 1, ..one() };
        check(accepted(&[80], Some(End::Unconfirmed)), reached, true);
        check(accepted(&[80, 90], None), Tally { repeated: 1, repeated_numbers: vec![7], ..one() }, false);
    }

    #[test]
    fn what_was_not_accepted_may_be_answered_and_not_twice() {
        for (fate, one) in [
            (Fate::Refused, Tally { refused: 1, ..Tally::default() }),
            (Fate::Uncertain, Tally { uncertain: 1, ..Tally::default() }),
        ] {
            check(text(fate, &[], None), one.clone(), true);
            check(text(fate, &[90_000], None), Tally { answered_unasked: 1, ..one.clone() }, true);
            check(text(fate, &[1, 2], None), Tally { repeated: 1, repeated_numbers: vec![7], ..one }, false);
        }
    }

    #[test]
    fn a_reply_that_belongs_to_no_text_is_not_good() {
        assert!(!Tally::of(&[], 1, LATE_AFTER).is_good());
        assert!(Tally::of(&[], 0, LATE_AFTER).is_good());
    }

    #[test]
    fn times_are_taken_by_rank_and_never_below_zero() {
        let texts: Vec<Text> = (1..=200).map(|ms| text(Fate::Accepted, &[ms], None)).collect();
        let tally = Tally::of(&texts, 0, LATE_AFTER);
        assert_eq!((tally.median_ms, tally.p99_ms, tally.longest_ms), (100, 198, 200));
        let clock_set_back = Tally::of(&[text(Fate::Accepted, &[-50], None)], 0, LATE_AFTER);
        assert_eq!((clock_set_back.longest_ms, clock_set_back.answered), (0, 1));
    }

    #[test]
    fn only_so_many_are_named() {
        let texts = vec![text(Fate::Accepted, &[], None); EXAMPLES_MAX + 5];
        let tally = Tally::of(&texts, 0, LATE_AFTER);
        assert_eq!((tally.lost, tally.lost_numbers.len()), (25, EXAMPLES_MAX));
    }
}
