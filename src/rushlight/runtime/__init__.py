"""Array kernels: what operations with a kernel of their own run on NumPy arrays."""
