"""What runs here, how well, and what an operator should know: metrics, readiness, status, traces."""
