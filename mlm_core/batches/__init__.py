"""Which rows a batch has, and what is masked in them: pure functions of (seed, step)."""
