"""The schema's history, oldest first in `versions/`. `alembic revision` is not needed: write the next file by hand."""
