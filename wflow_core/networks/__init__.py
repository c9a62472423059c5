"""What networks compute: many at once, their BatchNorm statistics, proofs that they agree."""
