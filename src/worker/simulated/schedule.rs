//! Threads that take turns: only one runs at a time, until it waits, and a seed draws which is next. Their clock moves while
//! all of them wait. A process is some of these threads; it can be killed or halted wherever one of them waits.
//!
//! Outside a simulation, in other tests, the clock and the threads are those of the system.

use std::any::Any;
use std::cell::RefCell;
use std::ops::Add;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// The first instant of a simulation, in milliseconds since 1970.
const BEGINS: i64 = 1_772_445_600_000;
/// The process of the thread that runs the simulation. It is never killed.
pub(super) const OUTSIDE: usize = 0;
/// So many turns are a defect: something waits without end.
const TURNS_MAX: u64 = 400_000;

/// What a thread that was killed unwinds with.
struct Killed;

thread_local! {
    static ME: RefCell<Option<Me>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Me {
    schedule: Arc<Schedule>,
    number: usize,
    process: usize,
}

struct Schedule {
    /// The thread whose turn it is.
    runs: AtomicUsize,
    state: Mutex<State>,
    /// What the threads share.
    world: Arc<dyn Any + Send + Sync>,
    /// How much faster the time of the day passes than the clock.
    days: i64,
}

struct State {
    now: Duration,
    turns: u64,
    rng: SmallRng,
    threads: Vec<Thread>,
    /// The threads that have not ended.
    live: Vec<usize>,
    processes: Vec<Process>,
    /// What happened, if it is traced.
    trace: Option<Vec<String>>,
    failed: Option<String>,
}

struct Thread {
    process: usize,
    handle: Option<JoinHandle<()>>,
    unpark: thread::Thread,
    /// When it goes on; none if only a message wakes it.
    wakes: Option<Duration>,
    /// Whether a message wakes it.
    listens: bool,
}

#[derive(Clone, Copy, Default)]
struct Process {
    is_killed: bool,
    halted_until: Duration,
}

fn me() -> Option<Me> {
    ME.with_borrow(Clone::clone)
}

fn here() -> Me {
    me().expect("a thread of a simulation")
}

impl Schedule {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next thread run, and waits for the turn of this one.
    fn pass(&self, me: &Me, wakes: Option<Duration>, listens: bool) {
        if thread::panicking() {
            return;
        }
        let next = {
            let mut state = self.state();
            (state.threads[me.number].wakes, state.threads[me.number].listens) = (wakes, listens);
            state.next()
        };
        if next != me.number {
            self.give(next);
            self.await_turn(me.number);
        }
        if self.state().processes[me.process].is_killed {
            resume_unwind(Box::new(Killed));
        }
    }

    fn give(&self, next: usize) {
        let thread = self.state().threads[next].unpark.clone();
        self.runs.store(next, Ordering::Release);
        thread.unpark();
    }

    fn await_turn(&self, number: usize) {
        while self.runs.load(Ordering::Acquire) != number {
            thread::park();
        }
    }
}

impl State {
    /// The thread whose turn is next; the clock moves to it.
    fn next(&mut self) -> usize {
        self.turns += 1;
        let wakes: Vec<_> = self.live.iter().filter_map(|it| Some((self.wakes(&self.threads[*it])?, *it))).collect();
        let first = wakes.iter().min().expect("the thread outside wakes").0;
        self.now = self.now.max(first);
        let due: Vec<usize> = wakes.iter().filter(|(at, _)| *at <= self.now).map(|(_, it)| *it).collect();
        due[self.rng.random_range(0..due.len())]
    }

    /// When a thread goes on.
    fn wakes(&self, thread: &Thread) -> Option<Duration> {
        let process = &self.processes[thread.process];
        match thread.wakes {
            _ if process.is_killed => Some(self.now),
            wakes => Some(wakes?.max(process.halted_until)),
        }
    }
}

/// Runs a simulation on this thread, which is outside, and ends all others after it. Returns what happened, if it is traced,
/// and why it failed, if it did.
pub(super) fn run(
    seed: u64,
    days: i64,
    tells: bool,
    world: Arc<dyn Any + Send + Sync>,
    outside: impl FnOnce(),
) -> (Vec<String>, Option<String>) {
    let thread = Thread { process: OUTSIDE, handle: None, unpark: thread::current(), wakes: None, listens: false };
    let state = State {
        now: Duration::ZERO,
        turns: 0,
        rng: SmallRng::seed_from_u64(seed),
        threads: vec![thread],
        live: vec![0],
        processes: vec![Process::default()],
        trace: tells.then(Vec::new),
        failed: None,
    };
    let schedule = Arc::new(Schedule { runs: AtomicUsize::new(0), state: Mutex::new(state), world, days });
    ME.set(Some(Me { schedule: Arc::clone(&schedule), number: 0, process: OUTSIDE }));
    let ended = catch_unwind(AssertUnwindSafe(outside));
    schedule.state().processes[1..].iter_mut().for_each(|process| process.is_killed = true);
    while schedule.state().live.len() > 1 {
        sleep(Duration::from_millis(1));
    }
    ME.set(None);
    let handles: Vec<_> = schedule.state().threads.iter_mut().filter_map(|thread| thread.handle.take()).collect();
    for handle in handles {
        handle.join().expect("it has caught its panic");
    }
    let mut state = schedule.state();
    if let Err(panic) = ended {
        state.failed.get_or_insert(said(&*panic));
    }
    (state.trace.take().unwrap_or_default(), state.failed.take())
}

fn said(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

/// Begins a process, which has no threads yet.
pub(super) fn begin_process() -> usize {
    let me = here();
    let mut state = me.schedule.state();
    state.processes.push(Process::default());
    state.processes.len() - 1
}

/// Starts a thread of a process.
pub(super) fn spawn_in(process: usize, run: impl FnOnce() + Send + 'static) {
    let schedule = here().schedule;
    let number = schedule.state().threads.len();
    let me = Me { schedule: Arc::clone(&schedule), number, process };
    let handle = thread::spawn(move || {
        me.schedule.await_turn(number);
        ME.set(Some(me.clone()));
        let is_killed = me.schedule.state().processes[process].is_killed;
        let run = Some(run).filter(|_| !is_killed);
        let ended = catch_unwind(AssertUnwindSafe(|| run.map(|run| run())));
        // What is dropped with the thread must not wait for a turn.
        ME.set(None);
        let mut state = me.schedule.state();
        if let Err(panic) = ended.as_ref().map_err(|panic| &**panic)
            && !panic.is::<Killed>()
        {
            state.failed.get_or_insert(said(panic));
        }
        state.live.retain(|it| *it != number);
        let next = state.next();
        drop(state);
        me.schedule.give(next);
    });
    let mut state = schedule.state();
    let (unpark, wakes) = (handle.thread().clone(), Some(state.now));
    state.live.push(number);
    state.threads.push(Thread { process, handle: Some(handle), unpark, wakes, listens: false });
}

/// Kills a process. Its threads end where they wait.
pub(super) fn kill(process: usize) {
    here().schedule.state().processes[process].is_killed = true;
}

/// Halts a process for a time. It notices nothing.
pub(super) fn halt(process: usize, long: Duration) {
    let me = here();
    let mut state = me.schedule.state();
    state.processes[process].halted_until = state.now + long;
}

/// Which processes have threads that are neither killed nor halted.
pub(super) fn awake() -> Vec<bool> {
    let me = here();
    let state = me.schedule.state();
    let mut awake = vec![false; state.processes.len()];
    for thread in &state.live {
        let process = state.threads[*thread].process;
        let Process { is_killed, halted_until } = state.processes[process];
        awake[process] = !is_killed && halted_until <= state.now;
    }
    awake
}

fn lives(state: &State, process: usize) -> bool {
    state.live.iter().any(|thread| state.threads[*thread].process == process)
}

/// Whether all threads of a process have ended.
pub(super) fn has_ended(process: usize) -> bool {
    !lives(&here().schedule.state(), process)
}

/// The process of this thread; none outside a simulation.
pub(super) fn process() -> Option<usize> {
    me().map(|me| me.process)
}

/// What the threads share.
pub(super) fn world<T: Any + Send + Sync>() -> Arc<T> {
    Arc::clone(&here().schedule.world).downcast().expect("the world of this simulation")
}

/// How long the simulation has lasted, by its clock.
pub(super) fn now() -> Duration {
    here().schedule.state().now
}

/// Draws by the seed.
pub(super) fn draw<T>(draw: impl FnOnce(&mut SmallRng) -> T) -> T {
    draw(&mut here().schedule.state().rng)
}

/// Notes what happens, if it is traced.
pub(super) fn tell(what: impl FnOnce() -> String) {
    let Some(process) = process() else { return };
    tell_of(process, what);
}

/// The same, of another process; 0 is outside of all.
pub(super) fn tell_of(process: usize, what: impl FnOnce() -> String) {
    let Some(me) = me().filter(|me| me.schedule.state().trace.is_some()) else { return };
    let what = what();
    let mut state = me.schedule.state();
    let line = format!("{:10.4} {process:3}  {what}", state.now.as_secs_f64());
    state.trace.as_mut().expect("it is traced").push(line);
}

/// The simulation has failed.
pub(super) fn fail(why: String) {
    here().schedule.state().failed.get_or_insert(why);
}

/// Whether it has failed, or does not come to an end.
pub(super) fn has_failed() -> bool {
    let me = here();
    let mut state = me.schedule.state();
    if state.turns > TURNS_MAX {
        state.failed.get_or_insert_with(|| format!("{TURNS_MAX} turns were not enough"));
    }
    state.failed.is_some()
}

/// How many turns there were.
pub(super) fn turns() -> u64 {
    here().schedule.state().turns
}

pub(in crate::worker) fn sleep(long: Duration) {
    match me() {
        Some(me) => {
            let until = me.schedule.state().now + long;
            me.schedule.pass(&me, Some(until), false);
        }
        None => thread::sleep(long),
    }
}

pub(in crate::worker) fn spawn(run: impl FnOnce() + Send + 'static) {
    match me() {
        Some(me) => spawn_in(me.process, run),
        None => drop(thread::spawn(run)),
    }
}

pub(in crate::worker) fn now_ms() -> i64 {
    me().map_or_else(crate::telemetry::now_ms, |me| {
        BEGINS + me.schedule.state().now.as_millis() as i64 * me.schedule.days
    })
}

/// An instant of the clock of this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::worker) struct Instant(Duration);

impl Instant {
    pub(in crate::worker) fn now() -> Instant {
        static BEGAN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        Instant(me().map_or_else(|| BEGAN.elapsed(), |me| me.schedule.state().now))
    }

    pub(in crate::worker) fn elapsed(self) -> Duration {
        Instant::now().duration_since(self)
    }

    pub(in crate::worker) fn duration_since(self, before: Instant) -> Duration {
        self.0.saturating_sub(before.0)
    }

    pub(in crate::worker) fn saturating_duration_since(self, before: Instant) -> Duration {
        self.duration_since(before)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, long: Duration) -> Instant {
        Instant(self.0 + long)
    }
}

pub(in crate::worker) struct Sender<T>(mpsc::Sender<T>);

pub(in crate::worker) struct Receiver<T>(mpsc::Receiver<T>);

pub(in crate::worker) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    (Sender(sender), Receiver(receiver))
}

/// Wakes the threads of the process that wait for a message.
fn wake() {
    let Some(me) = me() else { return };
    let mut state = me.schedule.state();
    let now = state.now;
    for thread in state.threads.iter_mut().filter(|thread| thread.process == me.process && thread.listens) {
        thread.wakes = Some(now);
    }
}

impl<T> Sender<T> {
    pub(in crate::worker) fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.0.send(message)?;
        wake();
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // The others look once this thread waits, and then it is gone.
        wake();
    }
}

impl<T> Receiver<T> {
    pub(in crate::worker) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    pub(in crate::worker) fn recv(&self) -> Result<T, RecvError> {
        let Some(me) = me() else { return self.0.recv() };
        loop {
            match self.0.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => me.schedule.pass(&me, None, true),
            }
        }
    }

    pub(in crate::worker) fn recv_timeout(&self, long: Duration) -> Result<T, RecvTimeoutError> {
        let Some(me) = me() else { return self.0.recv_timeout(long) };
        let until = Instant::now() + long;
        loop {
            match self.0.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if Instant::now() >= until => return Err(RecvTimeoutError::Timeout),
                Err(TryRecvError::Empty) => me.schedule.pass(&me, Some(until.0), true),
            }
        }
    }
}
