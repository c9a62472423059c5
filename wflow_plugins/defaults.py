"""What a spec is given where it is silent, by field; see ``wflow.defaults``."""

from __future__ import annotations

DEFAULTS = {
    "manifold": "euclidean",
    "solver": "euler",
    "baselines": ["untrained", "zoo_noise", "interpolation", "soup", "gaussian", "retrained"],
    "stages": ["collect", "canonicalize", "encode", "train", "sample", "reference", "evaluate"],
    "hooks": ["progress", "log", "report"],
    "renamed": {
        "zoo several": "union",
        "metric l2": "weight_distance",
        "metric wrong_iou": "error_iou",
    },
}
"""Components of the fields that a spec leaves out; and under ``renamed`` former names."""
