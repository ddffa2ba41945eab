"""Every fault of a vendor at every endpoint: what is said of it, what it leaves, and that the next run mends it."""
