"""Built-in priors, one a file; registered in pyproject.toml like anybody's."""
