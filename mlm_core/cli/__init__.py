"""One module per command: `run` does the work and returns the JSON object, `show` prints it."""
