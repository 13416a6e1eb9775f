//! The calls of librdkafka that the `rdkafka` crate does not wrap, and all `unsafe` of the crate:
//! one queue for the partitions of a consumer, read in batches; producing without copies of topic
//! and headers; a flush that wakes up as soon as it is done; the names of properties; the delay of
//! the mock cluster.
//!
//! Why it is sound. A pointer taken from librdkafka is kept beside an `Arc` of the client that it
//! belongs to, so it never outlives the client. Each pointer has one owner, which frees it in
//! `drop` and nowhere else. A `Message` is borrowed for one call of the closure that is given it,
//! while librdkafka keeps its bytes. librdkafka is thread-safe; even so, the raw pointers make
//! these types stay on the thread that made them, but for the topics of a producer, which may be
//! used by another thread after it.
#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka_sys as sys;

/// The header of control records.
const CONTROL: &CStr = c"upswell-control";

/// `RD_KAFKA_PARTITION_UA`, which the crate leaves out: the partitioner decides.
const UNASSIGNED: i32 = -1;

/// A record of a partition, borrowed while it is delivered.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record's time in milliseconds since 1970, if it has one.
    pub time_ms: Option<i64>,
    /// Whether it has the header of control records.
    pub is_control: bool,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; empty where there is none.
    pub payload: &'a [u8],
    headers: Headers<'a>,
}

impl<'a> Message<'a> {
    /// A record at a place: its topic, partition and offset. It has no headers but that of control records.
    #[cfg(test)]
    pub(crate) fn of_tests(
        (topic, partition, offset): (&'a str, i32, i64),
        time_ms: Option<i64>,
        is_control: bool,
        key: Option<&'a [u8]>,
        payload: &'a [u8],
    ) -> Message<'a> {
        let headers = Headers(ptr::null(), PhantomData);
        Message { topic, partition, offset, time_ms, is_control, key, payload, headers }
    }

    /// The value of the last header of this name, if it has one that is not null.
    #[must_use]
    pub fn header(&self, name: &CStr) -> Option<&'a [u8]> {
        self.headers.last(name)?
    }

    /// All headers with a UTF-8 name and a value that is not null, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let headers = self.headers;
        (0..).map_while(move |index| headers.nth(index)).filter_map(|(name, value)| Some((name.to_str().ok()?, value?)))
    }
}

/// An entry of a queue.
pub(super) enum Entry<'a> {
    Message(Message<'a>),
    /// The end of the stable data of a partition, with the offset that comes next.
    End {
        partition: i32,
        position: i64,
    },
    Error {
        partition: i32,
        code: RDKafkaErrorCode,
        detail: String,
    },
}

/// The id that the group has given a member; empty while it has none.
pub(super) fn member_id<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> String {
    let client = consumer.client().native_ptr();
    // SAFETY: the client is alive. The text, if there is one, ends with a zero and is ours to free.
    unsafe {
        let id = sys::rd_kafka_memberid(client);
        if id.is_null() {
            return String::new();
        }
        let member = CStr::from_ptr(id).to_string_lossy().into_owned();
        sys::rd_kafka_mem_free(client, id.cast());
        member
    }
}

