"""One module a section of the report; each gives a table, or ``None`` where it has nothing to say."""
