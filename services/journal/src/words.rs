//! The words of the account, for people, metrics and machines alike.

use store::Standing;

/// Where a text can stand, in the order of the equation.
pub const TEXTS: [(Standing, &str); 4] = [
    (Standing::Answered, "answered"),
    (Standing::Ignored, "ignored"),
    (Standing::Dead, "dead"),
    (Standing::Waiting, "waiting"),
];

/// Where a message can stand, in the order of the equation.
pub const MESSAGES: [(Standing, &str); 9] = [
    (Standing::Sent, "sent"),
    (Standing::Delivered, "delivered"),
    (Standing::Failed, "failed"),
    (Standing::Unconfirmed, "unconfirmed"),
    (Standing::Expired, "expired"),
    (Standing::Suppressed, "suppressed"),
    (Standing::Dead, "dead"),
    (Standing::Waiting, "waiting"),
    (Standing::Released, "released"),
];
