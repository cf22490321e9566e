"""Training scripts of other repositories, searched as they are."""
