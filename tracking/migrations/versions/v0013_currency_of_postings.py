"""A posting, and an accrual state, have a currency of their own: that of their contract until now."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_OF_CONTRACT = "SELECT contract_currency FROM service_contract WHERE service_contract.id = contract_accrual.contract_id"
_OF_STATE = "SELECT currency FROM contract_accrual WHERE contract_accrual.id = accrued_period.contract_accrual_id"


def upgrade() -> None:
    for table, currency in (("contract_accrual", _OF_CONTRACT), ("accrued_period", _OF_STATE)):
        # SQLite adds a column that may not be null with a default only.
        op.add_column(table, sa.Column("currency", sa.String(), nullable=False, server_default=""))
        op.execute(f"UPDATE {table} SET currency = ({currency})")  # noqa: S608 - both are written above
