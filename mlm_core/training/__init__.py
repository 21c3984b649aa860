"""A training run: its setup, loop, records, checkpoints and directory."""
