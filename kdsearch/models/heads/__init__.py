"""What stands on an encoder or a classifier."""
