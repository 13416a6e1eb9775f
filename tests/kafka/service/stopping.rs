//! Tests of stopping and rejoining: a stop while no broker answers, a name that another process uses for a moment, and
//! one that it keeps using.

use std::sync::mpsc::RecvTimeoutError;

use super::*;

/// A stop is obeyed within the grace period of Kubernetes.
const GRACE: Duration = Duration::from_secs(25);
const SESSION: &[(&str, &str)] =
    &[("UPSWELL_KAFKA__GROUP_INSTANCE_ID", "pod-0"), ("UPSWELL_KAFKA__PROPERTIES__SESSION_TIMEOUT_MS", "6000")];

/// Writes a history of this many events into the log.
fn send_history(program: &Program, events: &str) {
    let events = ["--users", "300", "--events", events, "--end", "2026-08-01", "--out", "events.ndjson.zst"];
    program.run(&[&["generate"], &events[..]].concat()).ok();
    program.run(&["send", "events.ndjson.zst"]).ok();
}

/// Asks it to end and sees that it does in time, and that this is a success.
fn stops_in_time(run: &mut Running) {
    let asked = Instant::now();
    let status = run.terminate();
    assert!(status.success(), "{}", run.said());
    println!("stopped after {:?}", asked.elapsed());
    assert!(asked.elapsed() < GRACE, "{:?}: {}", asked.elapsed(), run.said());
}

fn ends_with(run: &mut Running, words: &[&str]) {
    let status = wait_for("the service to end", || run.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(1), "{}", run.said());
    let said = run.said();
    let last = said.lines().last().unwrap();
    words.iter().for_each(|word| assert!(last.contains(word), "{word:?} is not said: {said}"));
}

#[test]
fn a_process_stops_while_no_broker_answers() {
    let Some(broker) = Broker::start() else { return };
    let program = Program::with_topics(&broker, "");
    send_history(&program, "60000");
    let mut run = program.start_with(&["run"], SESSION);
    wait_for("a commit", || (program.committed().iter().sum::<i64>() > 0).then_some(()));
    if !broker.signal("-STOP") {
        return;
    }
    std::thread::sleep(Duration::from_millis(500));
    stops_in_time(&mut run);
    // Neither is one that came before anything was joined.
    let mut run = program.start_with(&["run"], SESSION);
    run.address();
    std::thread::sleep(Duration::from_secs(2));
    stops_in_time(&mut run);

    broker.signal("-CONT");
    let mut run = program.start_with(&["run"], SESSION);
    program.wait_until_done(&run);
    stops_in_time(&mut run);
    program.assert_published_is_replayed();
}

/// Folding what one poll brings takes longer than a transaction may be open. If none were committed in between, it would be
/// aborted, and the same would happen again after every rejoining.
#[test]
fn a_process_with_little_cpu_time_gets_on() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let run = program.start_with(&["run"], &[]);
    run.until_ready();
    let process = run.child.id().to_string();
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let throttle = std::thread::spawn(move || {
        let signal = |it: &str| drop(Command::new("kill").args([it, &process]).status());
        // Until `over` is dropped, also by a test that failed.
        while let Err(RecvTimeoutError::Timeout) = is_over.recv_timeout(Duration::from_millis(25)) {
            signal("-STOP");
            std::thread::sleep(Duration::from_millis(475));
            signal("-CONT");
        }
    });
    send_history(&program, "30000");
    program.wait_until_done(&run);
    drop(over);
    throttle.join().unwrap();
    println!("{} fences", run.said().matches("fenced: joining").count());
    program.assert_published_is_replayed();
}

#[test]
fn a_worker_that_was_fenced_once_joins_again() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let mut run = program.start_with(&["run"], SESSION);
    run.until_ready();
    let mut client = program.client();
    client.set("group.instance.id", "pod-0-0").set("session.timeout.ms", "6000");
    client.set("partition.assignment.strategy", "cooperative-sticky");
    let namesake: BaseConsumer = client.create().unwrap();
    namesake.subscribe(&[&program.topic("log")]).unwrap();
    wait_for("the fence", || {
        drop(namesake.poll(Duration::from_millis(100)));
        run.said().contains("fenced: joining again").then_some(())
    });
    drop(namesake);
    program.write("events.ndjson", track("m1", "Contact Sales", "acme", "2026-03-02T10:00:00Z"));
    program.run(&["send", "events.ndjson"]).ok();
    program.wait_until_done(&run);
    stops_in_time(&mut run);
    program.assert_published_is_replayed();
}

#[test]
fn one_of_two_processes_with_one_name_stops() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let mut runs = [0, 1].map(|_| program.start_with(&["run"], SESSION));
    let began = Instant::now();
    let ended =
        wait_for("one of them to end", || runs.iter_mut().position(|run| run.child.try_wait().unwrap().is_some()));
    println!("one ended after {:?}", began.elapsed());
    ends_with(&mut runs[ended], &["fenced 5 times", "another process"]);
    let left = &mut runs[1 - ended];
    program.write("events.ndjson", track("m1", "Contact Sales", "acme", "2026-03-02T10:00:00Z"));
    program.run(&["send", "events.ndjson"]).ok();
    program.wait_until_done(left);
    stops_in_time(left);
    program.assert_published_is_replayed();
}

#[test]
fn an_unreachable_broker_and_its_return_are_logged_once() {
    let Some(mut broker) = Broker::start() else { return };
    if !broker.signal("-0") {
        // Not a broker of ours: it cannot be killed.
        return;
    }
    let program = Program::with_topics(&broker, "");
    let mut run = program.start_with(&["run"], SESSION);
    run.until_ready();
    // A broker that has just started may be slow to answer, too: that is another story.
    let before = run.said().lines().count();
    assert!(broker.signal("-KILL"));
    // Long enough for several attempts of each client.
    std::thread::sleep(Duration::from_secs(15));
    broker.restart();
    program.write("events.ndjson", track("m1", "Contact Sales", "acme", "2026-03-02T10:00:00Z"));
    program.run(&["send", "events.ndjson"]).ok();
    program.wait_until_done(&run);
    wait_for("the line of its return", || run.said().contains("Kafka can be reached again").then_some(()));
    assert!(run.terminate().success(), "{}", run.said());
    let said = run.said();
    let lines = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    let told = [lines("if this lasts, check that the brokers run"), lines("reached again")];
    assert_eq!(told, [1, 1], "{said}");
    let troubles =
        said.lines().skip(before).filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\"")).count();
    assert!(troubles <= 4, "{troubles} lines of trouble: {said}");
}
