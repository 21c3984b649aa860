"""Every option: its name, its values, its limits, and the names that other trainers give it."""
