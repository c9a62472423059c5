"""Weight sets that are larger than memory: read and written in chunks of networks or of weights."""
