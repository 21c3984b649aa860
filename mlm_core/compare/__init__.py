"""`mlm compare`: engines on the same work, in turns, and which of them is faster here."""
