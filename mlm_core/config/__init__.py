"""Every option: what it is called, which values it takes, what it decides."""
