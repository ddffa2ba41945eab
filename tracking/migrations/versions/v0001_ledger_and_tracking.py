"""The first schema: tracking, the ledger, and the accrual tables (docs/interfaces.md, Tables)."""

import sqlalchemy as sa
from alembic import op

from tracking.models import ExactNumeric, UtcDateTime, money

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_tracking()
    _create_parties()
    _create_documents()
    _create_accruals()


def _create_tracking() -> None:
    op.create_table(
        "sync_execution",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("step_name", sa.String(), nullable=False, index=True),
        sa.Column("status", sa.String(), nullable=False, index=True),
        sa.Column("window_start", sa.Date()),
        sa.Column("window_end", sa.Date()),
        sa.Column("flow_run_id", sa.String(), index=True),
        sa.Column("task_run_id", sa.String(), unique=True),
        sa.Column("started_at", UtcDateTime(), index=True),
        sa.Column("completed_at", UtcDateTime()),
        sa.Column("error_message", sa.String()),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "integration_error",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("integration_name", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("entity_type", sa.String(), nullable=False),
        sa.Column("entity_external_id", sa.String(), nullable=False),
        sa.Column("error_message", sa.String(), nullable=False),
        sa.Column("error_details", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sync_execution_id", sa.Integer(), sa.ForeignKey("sync_execution.id"), index=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )
    op.create_index(
        "ix_integration_error_entity", "integration_error", ["operation", "entity_type", "entity_external_id"]
    )
    op.create_index("ix_integration_error_status", "integration_error", ["status"])


def _create_parties() -> None:
    op.create_table(
        "service",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("external_id", sa.String(), nullable=False, unique=True),
        sa.Column("account_identifier", sa.String()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("service_type", sa.String(), nullable=False),
        sa.Column("total_sessions", sa.Integer(), nullable=False),
        sa.Column("sessions_per_week", sa.Integer(), nullable=False),
        sa.Column("class_weekdays", sa.JSON()),
    )
    op.create_table(
        "client",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("identifier", sa.String(), nullable=False, unique=True),
        sa.Column("name", sa.String(), nullable=False),
    )
    op.create_table(
        "client_external_id",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("client_id", sa.Integer(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("educational_status", sa.String()),
        sa.Column("educational_status_date", sa.Date()),
        sa.UniqueConstraint("system", "external_id", name="uq_client_external_id"),
    )
    op.create_index("ix_client_external_id_client", "client_external_id", ["client_id", "system"])
    op.create_table(
        "service_contract",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("service_id", sa.Integer(), sa.ForeignKey("service.id"), nullable=False),
        sa.Column("client_id", sa.Integer(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("contract_date", sa.Date(), nullable=False),
        sa.Column("contract_amount", money(), nullable=False),
        sa.Column("contract_currency", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.UniqueConstraint("client_id", "service_id", name="uq_service_contract"),
    )
    op.create_index("ix_service_contract_date", "service_contract", ["contract_date"])


def _create_documents() -> None:
    op.create_table(
        "invoice",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("external_id", sa.String(), nullable=False, unique=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("client_id", sa.Integer(), sa.ForeignKey("client.id")),
        sa.Column("service_contract_id", sa.Integer(), sa.ForeignKey("service_contract.id")),
        sa.Column("source_external_id", sa.String()),
        sa.Column("invoice_number", sa.String()),
        sa.Column("invoice_date", sa.Date(), nullable=False),
        sa.Column("due_date", sa.Date()),
        sa.Column("total_amount", money(), nullable=False),
        sa.Column("net_amount", money(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("voided_at", UtcDateTime()),
        sa.Column("original_data", sa.JSON(), nullable=False),
    )
    op.create_index("ix_invoice_date", "invoice", ["invoice_date"])
    op.create_index("ix_invoice_contract", "invoice", ["service_contract_id"])
    op.create_index("ix_invoice_source", "invoice", ["source_external_id"])
    op.create_table(
        "service_period",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("contract_id", sa.Integer(), sa.ForeignKey("service_contract.id"), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("status_change_date", sa.Date()),
        sa.UniqueConstraint("contract_id", "external_id", name="uq_service_period"),
    )


def _create_accruals() -> None:
    op.create_table(
        "contract_accrual",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("contract_id", sa.Integer(), sa.ForeignKey("service_contract.id"), nullable=False, unique=True),
        sa.Column("total_to_accrue", money(), nullable=False),
        sa.Column("accrued_amount", money(), nullable=False),
        sa.Column("remaining_amount_to_accrue", money(), nullable=False),
        sa.Column("total_sessions_to_accrue", sa.Integer(), nullable=False),
        sa.Column("sessions_accrued", sa.Integer(), nullable=False),
        sa.Column("remaining_sessions_to_accrue", sa.Integer(), nullable=False),
        sa.Column("accrual_status", sa.String(), nullable=False),
        sa.Column("last_month", sa.Date()),
    )
    op.create_table(
        "accrued_period",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("contract_accrual_id", sa.Integer(), sa.ForeignKey("contract_accrual.id"), nullable=False),
        sa.Column("service_period_id", sa.Integer(), sa.ForeignKey("service_period.id")),
        sa.Column("accrual_date", sa.Date(), nullable=False),
        sa.Column("accrued_amount", money(), nullable=False),
        sa.Column("accrual_portion", ExactNumeric(9, 6), nullable=False),
        sa.Column("sessions_accrued", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
    )
    op.create_index(
        "uq_accrued_period",
        "accrued_period",
        ["contract_accrual_id", "accrual_date", sa.text("coalesce(service_period_id, 0)")],
        unique=True,
    )
    op.create_index("ix_accrued_period_date", "accrued_period", ["accrual_date"])
    op.create_table(
        "closed_month",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("month", sa.Date(), nullable=False, unique=True),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("roll_forward", sa.JSON(), nullable=False),
        sa.Column("postings_hash", sa.String(), nullable=False),
    )
