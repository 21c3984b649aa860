"""The machine: files, memory, processor, signals, the cache, versions of packages."""
