"""What a user declares in a study file, and how it is checked."""
