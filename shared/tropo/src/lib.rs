//! Tropo's language, both sides of it: session, result, document, launch, ticket. Pure.
