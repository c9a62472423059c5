"""Built-in couplings, one a file; registered in pyproject.toml like anybody's."""
