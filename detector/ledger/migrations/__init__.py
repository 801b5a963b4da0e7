"""Versions of the ledger's schema, one module each; Alembic applies those that a ledger lacks."""
