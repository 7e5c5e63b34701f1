"""A published edition of the ledger as static files: written, verified, and read again."""
