"""The ground floor: dtypes, devices, shapes, history, storage, generators, and the Tensor's fields."""
