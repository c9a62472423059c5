"""From components to a run folder: stages in order, each found finished or run."""
