"""Built-in distributions of training times, one a file; registered in pyproject.toml."""