/// One queue into which the partitions of a consumer are forwarded.
pub(super) struct Inbox<C: ConsumerContext> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    // Last, so that the queue is dropped before the client, which would wait for it for ever.
    consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext> Inbox<C> {
    pub(super) fn new(consumer: &Arc<BaseConsumer<C>>) -> Self {
        // SAFETY: the client is alive, and `consumer` keeps it so.
        let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = NonNull::new(queue).expect("librdkafka makes a queue or aborts");
        Self { queue, consumer: Arc::clone(consumer) }
    }

    /// Forwards a partition to this queue until the result is dropped. It must be called before the partition is
    /// assigned.
    pub(super) fn forward(&self, topic: &str, partition: i32) -> Option<Forward<C>> {
        let topic = CString::new(topic).ok()?;
        let client = self.consumer.client().native_ptr();
        // SAFETY: client and queue are alive; the new handle goes into its owner below.
        let handle = unsafe {
            let handle = sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition);
            NonNull::new(handle).inspect(|handle| {
                sys::rd_kafka_queue_forward(handle.as_ptr(), self.queue.as_ptr());
            })
        };
        handle.map(|handle| Forward { handle, _consumer: Arc::clone(&self.consumer) })
    }

    /// Passes all entries that wait to `each`. Waits at most `wait` for the first one. Returns whether there were any.
    ///
    /// All of them: librdkafka takes them out of the queue before it delivers the first, and goes on fetching as if they
    /// were gone. If a read left some, the queue would grow by a fetch with every read.
    ///
    /// Not `rd_kafka_consume_batch_queue`: with librdkafka 2.12 it counts the event for the end of
    /// a partition as a record when it moves the position, so that a partition that is paused and
    /// resumed there (as in every rebalance) skips a record. It also waits the whole time for a
    /// full batch.
    pub(super) fn read(&mut self, wait: Duration, each: &mut dyn FnMut(Entry<'_>)) -> bool {
        // Rounded up: less than a millisecond would be no wait, and the caller's loop would spin until its deadline.
        let wait_ms = i32::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
        let client = self.consumer.client().native_ptr();
        let mut sink = Sink { each, any: false, client, panic: None };
        // SAFETY: the queue is alive, and `sink` outlives the call, which alone uses it.
        unsafe {
            let sink = (&raw mut sink).cast();
            sys::rd_kafka_consume_callback_queue(self.queue.as_ptr(), wait_ms, Some(deliver), sink);
        }
        if let Some(panic) = sink.panic {
            resume_unwind(panic);
        }
        sink.any
    }
}

#[cfg(test)]
impl<C: ConsumerContext> Inbox<C> {
    /// The number of entries that wait.
    pub(super) fn len(&self) -> usize {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_length(self.queue.as_ptr()) }
    }
}

impl<C: ConsumerContext> Drop for Inbox<C> {
    fn drop(&mut self) {
        // SAFETY: owned by `self` and used by nothing after this.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// What the callback of a read needs.
struct Sink<'a> {
    each: &'a mut dyn FnMut(Entry<'_>),
    any: bool,
    client: *mut sys::rd_kafka_t,
    panic: Option<Box<dyn Any + Send>>,
}

/// # Safety
/// `message` comes from librdkafka, which destroys it afterwards; `sink` is the `Sink` of the read.
unsafe extern "C" fn deliver(message: *mut sys::rd_kafka_message_t, sink: *mut c_void) {
    // SAFETY: as the caller promised; the entry is borrowed for this call only.
    let (sink, entry) = unsafe { (&mut *sink.cast::<Sink<'_>>(), entry(&*message)) };
    // A panic must not go through librdkafka.
    sink.panic = catch_unwind(AssertUnwindSafe(|| (sink.each)(entry))).err();
    sink.any = true;
    if sink.panic.is_some() {
        // SAFETY: the client is alive while one of its queues is read. What is left stays there.
        unsafe { sys::rd_kafka_yield(sink.client) };
    }
}

/// # Safety
/// `message` came from librdkafka and is not destroyed while the answer lives.
unsafe fn entry(message: &sys::rd_kafka_message_t) -> Entry<'_> {
    let partition = message.partition;
    match RDKafkaErrorCode::from(message.err) {
        // SAFETY: as the caller promised.
        RDKafkaErrorCode::NoError => Entry::Message(unsafe { record(message) }),
        RDKafkaErrorCode::PartitionEOF => Entry::End { partition, position: message.offset },
        code => {
            // SAFETY: of a message with an error librdkafka gives a string that lives as long.
            let detail = unsafe { CStr::from_ptr(sys::rd_kafka_message_errstr(message)) };
            Entry::Error { partition, code, detail: detail.to_string_lossy().into_owned() }
        }
    }
}

/// # Safety
/// `message` came from librdkafka without an error and is not destroyed while the answer lives.
unsafe fn record(message: &sys::rd_kafka_message_t) -> Message<'_> {
    // SAFETY: a message holds its topic, whose name is a string that lives as long; key and
    // payload are null or `len` bytes.
    unsafe {
        let topic = CStr::from_ptr(sys::rd_kafka_topic_name(message.rkt));
        let time_ms = sys::rd_kafka_message_timestamp(message, ptr::null_mut());
        let headers = Headers::of(message);
        Message {
            topic: topic.to_str().unwrap_or_default(),
            partition: message.partition,
            offset: message.offset,
            time_ms: (time_ms >= 0).then_some(time_ms),
            is_control: headers.last(CONTROL).is_some(),
            key: bytes(message.key.cast(), message.key_len),
            payload: bytes(message.payload.cast(), message.len).unwrap_or_default(),
            headers,
        }
    }
}

