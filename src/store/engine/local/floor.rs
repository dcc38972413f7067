//! Where the live keys of each space begin, as far as a walk has found: the next one from there does not go over what was deleted
//! before. A queue that is emptied at its front leaves a deletion for each entry until the parts of the index are merged.

use std::collections::BTreeMap;

/// By the first byte of a key, its space: no key of that space below this one counts. Pure; the caller sees to it that nothing is put
/// between the start of a walk and its [`walked`](Self::walked).
#[derive(Debug, Default)]
pub(super) struct Floors(BTreeMap<u8, Vec<u8>>);

impl Floors {
    /// Where a walk from `from` may begin.
    pub(super) fn begin(&self, from: &[u8]) -> Vec<u8> {
        let floor = from.first().and_then(|space| self.0.get(space));
        floor.map_or(from, |floor| from.max(floor)).to_vec()
    }

    /// A walk from `from` on found nothing that counts below `first`.
    pub(super) fn walked(&mut self, from: &[u8], first: &[u8]) {
        let Some(&space) = from.first() else { return };
        let begin = [space];
        let floor = self.0.get(&space).map_or(&begin[..], Vec::as_slice);
        // One that began further on says nothing about what lies between.
        if from <= floor && first > floor {
            let end = [space.saturating_add(1)];
            self.0.insert(space, first.min(&end).to_vec());
        }
    }

    /// `key` counts from now on.
    pub(super) fn put(&mut self, key: &[u8]) {
        if let Some(floor) = key.first().and_then(|space| self.0.get_mut(space))
            && key < floor.as_slice()
        {
            key.clone_into(floor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_begins_where_keys_begin_to_count() {
        let mut floors = Floors::default();
        assert_eq!(floors.begin(&[7]), [7]);
        floors.walked(&[7], &[7, 5]);
        assert_eq!(floors.begin(&[7]), [7, 5]);
        assert_eq!(floors.begin(&[7, 4]), [7, 5]);
        assert_eq!(floors.begin(&[7, 6]), [7, 6]);
        assert_eq!(floors.begin(&[6]), [6], "another space");
        floors.walked(&[7, 6], &[7, 9]);
        assert_eq!(floors.begin(&[7]), [7, 5], "what lies between was not seen");
        floors.walked(&[7], &[7, 9]);
        floors.put(&[7, 8]);
        floors.put(&[6, 1]);
        assert_eq!(floors.begin(&[7]), [7, 8]);
        floors.put(&[7, 9, 9]);
        assert_eq!(floors.begin(&[7]), [7, 8]);
    }

    #[test]
    fn a_space_with_nothing_is_walked_no_more_until_something_comes() {
        let mut floors = Floors::default();
        floors.walked(&[7], &[9, 1]);
        assert_eq!(floors.begin(&[7]), [8], "the next space was not all seen from its start");
        floors.put(&[7]);
        assert_eq!(floors.begin(&[7]), [7]);
    }
}
