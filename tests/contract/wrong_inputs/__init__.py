"""The table of wrong inputs: what is wrong, and what must be said about it."""
