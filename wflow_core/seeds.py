"""Seeds: each stage has a generator of its own, so that a skipped stage changes no other."""

from __future__ import annotations

import hashlib

import torch


def stage_seed(seed: int, stage: str) -> int:
    """A seed for one stage of a run with this seed."""
    digest = hashlib.sha256(f"wflow/{seed}/{stage}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def stage_generator(seed: int, stage: str, device: torch.device) -> torch.Generator:
    """A generator on the device, seeded for the stage."""
    return torch.Generator(device).manual_seed(stage_seed(seed, stage))
