//! Three brokers, of which the one that coordinates the group or its transactions, or leads a partition of the log, goes
//! and comes back: another one takes over, and gives it back.

use super::*;
use crate::broker::Cluster;

/// Few, because the suite must end soon. `UPSWELL_TEST_MOVES` sets another number.
const MOVES: u64 = 2;

#[test]
fn coordinators_and_leaders_that_move_lose_and_duplicate_nothing() {
    let Some(mut cluster) = Cluster::start() else { return };
    let seed = from_environment("UPSWELL_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let moves = from_environment("UPSWELL_TEST_MOVES").unwrap_or(MOVES);
    println!("UPSWELL_TEST_SEED={seed} UPSWELL_TEST_MOVES={moves}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let brokers = cluster.brokers.clone();
    let service = Service::new(folder.path(), &brokers);
    // Events keep coming for 8 s a move, about as long as one takes.
    let mut generator = service.generate(moves * 2_000, 250);
    let mut processes = ["a", "b"].map(|name| service.start(name));
    let (began, mut kinds) = (Instant::now(), Vec::new());
    for number in 0..moves {
        std::thread::sleep(Duration::from_millis(rng.random_range(300..2_000)));
        // Each kind comes before one comes again.
        if kinds.is_empty() {
            kinds = vec!["group", "transactions", "log"];
        }
        let kind = kinds.swap_remove(rng.random_range(0..kinds.len()));
        let (topic, partition) = match kind {
            "group" => ("__consumer_offsets".to_owned(), Cluster::coordinating_partition(&service.prefix)),
            "transactions" => {
                let (process, worker) = (["a", "b"][rng.random_range(0..2)], rng.random_range(0..2));
                let id = format!("{0}-{0}-{process}-{worker}", service.prefix);
                ("__transaction_state".to_owned(), Cluster::coordinating_partition(&id))
            }
            _ => (service.log(), rng.random_range(0..PARTITIONS)),
        };
        let leader = cluster.leader(&topic, partition);
        let is_killed = rng.random_bool(0.7);
        let how = if is_killed { "is killed" } else { "is stopped" };
        println!("{:?}, move {number}: broker {leader}, the leader of {topic}[{partition}], {how}", began.elapsed());
        if is_killed {
            cluster.kill(leader)
        } else {
            cluster.stop(leader)
        }
        while cluster.leader(&topic, partition) == leader {
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{:?}, move {number}: broker {} leads", began.elapsed(), cluster.leader(&topic, partition));
        std::thread::sleep(Duration::from_millis(rng.random_range(0..2_000)));
        service.assert_alive(&mut processes);
        cluster.restart(leader);
        // With two replicas gone nothing could be written.
        cluster.await_replicas();
    }
    println!("{:?}: all brokers are back", began.elapsed());
    assert!(generator.wait().unwrap().success(), "{}", service.said("generator"));
    service.ends_well(&mut processes);
    println!("{:?}: done", began.elapsed());
}
