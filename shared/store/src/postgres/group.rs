//! Questions of one kind that wait are asked together: one statement, and one commit, for all of them.
//!
//! Nobody waits for others to come. Who asks first asks at once; what comes while that goes on waits, and is asked by
//! one of those who wait, for all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::pool::Wait;
use crate::LedgerError;
use crate::error::Fault;

/// How many are asked together.
const TOGETHER_MAX: usize = 256;

/// How many groups of a kind are under way at once: a second commit is prepared while a first one is written to disk.
const AT_ONCE: usize = 2;

/// What came of each question, in order; `None`: it is to be asked again.
pub(super) type Answers<A> = Vec<Option<Result<A, LedgerError>>>;

/// Questions of one kind. They are asked in the order of their keys, and no two of one key together.
pub(super) struct Group<K, Q, A> {
    key: fn(&Q) -> K,
    waiting: Mutex<VecDeque<Asked<Q, A>>>,
    turns: Semaphore,
}

struct Asked<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A, LedgerError>>,
}

impl<K: Ord, Q: Clone, A> Group<K, Q, A> {
    pub(super) fn new(key: fn(&Q) -> K) -> Self {
        Self { key, waiting: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// Asks, alone or with others, by `ask_all`.
    ///
    /// # Errors
    /// What `ask_all` says of this question, or of all. Where one row cannot be read, each question is asked alone, and
    /// only that one fails.
    ///
    /// # Cancel safety
    /// As that of `ask_all`. The others, if they were asked by this future, ask again.
    pub(super) async fn ask<F>(&self, question: Q, wait: &Wait, ask_all: impl Fn(Vec<Q>) -> F) -> Result<A, LedgerError>
    where
        F: Future<Output = Result<Answers<A>, LedgerError>>,
    {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.lock().push_back(Asked { question: question.clone(), answer });
            loop {
                let turn = tokio::select! {
                    biased;
                    answered = &mut answered => match answered {
                        Ok(answer) => return answer,
                        Err(_) => break,
                    },
                    () = tokio::time::sleep_until(wait.until) => return Err(wait.over()),
                    turn = self.turns.acquire() => turn,
                };
                let group = self.take();
                if !group.is_empty() {
                    perform(group, wait, &ask_all).await;
                    continue;
                }
                drop(turn);
                // Somebody else asks for this one already.
                match tokio::time::timeout_at(wait.until, &mut answered).await {
                    Ok(Ok(answer)) => return answer,
                    Ok(Err(_)) => break,
                    Err(_) => return Err(wait.over()),
                }
            }
        }
    }

    /// Those that are asked together next, without those whom nobody waits for any more.
    fn take(&self) -> Vec<Asked<Q, A>> {
        let mut waiting = self.lock();
        let (mut group, mut left) = (BTreeMap::new(), VecDeque::new());
        for asked in waiting.drain(..).filter(|asked| !asked.answer.is_closed()) {
            let key = (self.key)(&asked.question);
            if group.len() < TOGETHER_MAX && !group.contains_key(&key) {
                group.insert(key, asked);
            } else {
                left.push_back(asked);
            }
        }
        *waiting = left;
        group.into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Asked<Q, A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn perform<Q: Clone, A, F>(group: Vec<Asked<Q, A>>, wait: &Wait, ask_all: &impl Fn(Vec<Q>) -> F)
where
    F: Future<Output = Result<Answers<A>, LedgerError>>,
{
    match ask_all(group.iter().map(|asked| asked.question.clone()).collect()).await {
        Ok(answers) => {
            for (Asked { answer, .. }, known) in group.into_iter().zip(answers) {
                tell(answer, known);
            }
        }
        Err(LedgerError::Unreadable(_)) if 1 < group.len() => {
            for Asked { question, answer } in group {
                let answers = ask_all(vec![question]).await;
                tell(answer, answers.map_or_else(|error| Some(Err(error)), |mut answers| answers.pop().flatten()));
            }
        }
        // The time of whoever asked for all is over, and that of the others is not.
        Err(_) if wait.until <= Instant::now() => {}
        Err(error) => group.into_iter().for_each(|Asked { answer, .. }| tell(answer, Some(Err(error.clone())))),
    }
}

/// Dropped without an answer, whoever waits asks again.
fn tell<A>(answer: oneshot::Sender<Result<A, LedgerError>>, known: Option<Result<A, LedgerError>>) {
    if let Some(known) = known {
        // Whoever asked may be gone.
        let _ = answer.send(known);
    }
}

impl Wait {
    /// That it is over.
    fn over(&self) -> LedgerError {
        LedgerError::unavailable(Fault::TimedOut(super::pool::ANSWER_MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    type Numbers = Group<u32, (u32, u32), u32>;

    /// How long each waits.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// The questions of one group: who asks, and what.
    type Asked = Vec<(u32, u32)>;

    /// A group, what it was asked so far, and what holds every answer back.
    #[derive(Clone)]
    struct Stage {
        group: Arc<Numbers>,
        asked: Arc<Mutex<Vec<Asked>>>,
        gate: Arc<Semaphore>,
        begun: Arc<Notify>,
    }

    impl Stage {
        fn new() -> Self {
            Self {
                group: Arc::new(Group::new(|(key, _)| *key)),
                asked: Arc::default(),
                gate: Arc::new(Semaphore::new(0)),
                begun: Arc::default(),
            }
        }

        async fn ask(self, question: (u32, u32)) -> Result<u32, LedgerError> {
            let Self { group, asked, gate, begun } = &self;
            let wait = Wait { until: Instant::now() + PATIENCE, answers_before: 0 };
            group
                .ask(question, &wait, |questions: Vec<(u32, u32)>| async move {
                    asked.lock().unwrap().push(questions.clone());
                    begun.notify_one();
                    match tokio::time::timeout_at(wait.until, gate.acquire()).await {
                        Ok(permit) => permit.unwrap().forget(),
                        Err(_) => return Err(wait.over()),
                    }
                    if questions.iter().any(|(_, number)| *number == 13) {
                        return Err(LedgerError::unreadable(Fault::Incomplete));
                    }
                    Ok(questions.iter().map(|(_, number)| Some(Ok(number * 2))).collect())
                })
                .await
        }

        fn sizes(&self) -> Vec<usize> {
            self.asked.lock().unwrap().iter().map(Vec::len).collect()
        }
    }

    /// Has two lone questions under way, and then others wait.
    async fn with_waiting(stage: &Stage, others: &[(u32, u32)]) -> JoinSet<Result<u32, LedgerError>> {
        let mut asking = JoinSet::new();
        for question in [(1001, 1), (1002, 1)] {
            asking.spawn(stage.clone().ask(question));
            stage.begun.notified().await;
        }
        for question in others {
            asking.spawn(stage.clone().ask(*question));
            tokio::task::yield_now().await;
        }
        asking
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_alone_asks_at_once_and_who_waits_is_asked_with_the_others() {
        let stage = Stage::new();
        let mut asking = with_waiting(&stage, &[(1, 21), (2, 22), (3, 23), (1, 24)]).await;
        stage.gate.add_permits(100);
        let mut answers = Vec::new();
        while let Some(answer) = asking.join_next().await {
            answers.push(answer.unwrap().unwrap());
        }
        answers.sort_unstable();
        assert_eq!(answers, [2, 2, 42, 44, 46, 48]);
        assert_eq!(stage.sizes(), [1, 1, 3, 1], "two of one key are not asked together");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_read_fails_alone() {
        let stage = Stage::new();
        let mut asking = with_waiting(&stage, &[(1, 21), (2, 13), (3, 23)]).await;
        stage.gate.add_permits(100);
        let (mut good, mut bad) = (0, 0);
        while let Some(answer) = asking.join_next().await {
            match answer.unwrap() {
                Ok(_) => good += 1,
                Err(LedgerError::Unreadable(_)) => bad += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((good, bad), (4, 1));
        assert_eq!(stage.sizes(), [1, 1, 3, 1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn where_who_asks_for_all_goes_away_the_others_ask_again() {
        let stage = Stage::new();
        let mut lone = JoinSet::new();
        for question in [(1001, 1), (1002, 1)] {
            lone.spawn(stage.clone().ask(question));
            stage.begun.notified().await;
        }
        let count = Arc::new(AtomicUsize::new(0));
        let mut others: Vec<JoinSet<()>> = (0..4).map(|_| JoinSet::new()).collect();
        for (key, other) in (0..).zip(&mut others) {
            let (stage, count) = (stage.clone(), Arc::clone(&count));
            other.spawn(async move {
                assert_eq!(stage.ask((key, key)).await.unwrap(), key * 2);
                count.fetch_add(1, Ordering::Relaxed);
            });
            tokio::task::yield_now().await;
        }
        // The two that are alone end, and the first who waited asks for all; it is dropped in the middle of that.
        stage.gate.add_permits(2);
        while lone.join_next().await.is_some() {}
        stage.begun.notified().await;
        others.first_mut().unwrap().shutdown().await;
        stage.gate.add_permits(100);
        for other in &mut others {
            while other.join_next().await.is_some() {}
        }
        assert_eq!(count.load(Ordering::Relaxed), 3);
        assert_eq!(stage.sizes().get(2), Some(&4));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_their_time() {
        let stage = Stage::new();
        let mut asking = with_waiting(&stage, &[(1, 21)]).await;
        let began = Instant::now();
        while let Some(answer) = asking.join_next().await {
            let answer = answer.unwrap();
            assert!(matches!(answer, Err(LedgerError::Unavailable(_))), "{answer:?}");
            assert!(began.elapsed() < PATIENCE + Duration::from_millis(10));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_time_of_who_asks_for_all_is_over_the_others_ask_again() {
        let stage = Stage::new();
        let mut asking = with_waiting(&stage, &[(1, 21)]).await;
        tokio::time::sleep(PATIENCE / 2).await;
        asking.spawn(stage.clone().ask((2, 22)));
        tokio::task::yield_now().await;
        // The two that were alone are answered; the first who waited asks for both of them until its time is over.
        stage.gate.add_permits(2);
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(asking.join_next().await.unwrap().unwrap().is_ok());
        }
        assert_eq!(answers, [true, true, false]);
        stage.gate.add_permits(1);
        assert_eq!(asking.join_next().await.unwrap().unwrap().unwrap(), 44);
        assert_eq!(stage.sizes(), [1, 1, 2, 1]);
    }
}
