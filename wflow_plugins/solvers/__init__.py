"""Built-in solvers, one per file, registered by entry points like those of any package."""
