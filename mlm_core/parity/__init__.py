"""Whether two engines compute the same thing: each works in a process of its own, then they are compared."""
