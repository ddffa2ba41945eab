"""Reports on what was accrued: they read the ledger and the engine, and write nothing."""
