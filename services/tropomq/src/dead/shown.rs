//! The letters that were shown, and the orders that mean those and no others.

use messaging::dead::{Filter, Letter};

use super::work::Order;

/// An order names at most so many ids. On its way to another process it must fit into the body of a request, and an id
/// may have 255 bytes.
const IDS_MAX: usize = 100;

/// The letters that were shown.
#[derive(Default)]
pub(super) struct Shown {
    /// Their ids, in their order.
    ids: Vec<String>,
    /// How many have none.
    nameless: usize,
}

impl Shown {
    pub(super) fn add(&mut self, letter: &Letter) {
        match &letter.id {
            Some(id) => self.ids.push(id.clone()),
            None => self.nameless += 1,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.ids.len() + self.nameless
    }

    /// How many cannot be told from others.
    pub(super) fn nameless(&self) -> usize {
        self.nameless
    }

    /// `order` for those that were shown. Where some have no id, it is for as many as were shown, from the oldest on:
    /// letters keep their order, and newer ones come behind.
    pub(super) fn orders(&self, order: &Order) -> Vec<Order> {
        if 0 < self.nameless {
            return vec![Order { limit: Some(self.count() as u64), ..order.clone() }];
        }
        let of = |ids: &[String]| {
            let filter = Filter { ids: ids.iter().cloned().collect(), ..order.filter.clone() };
            // Of several with one id, no more than were shown.
            Order { filter, limit: Some(ids.len() as u64), ..order.clone() }
        };
        self.ids.chunks(IDS_MAX).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use messaging::dead::{Detail, Place};
    use serde_json::json;

    use super::super::work::Action;
    use super::*;

    fn shown(ids: &[Option<&str>]) -> Shown {
        let mut shown = Shown::default();
        for id in ids {
            let letter = json!({ "id": id, "routing_key": "message.send.a", "body_bytes": 2 });
            shown.add(&serde_json::from_value(letter).unwrap());
        }
        shown
    }

    fn order() -> Order {
        let filter = Filter { backend: Some("a".to_owned()), ..Filter::default() };
        Order { action: Action::Drop, place: Place::Dead, filter, limit: None, detail: Detail::Line }
    }

    #[track_caller]
    fn check(ids: &[Option<&str>], expected: &[(&[&str], u64)]) {
        let with = |(ids, limit): &(&[&str], u64)| {
            let filter = Filter { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..order().filter };
            Order { filter, limit: Some(*limit), ..order() }
        };
        let expected: Vec<Order> = expected.iter().map(with).collect();
        assert_eq!(shown(ids).orders(&order()), expected);
    }

    #[test]
    fn the_letters_that_were_shown_are_meant_and_no_others() {
        check(&[], &[]);
        check(&[Some("b"), Some("a")], &[(&["a", "b"], 2)]);
        check(&[Some("a"), Some("b"), Some("a")], &[(&["a", "b"], 3)]);
        check(&[Some("a"), None, None], &[(&[], 3)]);
    }

    #[test]
    fn many_are_meant_in_their_order_by_several_orders() {
        let ids: Vec<String> = (0..250).rev().map(|n| format!("{n:03}")).collect();
        let orders = shown(&ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>()).orders(&order());
        let meant: Vec<(usize, Option<u64>)> = orders.iter().map(|it| (it.filter.ids.len(), it.limit)).collect();
        assert_eq!(meant, [(100, Some(100)), (100, Some(100)), (50, Some(50))]);
        assert!(orders[0].filter.ids.iter().eq(ids[..100].iter().rev()));
    }
}
