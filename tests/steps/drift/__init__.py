"""Whatever changes at the vendors: a run again leaves the ledger that a fresh import makes."""
