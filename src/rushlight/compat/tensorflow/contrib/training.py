"""``tf.contrib.training``: hyperparameters by name."""

from __future__ import annotations

from typing import Any


class HParams:
    """Named numbers and texts of a program, as attributes: ``HParams(learning_rate=0.1, layers=[64, 64])``.

    Example:
        >>> hparams = HParams(rate=0.1, layers=[64, 64])
        >>> hparams.parse("rate=0.5,layers=[1,2]").values()
        {'rate': 0.5, 'layers': [1, 2]}
    """

    _types: dict[str, tuple[type, bool]]

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **values: Any) -> None:
        vars(self)["_types"] = {}
        for name, value in values.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Add one; ``ValueError`` if the name is taken or a list is empty."""
        if name in self or name in dir(type(self)):
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        several = isinstance(value, list | tuple)
        if several and not value:
            raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
        self._types[name] = (type(value[0] if several else value), several)
        setattr(self, name, value)

    def del_hparam(self, name: str) -> None:
        """Take one away."""
        self._types.pop(name, None)
        vars(self).pop(name, None)

    def set_hparam(self, name: str, value: Any) -> None:
        """Change one; ``ValueError`` if it is not of the same type."""
        kind, several = self._types[name]
        if several != isinstance(value, list | tuple):
            what = "Must pass a list" if several else "Must not pass a list"
            raise ValueError(f"{what} for {'multi-' if several else 'single-'}valued parameter: {name}.")
        setattr(self, name, [_as(name, kind, one) for one in value] if several else _as(name, kind, value))

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """Change several."""
        for name, value in values_dict.items():
            if name not in self:
                raise KeyError(f"Unknown hyperparameter: {name}")
            self.set_hparam(name, value)
        return self

    def parse(self, values: str) -> HParams:
        """Change several by a text like ``rate=0.5,layers=[1,2],layers[0]=3``.

        Raises:
            ValueError: for an unknown name, or a value that is not of the parameter's type.
        """
        for name, place, text in _assignments(values):
            if name not in self:
                raise ValueError(f"Unknown hyperparameter type for {name}")
            kind, several = self._types[name]
            if place is not None:
                if not several:
                    raise ValueError(f"Could not parse hparam {name!r} in {values!r}: it has one value")
                getattr(self, name)[place] = _read(name, kind, text)
            elif text.startswith("["):
                items = [item.strip() for item in text[1:-1].split(",")]
                self.set_hparam(name, [_read(name, kind, item) for item in items if item])
            else:
                value = _read(name, kind, text)
                self.set_hparam(name, [value] if several else value)
        return self

    def parse_json(self, values_json: str) -> HParams:
        """Change several by a JSON object."""
        import json

        return self.override_from_dict(json.loads(values_json))

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False, **_: Any) -> str:
        """All of them as a JSON object."""
        import json

        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def values(self) -> dict[str, Any]:
        """All names and values."""
        return {name: getattr(self, name) for name in self._types}

    def get(self, key: str, default: Any = None) -> Any:
        """One value, or ``default`` if there is none of the name."""
        return getattr(self, key) if key in self else default

    def __contains__(self, key: str) -> bool:
        return key in self._types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"HParams({self})"


def _as(name: str, kind: type, value: Any) -> Any:
    if kind is type(None) or value is None or isinstance(value, kind):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"Could not cast hparam '{name}' of type '{kind}' from value {value!r}")


def _read(name: str, kind: type, text: str) -> Any:
    if kind is bool:
        if text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
        raise ValueError(f"Could not parse hparam '{name}' of type 'bool' in {text!r}")
    try:
        return text if kind is str else kind(text)
    except ValueError:
        raise ValueError(f"Could not parse hparam '{name}' of type '{kind.__name__}' in {text!r}") from None


def _assignments(values: str) -> list[tuple[str, int | None, str]]:
    import re

    found = []
    rest = values.strip()
    while rest:
        match = re.match(r"\s*([A-Za-z]\w*)(?:\[(\d+)\])?\s*=\s*(\[[^\]]*\]|[^,\[]*)\s*(?:,|$)", rest)
        if match is None:
            raise ValueError(f"Malformed hyperparameter value: {rest}")
        place = match.group(2)
        found.append((match.group(1), None if place is None else int(place), match.group(3).strip()))
        rest = rest[match.end() :]
    return found
