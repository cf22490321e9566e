"""Winners of several studies in one table."""
