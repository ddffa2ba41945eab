"""The ledger: its tables by noun, and the rules of what belongs to what (interfaces.md, How records are matched)."""