/// The headers of a message; null if it has none.
#[derive(Debug, Clone, Copy)]
struct Headers<'a>(*const sys::rd_kafka_headers_t, PhantomData<&'a ()>);

impl<'a> Headers<'a> {
    /// # Safety
    /// `message` came from librdkafka without an error and is not destroyed while the answer lives.
    unsafe fn of(message: &'a sys::rd_kafka_message_t) -> Headers<'a> {
        let mut headers = ptr::null_mut();
        // SAFETY: as the caller promised; the headers belong to the message, and stay null where it has none.
        unsafe { sys::rd_kafka_message_headers(message, &raw mut headers) };
        Headers(headers, PhantomData)
    }

    /// The last header of this name; its value is none if it is null.
    fn last(self, name: &CStr) -> Option<Option<&'a [u8]>> {
        if self.0.is_null() {
            return None;
        }
        let (mut value, mut length) = (ptr::null(), 0);
        // SAFETY: the headers and their values live as long as the message, which is longer than `'a`.
        unsafe {
            let found = sys::rd_kafka_header_get_last(self.0, name.as_ptr(), &raw mut value, &raw mut length);
            let is_found = RDKafkaErrorCode::from(found) == RDKafkaErrorCode::NoError;
            is_found.then(|| bytes(value.cast(), length))
        }
    }

    /// The header at an index: its name, and its value, which may be null.
    fn nth(self, index: usize) -> Option<(&'a CStr, Option<&'a [u8]>)> {
        if self.0.is_null() {
            return None;
        }
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers, their names and their values live as long as the message, which is longer than `'a`; of a
        // header that is found librdkafka sets all three.
        unsafe {
            let found = sys::rd_kafka_header_get_all(self.0, index, &raw mut name, &raw mut value, &raw mut length);
            let is_found = RDKafkaErrorCode::from(found) == RDKafkaErrorCode::NoError;
            is_found.then(|| (CStr::from_ptr(name), bytes(value.cast(), length)))
        }
    }
}

/// # Safety
/// `start` is null, or points to `len` bytes that live as long as the answer.
unsafe fn bytes<'a>(start: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promised.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, len) })
}

/// A partition that is forwarded into an `Inbox`.
pub(super) struct Forward<C: ConsumerContext> {
    handle: NonNull<sys::rd_kafka_queue_t>,
    _consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext> Drop for Forward<C> {
    fn drop(&mut self) {
        // SAFETY: owned by `self` and used by nothing after this.
        unsafe { sys::rd_kafka_queue_destroy(self.handle.as_ptr()) };
    }
}

/// A topic of a producer, which need not be looked up for each record.
pub(super) struct Topic<C: ProducerContext + 'static> {
    handle: NonNull<sys::rd_kafka_topic_t>,
    producer: Arc<BaseProducer<C>>,
}

// SAFETY: librdkafka counts the references to a topic and locks what belongs to it, so that any thread may use the
// handle; a handle of the client may be sent in the same way.
unsafe impl<C: ProducerContext + 'static> Send for Topic<C> where Arc<BaseProducer<C>>: Send {}

/// A record to be produced. Without a partition the key decides; without a payload it is a tombstone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) partition: Option<i32>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) payload: Option<&'a [u8]>,
}

