"""Inference of a model on accelerators: memory, tokens per second, and what a request costs."""
