"""Tensors and artefacts on disk: atomic, in shards, a block of columns or rows at a time."""
