use std::sync::atomic::{AtomicU64, Ordering};

use messaging::Clock;
use uuid::Uuid;

use super::*;

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);

/// What becomes of a text.
#[derive(Clone, Copy)]
enum Fate {
    /// It comes back after so long.
    Back(Duration),
    /// It does not come back.
    Gone,
    /// The simulator does not take it.
    Refused,
    /// It has no application of that number.
    Nobody,
}

use Fate::{Back, Gone, Nobody, Refused};

/// The way, as the fates say; after the last, all texts share its fate.
struct Way {
    fates: Mutex<VecDeque<Fate>>,
    /// What was texted: from which phone, when, what, and when it is back.
    texted: Mutex<Vec<Ours>>,
    explained: AtomicU64,
}

#[derive(Clone)]
struct Ours {
    from: Address,
    at: Instant,
    words: protocol::MessageText,
    back_at: Option<Instant>,
}

impl Path for Way {
    fn text<'a>(&'a self, phone: &'a Address, texting: &'a Texting) -> BoxFuture<'a, Result<Texted, SimulatedError>> {
        let fate = {
            let mut fates = self.fates.lock().unwrap();
            if 1 < fates.len() { fates.pop_front().unwrap() } else { fates[0] }
        };
        let at = Instant::now();
        let back_at = if let Back(after) = fate { Some(at + after) } else { None };
        let words = texting.text.clone();
        let mut texted = self.texted.lock().unwrap();
        texted.push(Ours { from: phone.clone(), at, words, back_at });
        let session_id = Some(format!("session-{}", texted.len()).parse().unwrap());
        let answer = match fate {
            Back(_) | Gone => Ok(Texted { session_id }),
            Nobody => Ok(Texted { session_id: None }),
            Refused => Err(SimulatedError::Away("away".into())),
        };
        Box::pin(async { answer })
    }

    fn messages<'a>(
        &'a self,
        phone: &'a Address,
        after: u64,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<PhoneMessage>, SimulatedError>> {
        Box::pin(async move {
            let until = Instant::now() + wait;
            loop {
                let texted = self.texted.lock().unwrap().clone();
                let is_new = |(index, text): &(u64, Ours)| after < *index && text.from == *phone;
                let new: Vec<(u64, Ours)> = (1..).zip(texted).filter(is_new).collect();
                let is_there = |text: &Ours| text.back_at.is_some_and(|at| at <= Instant::now());
                let there = new.iter().filter(|(_, text)| is_there(text));
                let there: Vec<_> = there.map(|(index, text)| message(*index, text.clone())).collect();
                if !there.is_empty() || until <= Instant::now() {
                    return Ok(there);
                }
                let next = new.iter().filter_map(|(_, text)| text.back_at).min();
                tokio::time::sleep_until(next.map_or(until, |next| next.min(until))).await;
            }
        })
    }

    fn stuck<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Option<Stuck>> {
        self.explained.fetch_add(1, Ordering::Relaxed);
        let told = "Did Tropo call us? It did not.".to_owned();
        let stuck = Stuck { session_id: Some(session.clone()), question: Some(2), told };
        Box::pin(async { Some(stuck) })
    }
}

fn message(index: u64, Ours { from, words, .. }: Ours) -> PhoneMessage {
    PhoneMessage {
        index,
        from: number(),
        to: from,
        text: words,
        network: Network::sms(),
        parts: 1,
        session_id: None,
        at: "2026-11-23T00:00:00Z".parse().unwrap(),
    }
}

fn number() -> Address {
    "+15555550199".parse().unwrap()
}

/// Time that goes on as tokio's does, and chance from a seed.
#[derive(Debug)]
struct World {
    began: Instant,
    drawn: AtomicU64,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let midnight: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        midnight + self.began.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Chance for World {
    fn bits(&self) -> u128 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &drawn.to_be_bytes()).as_u128()
    }
}

fn backend(is_probe: bool) -> Backend {
    let (number, webhook) = (number(), "/tropo/probe".to_owned());
    Backend { number, rate: None, on_unconfirmed: "hold", is_guarded: true, webhook, is_probe }
}

fn prober() -> Prober {
    let world = Arc::new(World { began: Instant::now(), drawn: AtomicU64::new(0) });
    let environment = Environment { clock: Arc::clone(&world) as _, chance: world };
    let backends = BTreeMap::from([("probe".parse().unwrap(), backend(true))]);
    Prober::new(ProbeConfig { interval: INTERVAL, timeout: TIMEOUT }, &backends, environment).unwrap()
}

fn way(fates: &[Fate]) -> Way {
    let fates = Mutex::new(fates.iter().copied().collect());
    Way { fates, texted: Mutex::default(), explained: AtomicU64::new(0) }
}

