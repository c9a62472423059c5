"""Built-in optimizers of velocities, one a file; registered in pyproject.toml like anybody's."""
