//! What is wrong is told by its name, and the gates follow it.

use super::*;
use crate::store::{Health, Trouble};

#[tokio::test]
async fn what_is_wrong_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put("a", "1")).await.unwrap();
    assert_eq!((engine.trouble(), engine.health()), (None, Health::Ready));
    let room = engine.room();
    assert!(room.journal > 0 && room.free > 0 && room.min_free == 0, "{room:?}");

    let index = engine.shared.index.write().unwrap().take();
    assert_eq!((engine.trouble(), engine.health()), (Some(Trouble::Rebuilding), Health::Closed));
    assert!(engine.commit(put("a", "2")).await.is_err());
    *engine.shared.index.write().unwrap() = index;
    assert_eq!(engine.trouble(), None);

    let gates = [
        (Gate::NoIntake, Trouble::Segment, Health::NoIntake),
        (Gate::Dead, Trouble::Failed, Health::Failed),
        (Gate::Stopped, Trouble::Closed, Health::Closed),
    ];
    for (gate, trouble, health) in gates {
        engine.shared.set_gate(gate);
        assert_eq!((engine.trouble(), engine.health()), (Some(trouble), health), "{gate:?}");
    }
    engine.shared.set_gate(Gate::Ready);
    engine.close().await;
    assert_eq!(engine.trouble(), Some(Trouble::Closed));
    drop(engine);

    let settings = Settings { folder: folder.path().to_owned(), min_free: u64::MAX };
    let (engine, _) = Local::open(Claim::with(&settings, options()).unwrap(), Arc::new(OsEntropy)).unwrap();
    assert_eq!((engine.trouble(), engine.health()), (Some(Trouble::Full), Health::NoIntake));
}
