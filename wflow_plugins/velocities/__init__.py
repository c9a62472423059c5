"""Built-in velocities, one a file; registered in pyproject.toml like anybody's."""
