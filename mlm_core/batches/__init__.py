"""The rows of every batch and the masked tokens in them: pure functions of (seed, step)."""
