"""Measures of predictions: sums over masked tokens, and metrics of the `evaluate` library."""
