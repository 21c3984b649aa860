"""The machine: files, memory, processor, signals, locks, the cache, versions of packages."""
