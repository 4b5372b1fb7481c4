//! The seam to the bus, the consume loop, and two buses behind it.
