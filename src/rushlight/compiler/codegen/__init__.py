"""Code generators: from loop kernels to LLVM IR (CPU) and CUDA (GPU)."""
