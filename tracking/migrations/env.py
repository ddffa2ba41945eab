"""Entry of Alembic: runs the migrations on the connection, in its transaction, that `tracking/database.py` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
