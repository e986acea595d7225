"""Outbound nouns as the plain maps that are sent."""

from typing import Any


def plain(one: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, dataclasses within it too; what is no dataclass stays as it is.

    ``dataclasses.asdict`` says the same, but copies every number and text on the way, in four times the time.
    """
    return {name: _value(getattr(one, name)) for name in one.__dataclass_fields__}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        # A tuple holds one kind of thing: of numbers and texts, however many, one look is enough.
        return tuple([_value(one) for one in value]) if _holds_nouns(value) else value
    if hasattr(value, "__dataclass_fields__"):
        return plain(value)
    if isinstance(value, dict):
        return {key: _value(one) for key, one in value.items()}
    return value


def _holds_nouns(value: Any) -> bool:
    while isinstance(value, tuple) and value:
        value = value[0]
    return hasattr(value, "__dataclass_fields__") or isinstance(value, dict)
