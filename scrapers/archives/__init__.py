"""Readers of other people's price archives: one file per archive, each a `Source` whose rows carry their
dates."""
