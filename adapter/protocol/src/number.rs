//! What is kept of requests by their numbers.

use std::collections::HashMap;

/// Numbers below this have a place of their own: whoever begins requests takes small numbers, mostly the smallest that is
/// free.
const FEW: u16 = 256;

/// A map by the numbers of requests.
#[derive(Clone, Debug)]
pub struct ByNumber<T> {
    few: Vec<Option<T>>,
    others: HashMap<u16, T>,
    len: usize,
}

impl<T> Default for ByNumber<T> {
    fn default() -> Self {
        Self {
            few: Vec::new(),
            others: HashMap::new(),
            len: 0,
        }
    }
}

impl<T> ByNumber<T> {
    /// Keeps a value, in the place of the one before if there is one.
    #[inline]
    pub fn insert(&mut self, number: u16, value: T) {
        let before = if number < FEW {
            let index = usize::from(number);
            if self.few.len() <= index {
                self.few.resize_with(index + 1, || None);
            }
            self.few[index].replace(value)
        } else {
            self.others.insert(number, value)
        };
        self.len += usize::from(before.is_none());
    }

    /// The value.
    #[must_use]
    #[inline]
    pub fn get(&self, number: u16) -> Option<&T> {
        match number < FEW {
            true => self.few.get(usize::from(number))?.as_ref(),
            false => self.others.get(&number),
        }
    }

    /// The value, to be changed.
    #[inline]
    pub fn get_mut(&mut self, number: u16) -> Option<&mut T> {
        match number < FEW {
            true => self.few.get_mut(usize::from(number))?.as_mut(),
            false => self.others.get_mut(&number),
        }
    }

    /// Gives the value back.
    #[inline]
    pub fn remove(&mut self, number: u16) -> Option<T> {
        let value = match number < FEW {
            true => self.few.get_mut(usize::from(number))?.take(),
            false => self.others.remove(&number),
        };
        self.len -= usize::from(value.is_some());
        value
    }

    /// How many values there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All values with their numbers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &T)> {
        let few = (0..).zip(&self.few);
        let few = few.filter_map(|(number, value)| Some((number, value.as_ref()?)));
        few.chain(self.others.iter().map(|(number, value)| (*number, value)))
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((any::<bool>(), prop_oneof![0..3_u16, FEW - 2..FEW + 2, any::<u16>()]), 0..50)) {
            let (mut map, mut expected) = (ByNumber::default(), BTreeMap::new());
            for (step, (add, number)) in steps.into_iter().enumerate() {
                if add {
                    map.insert(number, step);
                    expected.insert(number, step);
                } else {
                    prop_assert_eq!(map.remove(number), expected.remove(&number));
                }
                prop_assert_eq!(map.get(number), expected.get(&number));
                prop_assert_eq!(map.get_mut(number), expected.get_mut(&number));
                prop_assert_eq!((map.len(), map.is_empty()), (expected.len(), expected.is_empty()));
                let mut pairs: Vec<_> = map.iter().collect();
                pairs.sort_unstable();
                let others: Vec<_> = expected.iter().map(|(number, step)| (*number, step)).collect();
                prop_assert_eq!(pairs, others);
            }
        }
    }
}
