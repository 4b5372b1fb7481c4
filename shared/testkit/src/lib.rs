//! A private RabbitMQ and PostgreSQL that a test may kill, and other real parts for tests.
