//! Logs the reports of librdkafka with the target `librdkafka`: each condition once when it begins and once when it
//! ends, for all clients of the process together. Repetitions are logged at `debug`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::code_of;

/// A condition that was not reported for this time has ended. While a broker cannot be reached, librdkafka tries within
/// `socket.connection.setup.timeout.ms` (30 s) and `reconnect.backoff.max.ms` (10 s) and reports the same error at most
/// every 30 s.
const QUIET: Duration = Duration::from_secs(60);
/// An answer ends a condition after this time: until then, other clients may still report what they met before it.
const STALE: Duration = Duration::from_secs(5);

static CONDITIONS: Mutex<Conditions> = Mutex::new(Conditions { begun: BTreeMap::new() });

/// The temporary conditions that are logged once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    /// A broker, or all of them, cannot be reached or do not answer.
    Unreachable,
    /// The TLS handshake or the authentication fails.
    Unauthenticated,
    /// Anything else, by its text without digits.
    Other(String),
}

impl Condition {
    fn of(code: Option<RDKafkaErrorCode>, text: &str) -> Condition {
        use RDKafkaErrorCode::{
            AllBrokersDown, Authentication, BrokerTransportFailure, MessageTimedOut, NetworkException, RequestTimedOut,
            Resolve, SSL, SaslAuthenticationFailed,
        };
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match code {
            Some(Authentication | SSL | SaslAuthenticationFailed) => Condition::Unauthenticated,
            // A transport failure in a handshake shows only in the text.
            _ if says(&["SASL", "SSL"]) => Condition::Unauthenticated,
            Some(
                AllBrokersDown
                | BrokerTransportFailure
                | MessageTimedOut
                | NetworkException
                | RequestTimedOut
                | Resolve,
            ) => Condition::Unreachable,
            _ if says(&["brokers are down", "Connect to", "Connection", "Disconnected", "resolve", "timed out"]) => {
                Condition::Unreachable
            }
            _ => Condition::Other(text.split(" (after").next().unwrap_or(text).replace(|c: char| c.is_numeric(), "")),
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Condition::Unreachable => {
                "upswell retries; if this lasts, check that the brokers run, and that kafka.brokers and the addresses \
                 that they advertise can be reached from here"
            }
            Condition::Unauthenticated => {
                "upswell retries, without success until security.protocol, sasl.* and ssl.* of kafka.properties are \
                 what the brokers expect"
            }
            Condition::Other(_) => "upswell retries; if this lasts, look at the logs of the brokers",
        }
    }

    fn end(&self) -> &'static str {
        match self {
            Condition::Unreachable => "Kafka can be reached again",
            Condition::Unauthenticated => "Kafka accepts this client again",
            Condition::Other(_) => "this is no longer reported",
        }
    }
}

/// The conditions that have begun and not ended.
#[derive(Debug)]
struct Conditions {
    begun: BTreeMap<Condition, Begun>,
}

#[derive(Debug)]
struct Begun {
    what: String,
    last: Instant,
    /// Whether no broker at all could be reached.
    all_down: bool,
    /// The first answer since.
    answered: Option<Instant>,
}

impl Conditions {
    /// Something was reported; whether a condition begins with it.
    fn report(&mut self, condition: Condition, what: &str, all_down: bool, now: Instant) -> bool {
        let mut begins = false;
        let begun = self.begun.entry(condition).or_insert_with(|| {
            begins = true;
            Begun { what: what.to_owned(), last: now, all_down: false, answered: None }
        });
        begun.last = now;
        begun.all_down |= all_down;
        if all_down {
            begun.answered = None;
        }
        begins
    }

    /// A broker answered. That proves that Kafka is back only where no broker could be reached: with more brokers, it
    /// was another.
    fn answer(&mut self, now: Instant) {
        if let Some(begun) = self.begun.get_mut(&Condition::Unreachable).filter(|begun| begun.all_down) {
            begun.answered.get_or_insert(now);
        }
    }

    /// Removes and returns the conditions that have ended.
    fn ended(&mut self, now: Instant) -> Vec<(Condition, Begun)> {
        let is_over = |begun: &Begun| {
            let proven = begun.answered.is_some_and(|at| now.duration_since(at) >= STALE);
            proven || now.duration_since(begun.last) >= QUIET
        };
        self.begun.extract_if(.., |_, begun| is_over(begun)).collect()
    }
}

/// One log line of librdkafka. Warnings about properties of the other kind of client are left out, because consumers
/// and producers get the same properties.
pub(super) fn write(level: RDKafkaLogLevel, facility: &str, line: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        _ if facility == "CONFWARN" => tracing::debug!(target: "librdkafka", "{facility} {line}"),
        Emerg | Alert | Critical | Error | Warning => report(None, &format!("{facility} {line}")),
        Notice | Info => tracing::info!(target: "librdkafka", "{facility} {line}"),
        Debug => tracing::debug!(target: "librdkafka", "{facility} {line}"),
    }
}

