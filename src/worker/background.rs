//! A thread that serves requests in their order, beside the loop of a worker.

use super::system::{self, Instant, Receiver, Sender, channel};

/// A handle to the thread. After it is dropped, the thread finishes the present request and ends.
pub(super) struct Background<Q, A> {
    requests: Sender<Q>,
    answers: Receiver<A>,
    open: usize,
}

impl<Q: Send + 'static, A: Send + 'static> Background<Q, A> {
    pub(super) fn new(mut serve: impl FnMut(Q) -> A + Send + 'static) -> Background<Q, A> {
        let (requests, requested) = channel();
        let (answered, answers) = channel();
        system::spawn(move || {
            while let Ok(request) = requested.recv() {
                if answered.send(serve(request)).is_err() {
                    return;
                }
            }
        });
        Background { requests, answers, open: 0 }
    }

    /// Serves a request after those before.
    pub(super) fn ask(&mut self, request: Q) {
        self.requests.send(request).expect("the thread lives until it gets no more requests");
        self.open += 1;
    }

    /// An answer, if there is one.
    pub(super) fn answer(&mut self) -> Option<A> {
        let answer = self.answers.try_recv().ok()?;
        self.open -= 1;
        Some(answer)
    }

    /// An answer, for which it waits.
    ///
    /// # Panics
    /// All requests are answered.
    pub(super) fn next(&mut self) -> A {
        let answer = self.answers.recv().expect("the thread answers every request");
        self.open -= 1;
        answer
    }

    /// The same, for which it waits until this time; none if all requests are answered.
    pub(super) fn wait(&mut self, until: Instant) -> Option<A> {
        if self.open == 0 {
            return None;
        }
        let answer = self.answers.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
        self.open -= 1;
        Some(answer)
    }
}
