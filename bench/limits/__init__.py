"""What this machine can do at best: the simplest programs that answer the same load."""
