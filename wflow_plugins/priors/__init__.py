"""Built-in priors, one per file, registered by entry points like those of any package."""
