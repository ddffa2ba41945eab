"""The ledger: its tables by noun, and the rules of what belongs to what (docs/vendors.md, How records are matched)."""
