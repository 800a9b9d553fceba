//! Training through [`Family::train`]: interrupted in the middle and taken up again, it gives the same members.
#![cfg(feature = "flex")]

mod families;

use families::{all, members, mlp};
use gtv_models::watch::Encode;
use gtv_models::{Error, Family, Result, Session, Store, Unwatched, Watch};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The columns of a table, and its rows.
type Table = (String, Vec<Vec<f64>>);

/// Keeps what it is given; what is in it may be damaged.
#[derive(Default)]
struct Memory {
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Columns of each table that was shown, and its lines.
    shown: Mutex<BTreeMap<String, Table>>,
    damaged: bool,
}

impl Store for Memory {
    fn load(&self, key: &str) -> std::result::Result<Option<Vec<u8>>, String> {
        match self.kept.lock().unwrap().get(key) {
            Some(_) if self.damaged => Err("damaged".to_owned()),
            found => Ok(found.cloned()),
        }
    }

    fn save(&self, key: &str, len: usize, encode: Encode<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), len, "{key}");
        self.kept.lock().unwrap().insert(key.to_owned(), bytes);
        Ok(())
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let kept = self.kept.lock().unwrap();
        Ok(kept.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.kept.lock().unwrap().remove(key);
        Ok(())
    }

    fn place(&self, key: &str) -> String {
        key.to_owned()
    }

    fn table(&self, name: &str, columns: &[&str], rows: &[&[f64]]) -> Result<()> {
        let rows = rows.iter().map(|row| row.to_vec()).collect();
        self.shown.lock().unwrap().insert(name.to_owned(), (columns.join(","), rows));
        Ok(())
    }
}

/// Asks to stop from the question `patience` on, and counts questions and warnings.
#[derive(Default)]
struct Patience {
    patience: Option<usize>,
    asked: AtomicUsize,
    warned: AtomicUsize,
}

impl Watch for Patience {
    fn stage(&self, label: &str, units: u64) -> Box<dyn gtv_models::watch::Stage + '_> {
        Unwatched.stage(label, units)
    }

    fn interrupted(&self) -> bool {
        let asked = self.asked.fetch_add(1, Relaxed);
        self.patience.is_some_and(|patience| asked >= patience)
    }

    fn note(&self, _text: &str) {}

    fn warn(&self, _warning: &dyn Display) {
        self.warned.fetch_add(1, Relaxed);
    }

    fn memory_limit(&self) -> Option<u64> {
        None
    }
}

fn train(family: &dyn Family, watch: &Patience, store: &Memory) -> Result<Vec<Vec<u8>>> {
    let members = family.train("training", &members(6), Session { watch, store })?;
    (0..members.len()).map(|member| members.encode(member, &BTreeMap::new())).collect()
}

#[test]
fn identities_the_log_of_a_training_has_its_columns_and_no_gap_after_an_interrupt() {
    let (family, store) = (mlp(), Memory::default());
    let impatient = Patience { patience: Some(25), ..Patience::default() };
    assert!(train(&family, &impatient, &store).is_err());
    train(&family, &Patience::default(), &store).unwrap();
    let shown = store.shown.into_inner().unwrap();
    let (columns, rows) = &shown["log"];
    assert_eq!(shown.len(), 1);
    assert_eq!(columns, "step,first_member,members,rate,loss,j0,j1,grad_norm,memorized,seconds");
    let steps: Vec<[f64; 3]> = rows.iter().map(|row| [row[0], row[1], row[2]]).collect();
    assert_eq!(steps, [0.0, 10.0, 20.0, 30.0, 40.0].map(|step| [step, 0.0, 6.0]));
    assert!(rows[0][4].is_nan() && rows[1..].iter().all(|row| row[4] > 0.0 && row.len() == 10));
}

#[test]
fn identities_an_interrupted_training_goes_on_to_the_same_members() {
    for family in all() {
        let (name, family) = (family.name(), family.as_ref());
        let whole = Patience::default();
        let want = train(family, &whole, &Memory::default()).unwrap();
        let asked = whole.asked.into_inner();

        let (impatient, mut store) =
            (Patience { patience: Some(asked / 2), ..Patience::default() }, Memory::default());
        assert!(matches!(train(family, &impatient, &store), Err(Error::Interrupted)), "{name}");
        let kept = store.kept.lock().unwrap().clone();
        assert!(!kept.is_empty(), "{name}");
        let again = Patience::default();
        assert!(train(family, &again, &store).unwrap() == want, "{name}");
        // What was kept is not done again, and not warned about.
        assert!(again.asked.into_inner() < asked && again.warned.into_inner() == 0, "{name}");
        // A third time finds everything.
        let done = store.kept.lock().unwrap().clone();
        assert!(train(family, &Patience::default(), &store).unwrap() == want, "{name}");
        assert!(*store.kept.lock().unwrap() == done, "{name}");

        // Damaged pieces are warned about and made again.
        store.kept = Mutex::new(kept);
        store.damaged = true;
        let warned = Patience::default();
        assert!(train(family, &warned, &store).unwrap() == want, "{name}");
        assert!(warned.warned.into_inner() > 0, "{name}");
    }
}
