//! An order on its way to the process that has the embedded bus, under our signature.
//!
//! The bus is in a directory for its owner alone, and letters hold numbers and texts. Whoever may read the key of the
//! tickets may read them; that somebody is on this machine is not enough.

use std::time::Duration;

use messaging::Environment;
use messaging::dead::Order;
use protocol::Timestamp;
use serde::{Deserialize, Serialize};
use tropo::ticket::{Keyring, Sealed, TicketError};

/// How long it is valid: it is asked at once.
const LIFETIME: Duration = Duration::from_mins(1);

/// An order, and when it is void.
#[derive(Serialize, Deserialize)]
struct Asked {
    order: Order,
    expires_at: Timestamp,
}

impl Sealed for Asked {
    const PURPOSE: &'static str = "tropomq dead v1";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// The order, sealed.
pub(super) fn seal(order: &Order, keyring: &Keyring, environment: &Environment) -> String {
    let expires_at = environment.now().saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    keyring.seal(&Asked { order: order.clone(), expires_at })
}

/// The order in a sealed one.
///
/// # Errors
/// It was not sealed with our key, or too long ago.
pub(crate) fn open(sealed: &str, keyring: &Keyring, environment: &Environment) -> Result<Order, TicketError> {
    keyring.open::<Asked>(sealed, environment.now()).map(|asked| asked.order)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use messaging::dead::{Action, Detail, Filter, Place};
    use tropo::ticket::Key;

    use super::*;

    fn keyring(secret: &[u8; 32]) -> Keyring {
        Keyring::new(vec![Key::new("k", secret).unwrap()]).unwrap()
    }

    #[test]
    fn an_order_comes_whole_to_who_has_the_key_and_to_nobody_else() {
        let (environment, ours) = (Environment::system(), keyring(&[1; 32]));
        let order = Order {
            action: Action::Replay { rate: NonZeroU32::MIN },
            place: Place::Unrouted,
            filter: Filter { ids: ["a".to_owned()].into(), ..Filter::default() },
            limit: Some(1),
            detail: Detail::Masked,
        };
        let sealed = seal(&order, &ours, &environment);
        assert_eq!(open(&sealed, &ours, &environment), Ok(order));
        assert_eq!(open(&sealed, &keyring(&[2; 32]), &environment), Err(TicketError::Forged));
        assert_eq!(open("{}", &ours, &environment), Err(TicketError::Malformed));
    }
}
