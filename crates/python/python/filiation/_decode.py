"""JSON of the contract as its Python classes."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from functools import cache
from typing import Any

from . import _contract


@cache
def fields(cls: type) -> dict[str, Any]:
    """Key of the JSON and type of each field."""
    hints = typing.get_type_hints(cls, vars(_contract))
    return {camel(f.name): (f.name, hints[f.name]) for f in dataclasses.fields(cls) if not f.name.startswith("_")}


def camel(name: str) -> str:
    """`n_parameters` → `nParameters`."""
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


def arguments(cls: type, data: dict[str, Any]) -> dict[str, Any]:
    """What a class is made with. Keys that a later minor version added are left out."""
    known = fields(cls)
    return {known[key][0]: decode(known[key][1], value) for key, value in data.items() if key in known}


def decode(kind: Any, value: Any) -> Any:
    """A value of JSON as a type of the contract."""
    if value is None:
        return None
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return decode(next(one for one in typing.get_args(kind) if one is not type(None)), value)
    if origin is list:
        (item,) = typing.get_args(kind)
        return [decode(item, one) for one in value]
    if origin is dict:
        return {key: decode(typing.get_args(kind)[1], one) for key, one in value.items()}
    return kind(**arguments(kind, value)) if dataclasses.is_dataclass(kind) else value
