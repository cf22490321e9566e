"""Any program as a task: a command line with placeholders, and where its metric is read from."""