/// An error of a whole client. librdkafka recovers from nearly all of them by itself, and a call returns those that end
/// a client. The end of a partition is reported in this way too, and is not an error.
pub(super) fn client_error(error: &KafkaError, reason: &str) {
    if code_of(error) != Some(RDKafkaErrorCode::PartitionEOF) {
        report(code_of(error), &format!("{error}: {reason}"));
    }
}

/// Reports a temporary error that occurred while `doing` something.
pub(super) fn passing(error: &KafkaError, doing: &str) {
    report(code_of(error), &format!("{doing}: {error}"));
}

/// Reports a temporary error of a partition.
pub(super) fn passing_of_partition(topic: &str, partition: i32, code: RDKafkaErrorCode, detail: &str) {
    report(Some(code), &format!("{topic}[{partition}]: {code}: {detail}"));
}

/// A broker answered just now.
pub(super) fn answered() {
    CONDITIONS.lock().unwrap_or_else(PoisonError::into_inner).answer(Instant::now());
}

/// Logs the conditions that have ended. It should be called regularly.
pub(super) fn settle() {
    let ended = CONDITIONS.lock().unwrap_or_else(PoisonError::into_inner).ended(Instant::now());
    for (condition, begun) in ended {
        // Not under the target of librdkafka, of which only warnings are shown.
        tracing::info!(began_with = begun.what, "{}", condition.end());
    }
}

fn report(code: Option<RDKafkaErrorCode>, what: &str) {
    let condition = Condition::of(code, what);
    let all_down = code == Some(RDKafkaErrorCode::AllBrokersDown);
    let advice = condition.advice();
    let mut conditions = CONDITIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let begins = conditions.report(condition, what, all_down, Instant::now());
    drop(conditions);
    if begins {
        tracing::warn!(target: "librdkafka", "{what}: {advice}");
    } else {
        tracing::debug!(target: "librdkafka", "{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: &str = "FAIL [thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: \
                        Connection refused (after 0ms in state CONNECT)";

    #[test]
    fn a_condition_begins_once_and_ends_once() {
        let (mut conditions, began) = (Conditions { begun: BTreeMap::new() }, Instant::now());
        let at = |second| began + Duration::from_secs(second);
        let unreachable = || Condition::of(Some(RDKafkaErrorCode::BrokerTransportFailure), "");
        // One broker of several: answers of others prove nothing.
        assert!(conditions.report(Condition::of(None, DOWN), DOWN, false, at(0)));
        assert!(!conditions.report(unreachable(), "Disconnected", false, at(1)));
        conditions.answer(at(2));
        assert!(conditions.ended(at(30)).is_empty());
        assert!(!conditions.report(unreachable(), "Connect to", false, at(40)));
        assert!(conditions.ended(at(99)).is_empty());
        let ended = conditions.ended(at(100));
        assert_eq!(ended.len(), 1);
        assert_eq!((&ended[0].0, ended[0].1.what.as_str()), (&Condition::Unreachable, DOWN));
        // All brokers: an answer is proof, whatever others report late.
        assert!(conditions.report(unreachable(), "Disconnected", false, at(200)));
        assert!(!conditions.report(Condition::of(Some(RDKafkaErrorCode::AllBrokersDown), ""), "1/1", true, at(201)));
        conditions.answer(at(210));
        assert!(!conditions.report(unreachable(), "Connect to", false, at(211)));
        assert!(conditions.ended(at(214)).is_empty());
        assert_eq!(conditions.ended(at(215)).len(), 1);
        // Lost again at once.
        assert!(conditions.report(unreachable(), "Disconnected", true, at(300)));
        conditions.answer(at(301));
        assert!(!conditions.report(unreachable(), "Disconnected", true, at(302)));
        assert!(conditions.ended(at(310)).is_empty());
    }

    #[test]
    fn what_is_reported_belongs_to_one_condition_whoever_reports_it() {
        let of = Condition::of;
        for text in [DOWN, "ERROR 1/1 brokers are down", "REQTMOUT GroupCoordinator/1: Timed out: request timed out"] {
            assert_eq!(of(None, text), Condition::Unreachable, "{text}");
        }
        assert_eq!(of(Some(RDKafkaErrorCode::Resolve), "no such host"), Condition::Unreachable);
        // An open transaction holds back committed offsets for longer than a question may take.
        let held_back = "reading the committed offsets: OperationTimedOut (Local: Timed out)";
        assert!(matches!(of(Some(RDKafkaErrorCode::OperationTimedOut), held_back), Condition::Other(_)));
        let refused = "FAIL sasl_ssl://k:9092/1: SASL authentication error: failed (after 3ms in state AUTH_REQ)";
        assert_eq!(of(None, refused), Condition::Unauthenticated);
        assert_eq!(of(Some(RDKafkaErrorCode::BrokerTransportFailure), refused), Condition::Unauthenticated);
        // The same in other words for other figures; something else is another condition.
        let other = |text| of(Some(RDKafkaErrorCode::NotLeaderForPartition), text);
        assert_eq!(other("log[3]: not leader"), other("log[7]: not leader"));
        assert_ne!(other("log[3]: not leader"), other("log[3]: not enough replicas"));
    }
}
