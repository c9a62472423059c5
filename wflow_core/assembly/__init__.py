"""From a spec to components that fit together."""
