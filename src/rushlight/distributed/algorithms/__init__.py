"""What ``DistributedDataParallel`` can be told to do otherwise."""
