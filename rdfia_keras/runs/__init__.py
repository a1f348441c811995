"""Runs on disk: their folders, records, checkpoints, and the store that finds them again."""
