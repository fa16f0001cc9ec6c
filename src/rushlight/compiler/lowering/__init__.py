"""From primitives to the compiler's own nodes: what each record's operation is in scalar operations, reductions, views and
products. A record that is not here stays a CALL."""
