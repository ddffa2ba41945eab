"""Vendors without a rate: the sandbox takes whatever comes, and tests do not wait for it."""

FAST = {"HOLDED_RATE": "1000", "FOURGEEKS_RATE": "1000", "NOTION_RATE": "1000"}
"""The variables that say so."""