impl<C: ProducerContext + 'static> Topic<C> {
    /// None if librdkafka does not take the name.
    pub(super) fn new(producer: &Arc<BaseProducer<C>>, name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client is alive, and `producer` keeps it so; the new handle goes into its owner.
        let handle = unsafe { sys::rd_kafka_topic_new(producer.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        NonNull::new(handle).map(|handle| Self { handle, producer: Arc::clone(producer) })
    }

    /// Puts a record into the queue of the producer, which copies it.
    pub(super) fn produce<'a>(
        &self,
        record: &Record<'_>,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), RDKafkaErrorCode> {
        use sys::rd_kafka_vtype_t::{
            RD_KAFKA_VTYPE_END, RD_KAFKA_VTYPE_HEADERS, RD_KAFKA_VTYPE_KEY, RD_KAFKA_VTYPE_MSGFLAGS,
            RD_KAFKA_VTYPE_PARTITION, RD_KAFKA_VTYPE_RKT, RD_KAFKA_VTYPE_VALUE,
        };
        let start = |bytes: Option<&[u8]>| -> *mut c_void {
            bytes.map_or(ptr::null_mut(), |bytes| bytes.as_ptr().cast_mut().cast())
        };
        let length = |bytes: Option<&[u8]>| bytes.map_or(0_usize, <[u8]>::len);
        // SAFETY: handle and client are alive; the arguments have the types that rdkafka.h gives to these tags; what
        // they point to lives during the call and is copied (RD_KAFKA_MSG_F_COPY) and not written to; the headers
        // belong to the record if the call succeeds, and otherwise to this function.
        unsafe {
            let headers = list_of(headers);
            let error = sys::rd_kafka_producev(
                self.producer.client().native_ptr(),
                RD_KAFKA_VTYPE_RKT,
                self.handle.as_ptr(),
                RD_KAFKA_VTYPE_PARTITION,
                record.partition.unwrap_or(UNASSIGNED),
                RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                RD_KAFKA_VTYPE_VALUE,
                start(record.payload),
                length(record.payload),
                RD_KAFKA_VTYPE_KEY,
                start(record.key),
                length(record.key),
                RD_KAFKA_VTYPE_HEADERS,
                headers,
                RD_KAFKA_VTYPE_END,
            );
            match RDKafkaErrorCode::from(error) {
                RDKafkaErrorCode::NoError => Ok(()),
                code => {
                    if !headers.is_null() {
                        sys::rd_kafka_headers_destroy(headers);
                    }
                    Err(code)
                }
            }
        }
    }
}

impl<C: ProducerContext + 'static> Drop for Topic<C> {
    fn drop(&mut self) {
        // SAFETY: owned by `self` and used by nothing after this; the client still lives.
        unsafe { sys::rd_kafka_topic_destroy(self.handle.as_ptr()) };
    }
}

/// The most headers that a list has room for before it grows.
const HEADERS: usize = 8;

/// Headers for a record; null without any.
///
/// # Safety
/// The caller must give them to a record or destroy them.
unsafe fn list_of<'a>(mut headers: impl Iterator<Item = (&'a str, &'a str)>) -> *mut sys::rd_kafka_headers_t {
    let Some(first) = headers.next() else { return ptr::null_mut() };
    // SAFETY: name and value are this many bytes, and are copied.
    unsafe {
        let list = sys::rd_kafka_headers_new(HEADERS);
        for (name, value) in std::iter::once(first).chain(headers) {
            let (name_length, value_length) = (name.len().cast_signed(), value.len().cast_signed());
            sys::rd_kafka_header_add(list, name.as_ptr().cast(), name_length, value.as_ptr().cast(), value_length);
        }
        list
    }
}

/// Waits until a broker is connected, at most so long.
pub(super) fn await_broker<C: ProducerContext>(producer: &BaseProducer<C>, wait: Duration) {
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive; the answer, if there is one, is ours to free. Without a topic and all topics it is asked
    // for the brokers alone.
    unsafe {
        let mut answer = ptr::null();
        sys::rd_kafka_metadata(producer.client().native_ptr(), 0, ptr::null_mut(), &raw mut answer, wait_ms);
        if !answer.is_null() {
            sys::rd_kafka_metadata_destroy(answer);
        }
    }
}

/// Waits at most `wait` until all records are delivered or have failed. Returns whether they are.
/// Unlike the flush of the crate it returns at once, without a poll of 100 ms. A failed delivery
/// counts as waiting until it is polled.
pub(super) fn flush<C: ProducerContext>(producer: &BaseProducer<C>, wait: Duration) -> bool {
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive for as long as `producer` is borrowed.
    let result = unsafe { sys::rd_kafka_flush(producer.client().native_ptr(), wait_ms) };
    RDKafkaErrorCode::from(result) == RDKafkaErrorCode::NoError
}

