"""What a spec is given where it is silent, by field; see ``wflow.defaults``."""

from __future__ import annotations

from typing import Any


def covariates_condition(former: Any) -> str | None:
    """A former condition, ``[loss]`` or ``{records: [loss], drop: 0.1}``, as it is written now."""
    if former == []:
        return "null"
    options = {"records": former} if isinstance(former, list) else former
    if not isinstance(options, dict) or not {"records", "drop"} & options.keys():
        return None
    written = {"type": "covariates"}
    if isinstance(names := options.get("records"), list):
        written["names"] = f"[{', '.join(map(str, names))}]"
    if "drop" in options:
        written["p_uncond"] = str(options["drop"])
    return "{" + ", ".join(f"{name}: {value}" for name, value in written.items()) + "}"


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
    "rewrite": {"condition": covariates_condition},
}
"""Components of the fields that a spec leaves out; under ``renamed`` former names of components;
under ``rewrite`` functions from a former form of a field to what to write now."""
