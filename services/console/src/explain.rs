//! The five questions about a message, answered from what is on record. Pure.