/// The names of librdkafka's properties, but those that have no value by default.
pub(super) fn property_names() -> Vec<String> {
    let mut count = 0;
    // SAFETY: the dump is `count` strings, a name and a value by turns; it is freed once, as is
    // the configuration, and the names are copied before.
    unsafe {
        let conf = sys::rd_kafka_conf_new();
        let dump = sys::rd_kafka_conf_dump(conf, &raw mut count);
        let names = slice::from_raw_parts(dump, count)
            .iter()
            .step_by(2)
            .map(|name| CStr::from_ptr(*name).to_string_lossy().into_owned())
            .collect();
        sys::rd_kafka_conf_dump_free(dump, count);
        sys::rd_kafka_conf_destroy(conf);
        names
    }
}

/// A question for the id that a topic got when it was created.
pub(super) struct TopicId<C: ConsumerContext> {
    queue: NonNull<sys::rd_kafka_queue_t>,
    _consumer: Arc<BaseConsumer<C>>,
}

impl<C: ConsumerContext> TopicId<C> {
    /// Asks a broker, by default the controller. The answer comes within `patience`, be it that there is none. None if
    /// there can be no topic of this name.
    pub(super) fn ask(
        consumer: &Arc<BaseConsumer<C>>,
        topic: &str,
        broker: Option<i32>,
        patience: Duration,
    ) -> Option<Self> {
        use sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let topic = CString::new(topic).ok()?;
        let mut names = [topic.as_ptr()];
        let patience_ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive, and `consumer` keeps it so. Topics and options are copied by the call and then
        // destroyed once; the new queue goes into its owner.
        let queue = unsafe {
            let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            let options = sys::rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, patience_ms, ptr::null_mut(), 0);
            if let Some(broker) = broker {
                sys::rd_kafka_AdminOptions_set_broker(options, broker, ptr::null_mut(), 0);
            }
            let queue = sys::rd_kafka_queue_new(client);
            sys::rd_kafka_DescribeTopics(client, topics, options, queue);
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_TopicCollection_destroy(topics);
            queue
        };
        NonNull::new(queue).map(|queue| Self { queue, _consumer: Arc::clone(consumer) })
    }

    /// The id, as Kafka's own tools print it. It is none if the broker knows no ids, or none of this topic. Waits at most
    /// `wait` for the answer.
    pub(super) fn answer(&self, wait: Duration) -> Option<Result<Option<String>, RDKafkaErrorCode>> {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is this function's, and is destroyed after its last use.
        unsafe {
            let event = NonNull::new(sys::rd_kafka_queue_poll(self.queue.as_ptr(), wait_ms))?;
            let id = id_in(event.as_ptr());
            sys::rd_kafka_event_destroy(event.as_ptr());
            Some(id)
        }
    }
}

impl<C: ConsumerContext> Drop for TopicId<C> {
    fn drop(&mut self) {
        // SAFETY: owned by `self` and used by nothing after this.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// # Safety
/// `event` is an event that is not destroyed meanwhile.
unsafe fn id_in(event: *mut sys::rd_kafka_event_t) -> Result<Option<String>, RDKafkaErrorCode> {
    let check = |code| match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(code),
    };
    let mut topics = ptr::null_mut();
    // SAFETY: as the caller promised; all that is read belongs to the event, and the id is copied.
    unsafe {
        check(sys::rd_kafka_event_error(event))?;
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        if !result.is_null() {
            topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        }
        if count == 0 {
            return Ok(None);
        }
        let topic = *topics;
        check(sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic)))?;
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let is_zero =
            sys::rd_kafka_Uuid_most_significant_bits(id) == 0 && sys::rd_kafka_Uuid_least_significant_bits(id) == 0;
        // Kafka's tools use the alphabet for URLs.
        let text = || {
            let text = CStr::from_ptr(sys::rd_kafka_Uuid_base64str(id)).to_string_lossy();
            text.replace('+', "-").replace('/', "_")
        };
        Ok((!is_zero).then(text))
    }
}

/// Lets the first member of a group of the mock cluster begin at once; by default it waits three
/// seconds for others.
pub(super) fn mock_groups_begin_at_once<C: ProducerContext>(owner: &BaseProducer<C>) {
    // SAFETY: the cluster belongs to the client, which is alive while `owner` is borrowed; a
    // client without a cluster answers null.
    unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(owner.client().native_ptr());
        if !cluster.is_null() {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}
