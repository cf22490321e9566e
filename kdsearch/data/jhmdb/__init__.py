"""JHMDB: poses, masks, silhouettes and frames of 928 clips."""
