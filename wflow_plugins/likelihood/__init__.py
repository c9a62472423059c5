"""Log-densities of networks under a trained flow."""
