"""Encoders of clips: poses, silhouettes, masks, frames, features."""
