"""Clips to binary codes, with a teacher of more frames or width."""