/// Goes on for so long; what is known then, and what was told on the way.
async fn after(seconds: u64, prober: &Prober, way: &Way) -> (Flow, Vec<FlowState>) {
    let told = Mutex::new(Vec::new());
    let tell = |flow: &Flow| told.lock().unwrap().push(flow.state);
    let run = tokio::time::timeout(Duration::from_secs(seconds), prober.run(way, &tell));
    assert!(run.await.is_err(), "it goes on for ever");
    (prober.flow(), told.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn each_shard_of_people_has_its_turn_and_no_two_texts_are_the_same() {
    let (prober, way) = (prober(), way(&[Back(Duration::from_millis(12))]));
    let (flow, _) = after(400, &prober, &way).await;
    assert_eq!((flow.state, flow.stuck), (FlowState::Flows, None));
    assert_eq!(flow.last_ok.unwrap().took_ms, Some(12));
    let texted = way.texted.into_inner().unwrap();
    let backend = "probe".parse().unwrap();
    let shards: BTreeSet<_> = texted.iter().map(|text| shard(&backend, &text.from)).collect();
    assert_eq!(shards.len(), usize::from(SHARDS));
    let words: BTreeSet<&str> = texted.iter().map(|text| text.words.as_str()).collect();
    assert_eq!(words.len(), texted.len());
    let apart: Vec<Duration> = texted.windows(2).map(|two| two[1].at - two[0].at).collect();
    assert!(apart.iter().all(|apart| INTERVAL.mul_f64(0.8) <= *apart && *apart < INTERVAL.mul_f64(1.3)), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn while_nothing_comes_back_one_text_at_a_time_is_on_its_way_and_it_is_told_since_when() {
    let (prober, way) = (prober(), way(&[Back(Duration::from_secs(1)), Gone]));
    let (flow, told) = after(3600, &prober, &way).await;
    let texted = way.texted.into_inner().unwrap();
    assert!(texted.len() < 3600 / 38, "{}", texted.len());
    assert!(texted.windows(2).all(|two| two[0].back_at.is_some() || two[0].at + LIFE <= two[1].at));
    let phones: BTreeSet<&Address> = texted[1..].iter().map(|text| &text.from).collect();
    assert_eq!(phones.len(), 1, "the phone whose text did not come back is tried again");
    assert_eq!((flow.state, flow.latest.len()), (FlowState::Fails, 20));
    let second = texted[1].at - texted[0].at;
    let since = flow.since.unwrap().duration_since(flow.last_ok.as_ref().unwrap().at);
    assert!((since.as_secs_f64() - second.as_secs_f64()).abs() < 0.01, "since the first that did not come back");
    assert_eq!(flow.stuck.as_ref().unwrap().question, Some(2));
    assert!(flow.amiss().unwrap().ends_with("Did Tropo call us? It did not."), "{:?}", flow.amiss());
    assert_eq!(told[..2], [FlowState::Flows, FlowState::Fails]);
    assert!(told[2..].iter().all(|state| *state == FlowState::Fails));
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_late_is_amiss_until_one_comes_in_time() {
    let (prober, way) = (prober(), way(&[Back(Duration::from_secs(7)), Back(Duration::from_secs(1))]));
    let (flow, told) = after(31, &prober, &way).await;
    assert_eq!(told[..3], [FlowState::Fails, FlowState::Fails, FlowState::Flows], "{flow:?}");
    let ended = flow.latest.iter().rev().map(|probed| (probed.outcome, probed.took_ms.unwrap() / 1000));
    assert_eq!(ended.take(2).collect::<Vec<_>>(), [(ProbeOutcome::Late, 7), (ProbeOutcome::Ok, 1)]);
    assert_eq!((flow.state, flow.amiss()), (FlowState::Flows, None));
}

#[tokio::test(start_paused = true)]
async fn what_the_simulator_does_not_take_is_told() {
    for (fate, told) in [(Refused, "the simulator does not answer"), (Nobody, "no application with the number")] {
        let (prober, way) = (prober(), way(&[fate]));
        let (flow, _) = after(60, &prober, &way).await;
        assert_eq!(flow.latest[0].outcome, ProbeOutcome::Refused);
        assert!(flow.amiss().unwrap().contains(told), "{:?}", flow.amiss());
        assert_eq!(way.explained.into_inner(), 0, "there is nothing to explain");
    }
}

#[tokio::test(start_paused = true)]
async fn a_console_without_a_backend_for_it_probes_nothing() {
    let environment = Environment::system();
    let backends = BTreeMap::from([("b".parse().unwrap(), backend(false))]);
    assert!(Prober::new(ProbeConfig { interval: INTERVAL, timeout: TIMEOUT }, &backends, environment).is_none());
    assert_eq!(Flow::default().state, FlowState::NotConfigured);
    assert!(Flow::default().is_well() && Flow::default().amiss().is_none());
}
