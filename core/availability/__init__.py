"""Whether accelerators can be had, and how long spot machines stay: probabilities from what was seen of stock."""
