"""Requirements that built-in plugins have of each other."""

from __future__ import annotations

from wflow_core.interfaces.component import Need

UNIT_SPHERES = Need(
    "unit_spheres", "the canonicalizer `relu_sphere`, whose weights lie on the manifold"
)
INITIALIZER_PRIOR = Need(
    "initializer_prior", "the prior `initializer`, since pairs start at initialisations"
)


def with_option(need: Need, name: str, value: object) -> Need:
    """The same need, met only by an offer of the same option."""
    return Need(f"{need}:{name}={value}", f"{need.reason}, with the option {name}={value}")
