"""The Python face of a run: `train`, and `Run` with its history, plot, fills and evaluations."""
