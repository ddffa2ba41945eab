"""The vendors' clients: HTTP with limits, and what each vendor's answers mean (docs/vendors.md)."""
