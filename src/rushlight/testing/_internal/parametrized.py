"""One test method as many: ``parametrize``, ``dtypes``, and classes made for a device."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any


class subtest:
    """One value (or several) of ``parametrize``, with a name and decorators of its own."""

    def __init__(self, arg_values: Any, name: str | None = None, decorators: Sequence[Any] = ()) -> None:
        self.arg_values, self.name, self.decorators = arg_values, name, list(decorators or ())


class parametrize:
    """The test once for each of ``arg_values``, given as the arguments named in ``arg_str``: ``@parametrize("a,b", [(1, 2)])``.

    ``name_fn(*values)`` names each. Several such decorators give all combinations.
    """

    def __init__(
        self, arg_str: str, arg_values: Iterable[Any], name_fn: Callable[..., str] | None = None
    ) -> None:
        self.names = [name.strip() for name in arg_str.split(",") if name.strip()]
        self.values, self.name_fn = list(arg_values), name_fn

    def __call__(self, test: Any) -> Any:
        test.__dict__.setdefault("parametrizations", []).insert(0, self)
        return test

    def cases(self) -> list[tuple[str, dict[str, Any], list[Any]]]:
        """The suffix, arguments and decorators of each."""
        found = []
        for i, value in enumerate(self.values):
            given = value if isinstance(value, subtest) else subtest(value)
            values = given.arg_values if len(self.names) > 1 else (given.arg_values,)
            if given.name is not None:
                suffix = given.name
            elif self.name_fn is not None:
                suffix = self.name_fn(*values)
            else:
                suffix = "_".join(f"{n}_{_shown(v, i)}" for n, v in zip(self.names, values, strict=True))
            found.append((suffix, dict(zip(self.names, values, strict=True)), given.decorators))
        return found


def _shown(value: Any, index: int) -> str:
    text = str(value).rpartition("torch.")[2] if isinstance(value, bool | int | float | str) else ""
    if not text:
        text = getattr(value, "__name__", None) or getattr(value, "name", None) or str(index)
    return "".join(c if c.isalnum() else "_" for c in str(text))


class dtypes:
    """The test once for each dtype (or tuple of dtypes), given as ``dtype`` (``dtypes``)."""

    def __init__(self, *given: Any, device_type: str = "all") -> None:
        self.given, self.device_type = given, device_type

    def __call__(self, test: Any) -> Any:
        test.__dict__.setdefault("dtypes_of", {})[self.device_type] = self.given
        return test


def instantiated(name: str, test: Any, device: str | None) -> list[tuple[str, Any]]:
    """The methods that a decorated test stands for, with their names."""
    wanted = list(inspect.signature(test).parameters)
    by_device = getattr(test, "dtypes_of", {})
    kinds: Any = by_device.get(device, by_device.get("all")) if device is not None else by_device.get("all")
    cases: list[Any] = [part.cases() for part in getattr(test, "parametrizations", ())]
    made = []
    for dtype, combination in itertools.product(kinds or (None,), itertools.product(*cases)):
        arguments: dict[str, Any] = {}
        suffixes, decorators = [], []
        for suffix, values, own in combination:
            suffixes.append(suffix)
            arguments.update(values)
            decorators += own
        if device is not None:
            suffixes.append(device)
            if "device" in wanted:
                arguments["device"] = device
            elif "devices" in wanted:
                arguments["devices"] = [device]
        if dtype is not None:
            several = isinstance(dtype, list | tuple)
            suffixes.append("_".join(k.name for k in dtype) if several else dtype.name)
            arguments["dtypes" if several and "dtypes" in wanted else "dtype"] = dtype
        made.append(("_".join([name, *suffixes]), _bound(test, arguments, decorators, dtype)))
    return made


def _bound(test: Any, arguments: dict[str, Any], decorators: list[Any], dtype: Any) -> Any:
    def method(self: Any) -> Any:
        overrides = getattr(test, "precision_overrides", {})
        if dtype in overrides:
            self.precision = max(self.precision, overrides[dtype][0])
            self.rel_tol = max(self.rel_tol, overrides[dtype][1])
        return test(self, **arguments)

    method.__name__ = test.__name__
    method.__doc__ = test.__doc__
    for attribute in ("__unittest_skip__", "__unittest_skip_why__", "__unittest_expecting_failure__"):
        if hasattr(test, attribute):
            setattr(method, attribute, getattr(test, attribute))
    decorated: Any = method
    for conditional in getattr(test, "conditional_decorators", ()):
        if conditional.predicate_fn(arguments):
            decorated = conditional.decorator(decorated)
    for decorator in decorators:
        decorated = decorator(decorated)
    return decorated


def expand(cls: Any, device: str | None) -> dict[str, Any]:
    """The class's tests, each under the names that it stands for; None under the names that give way to them."""
    found: dict[str, Any] = {}
    for name in [n for n in dir(cls) if n.startswith("test")]:
        test = getattr(cls, name)
        if not callable(test):
            continue
        plain = not getattr(test, "parametrizations", None) and not getattr(test, "dtypes_of", None)
        if device is None and plain:
            continue
        found[name] = None
        found.update(instantiated(name, test, device))
    return found


def instantiate_parametrized_tests(generic_cls: Any) -> Any:
    """The class with its parametrized tests in place of the generic ones."""
    for name, test in expand(generic_cls, None).items():
        if test is None:
            if name in vars(generic_cls):
                delattr(generic_cls, name)
        else:
            setattr(generic_cls, name, test)
    return generic_cls
