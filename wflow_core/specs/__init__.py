"""From YAML to a validated spec; problems with file, line and column."""
