"""What `make` runs: set-up, services for the tests, the local cluster, checks. Nothing here is part of the product."""
