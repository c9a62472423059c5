"""Flow matching: paths and losses, training, sampling, likelihoods."""
