"""Conditioning on covariates of networks: columns of numbers, their embedding, guidance."""
