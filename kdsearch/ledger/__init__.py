"""The database as the only truth: schema, transactions, leases, embedded Postgres, projection into Optuna."""
