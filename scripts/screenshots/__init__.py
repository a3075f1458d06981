"""`make screenshots`: pictures of every page of the console, wide and narrow, light and dark."""
