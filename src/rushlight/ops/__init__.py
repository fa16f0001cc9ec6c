"""The operations: one record for each primitive, and the composites made of them."""
