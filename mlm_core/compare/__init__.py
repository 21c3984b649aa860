"""`mlm compare`: engines on the same work, in interleaved rounds, and which of them is faster here."""
