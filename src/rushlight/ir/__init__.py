"""The intermediate representation: scalar operations, the immutable tensor graph, and loop kernels."""
