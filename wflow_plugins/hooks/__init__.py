"""Built-in hooks, one per file, registered in pyproject.toml."""
