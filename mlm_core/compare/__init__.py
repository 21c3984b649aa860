"""`mlm compare`: engines do the same work in interleaved rounds, to measure which is faster."""
