"""How calls reach an argument's ``__torch_function__`` (public names: ``rushlight.overrides``).

``state``: who overrides, and what is switched off just now; ``subclasses``: what every subclass of Tensor gets;
``calls``: the public functions, which ask from the moment when somebody can answer (see docs/how-to/extending.md).
"""
