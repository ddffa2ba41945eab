"""The ledger: one noun a file, its table and the rules next to it. Knows no Prefect, no httpx, no FastAPI."""
