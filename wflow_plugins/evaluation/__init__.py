"""Measuring populations of networks: samples beside the zoo and the baselines."""
