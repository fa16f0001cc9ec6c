"""What PyTorch's own test files import: their ``TestCase``, and the decorators that make one test for each dtype and device.

Private in PyTorch, and here a part of it: enough for tests written in that style to run on the CPU.
"""
