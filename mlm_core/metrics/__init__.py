"""Numbers about predictions: sums, and the metrics of the `evaluate` library."""
