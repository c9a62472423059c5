"""The stages of a run in order, what they leave on disk, and finished runs."""
