"""`mlm parity`: two engines train, each in its own process, and their results are compared."""
