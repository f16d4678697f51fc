"""What people look at: the claims ledger, tables, figures."""
