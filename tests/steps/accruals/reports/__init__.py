"""Reports on small ledgers that are written by hand, so that every figure can be checked by eye."""
