"""The weights of networks: where each parameter lies, and sets of them in chunks."""

from wflow_core.weights.layout import WeightLayout
from wflow_core.weights.weight_set import WeightSet

__all__ = ["WeightLayout", "WeightSet"]
