//! What hashing leaves behind in the process. A binary of its own: it reads the memory of the whole process.
#![expect(clippy::unwrap_used, reason = "test code")]

use zegel::base::{OsEntropy, SecretBytes};
use zegel::seal::code::{AccessCode, Cost, Verifier};
use zegel::seal::hashers::Hashers;

/// Resident memory of this process, MiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() >> 10
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_hashes_leave_the_memory_of_four() {
    const TURNS: usize = 4;
    const MIB: usize = 19;
    let before = resident();
    let (hashers, pepper) = (Hashers::new(TURNS), SecretBytes::<32>::new([7; 32]));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (hashers, pepper) = (hashers.clone(), pepper.clone());
        tasks.spawn(async move {
            let mut turn = hashers.turn().await.unwrap();
            let hash = move || {
                let code = AccessCode::generate(&OsEntropy);
                Verifier::new(&code, &pepper, Cost::default(), &OsEntropy, turn.memory()).unwrap();
            };
            tokio::task::spawn_blocking(hash).await.unwrap();
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let left = resident() - before;
    eprintln!("{left} MiB after 200 hashes of {MIB} MiB");
    assert!(left <= TURNS * MIB + 24, "{left} MiB stayed with the process");
}
