//! A TCP proxy in front of a broker, with which the network between the broker and its clients fails.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Accepts connections, and forwards them to the broker, for as long as this lives.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    network: Arc<Network>,
}

/// The state of the simulated network.
#[derive(Default)]
struct Network {
    /// The broker's port; 0 before it is known.
    broker: AtomicU64,
    /// Nothing arrives, and no error is reported.
    is_silent: AtomicBool,
    /// Every piece of at most 64 KiB arrives later by this number of milliseconds.
    delay: AtomicU64,
    late: Mutex<Late>,
    is_over: AtomicBool,
    /// How many connections there have been, and those that are open: both ends of each.
    count: AtomicU64,
    connections: Mutex<BTreeMap<u64, [TcpStream; 2]>>,
}

/// A request that arrives late, with the connection on which it does.
#[derive(Default)]
enum Late {
    #[default]
    None,
    Awaited,
    Withheld(Vec<u8>, TcpStream),
    Due(Vec<u8>, TcpStream),
}

/// The keys of two requests of the protocol.
const TXN_OFFSET_COMMIT: [u8; 2] = 28_i16.to_be_bytes();
const END_TXN: [u8; 2] = 26_i16.to_be_bytes();

impl Proxy {
    pub(crate) fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, network) = (listener.local_addr().unwrap().port(), Arc::new(Network::default()));
        let shared = Arc::clone(&network);
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let network = Arc::clone(&shared);
                thread::spawn(move || network.connect(client));
            }
        });
        Proxy { port, network }
    }

    pub(crate) fn forward_to(&self, port: u16) {
        self.network.broker.store(port.into(), Ordering::Relaxed);
    }

    /// For so long no byte arrives; connections stay open.
    pub(crate) fn is_silent_for(&self, long: Duration) {
        self.network.is_silent.store(true, Ordering::Relaxed);
        thread::sleep(long);
        self.network.is_silent.store(false, Ordering::Relaxed);
    }

    /// For so long everything takes longer by `delay` each way.
    pub(crate) fn is_slow_for(&self, long: Duration, delay: Duration) {
        self.network.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
        thread::sleep(long);
        self.network.delay.store(0, Ordering::Relaxed);
    }

    /// Withholds the next request to commit offsets in a transaction, and closes the connection to its client.
    pub(crate) fn withhold_offsets(&self) {
        *self.network.late.lock().unwrap() = Late::Awaited;
    }

    /// The request that was withheld reaches the broker before the next transaction is committed. Returns whether one was.
    pub(crate) fn deliver_late(&self) -> bool {
        let mut late = self.network.late.lock().unwrap();
        match std::mem::replace(&mut *late, Late::None) {
            Late::Withheld(request, to) => {
                *late = Late::Due(request, to);
                true
            }
            _ => false,
        }
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        for end in self.network.connections.lock().unwrap().values().flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.is_over.store(true, Ordering::Relaxed);
        self.cut();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Network {
    fn connect(self: &Arc<Network>, client: TcpStream) {
        self.pass();
        let Ok(broker) = TcpStream::connect(("127.0.0.1", self.broker.load(Ordering::Relaxed) as u16)) else { return };
        let copies = [&client, &client, &broker, &broker].map(TcpStream::try_clone);
        let [Ok(from_client), Ok(to_client), Ok(from_broker), Ok(to_broker)] = copies else { return };
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.connections.lock().unwrap().insert(number, [client, broker]);
        let network = Arc::clone(self);
        let there = thread::spawn(move || network.forward_requests(from_client, to_broker));
        self.forward(from_broker, to_client);
        let _ = there.join();
        self.connections.lock().unwrap().remove(&number);
    }

    fn forward(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            self.pass();
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// The same for requests, each of which follows its length.
    fn forward_requests(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut length = [0; 4];
        while from.read_exact(&mut length).is_ok() {
            let mut request = length.to_vec();
            request.resize(4 + u32::from_be_bytes(length) as usize, 0);
            if from.read_exact(&mut request[4..]).is_err() {
                break;
            }
            self.pass();
            let mut late = self.late.lock().unwrap();
            // The last byte says whether the transaction is committed.
            let commits = request[4..6] == END_TXN && request.ends_with(&[1]);
            *late = match std::mem::take(&mut *late) {
                Late::Awaited if request[4..6] == TXN_OFFSET_COMMIT => {
                    *late = Late::Withheld(request, to);
                    let _ = from.shutdown(Shutdown::Both);
                    return;
                }
                Late::Due(request, mut to) if commits => {
                    to.write_all(&request).unwrap();
                    thread::sleep(Duration::from_millis(500));
                    Late::None
                }
                other => other,
            };
            drop(late);
            if to.write_all(&request).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits as the network makes a message wait.
    fn pass(&self) {
        thread::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed)));
        while self.is_silent.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}
