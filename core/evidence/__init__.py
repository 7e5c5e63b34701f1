"""What speaks for and against a price that a source claims."""
