"""``tf.app.flags``: command-line options that a program defines where it needs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class _Flag:
    def __init__(self, default: Any, help: str, parse: Callable[[str], Any], is_bool: bool) -> None:
        self.value, self.default, self.help, self.parse, self.is_bool = default, default, help, parse, is_bool


class FlagValues:
    """The options' values, as attributes; the command line is read when the first one is asked for."""

    def __init__(self) -> None:
        # Programs of TensorFlow before 1.5 print `FLAGS.__flags`.
        vars(self)["_flags"] = vars(self)["__flags"] = {}
        vars(self)["_parsed"] = False

    def __getattr__(self, name: str) -> Any:
        flags: dict[str, _Flag] = vars(self)["_flags"]
        if name not in flags:
            raise AttributeError(f"Unknown command line flag {name!r}")
        if not vars(self)["_parsed"]:
            self(sys.argv)
        return flags[name].value

    def __setattr__(self, name: str, value: Any) -> None:
        flags: dict[str, _Flag] = vars(self)["_flags"]
        if name not in flags:
            raise AttributeError(f"Unknown command line flag {name!r}")
        flags[name].value = value

    def __contains__(self, name: str) -> bool:
        return name in vars(self)["_flags"]

    def __iter__(self) -> Any:
        return iter(vars(self)["_flags"])

    def flag_values_dict(self) -> dict[str, Any]:
        """All options and their values."""
        return {name: getattr(self, name) for name in self}

    def _parse_flags(self, args: list[str] | None = None) -> list[str]:
        """Read the command line, as TensorFlow before 1.5 had it."""
        return self([sys.argv[0], *args] if args is not None else sys.argv)

    def __call__(self, argv: list[str]) -> list[str]:
        """Read ``argv`` and give back what is no known option, the program's name first."""
        vars(self)["_parsed"] = True
        flags: dict[str, _Flag] = vars(self)["_flags"]
        rest, waiting = list(argv[:1]), list(argv[1:])
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                rest += waiting
                break
            if not argument.startswith("-") or argument == "-":
                rest.append(argument)
                continue
            name, equals, text = argument.lstrip("-").partition("=")
            flag = flags.get(name)
            if (
                flag is None
                and name.startswith("no")
                and name[2:] in flags
                and flags[name[2:]].is_bool
                and not equals
            ):
                flags[name[2:]].value = False
                continue
            if flag is None:
                rest.append(argument)
                continue
            if not equals:
                if flag.is_bool:
                    flag.value = True
                    continue
                if not waiting:
                    raise ValueError(f"flag --{name}: Missing value")
                text = waiting.pop(0)
            try:
                flag.value = flag.parse(text)
            except ValueError as error:
                raise ValueError(f"flag --{name}={text}: {error}") from None
        return rest


FLAGS = FlagValues()


def _define(name: str, default: Any, help: str, parse: Callable[[str], Any], is_bool: bool = False) -> None:
    flags: dict[str, _Flag] = vars(FLAGS)["_flags"]
    flags[name] = _Flag(default, help, parse, is_bool)
    vars(FLAGS)["_parsed"] = False


def _truth(text: str) -> bool:
    if text.lower() in ("true", "t", "1", "yes", "y"):
        return True
    if text.lower() in ("false", "f", "0", "no", "n"):
        return False
    raise ValueError("Non-boolean argument to boolean flag")


def DEFINE_string(flag_name: str, default_value: Any, docstring: str = "", **_: Any) -> None:
    """Define an option with text."""
    _define(flag_name, default_value, docstring, str)


def DEFINE_integer(flag_name: str, default_value: Any, docstring: str = "", **_: Any) -> None:
    """Define an option with an integer."""
    _define(flag_name, default_value, docstring, int)


def DEFINE_float(flag_name: str, default_value: Any, docstring: str = "", **_: Any) -> None:
    """Define an option with a number."""
    _define(flag_name, default_value, docstring, float)


def DEFINE_boolean(flag_name: str, default_value: Any, docstring: str = "", **_: Any) -> None:
    """Define an option that is on (``--name``) or off (``--noname``)."""
    _define(flag_name, default_value, docstring, _truth, is_bool=True)


def DEFINE_enum(flag_name: str, default_value: Any, enum_values: list[str], help: str = "", **_: Any) -> None:
    """Define an option with one of several texts."""

    def parse(text: str) -> str:
        if text not in enum_values:
            raise ValueError(f"value should be one of <{'|'.join(enum_values)}>")
        return text

    _define(flag_name, default_value, help, parse)


def DEFINE_list(flag_name: str, default_value: Any, docstring: str = "", **_: Any) -> None:
    """Define an option with texts between commas."""
    default = default_value.split(",") if isinstance(default_value, str) else default_value
    _define(flag_name, default, docstring, lambda text: [part.strip() for part in text.split(",")])


DEFINE_bool = DEFINE_boolean
