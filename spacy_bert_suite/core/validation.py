"""Checks of config values and arguments."""

import operator
from collections.abc import Collection
from typing import Any

from ..errors import CodedValueError, Errors


def check(name: str, value: object, is_right: bool, expected: str) -> None:
    """RAISES (ValueError): If the value is not right."""
    if not is_right:
        raise CodedValueError(Errors.B143.format(name=name, value=value, expected=expected))


def check_config(owner: str, key: str, value: object, is_right: bool, expected: str) -> None:
    """owner (str): The component, or the registered function, that has the value in its config.
    RAISES (ValueError): If the value is not right.
    """
    if not is_right:
        raise CodedValueError(
            Errors.B022.format(key=key, value=value, name=owner, expected=expected)
        )


def check_choice(owner: str, key: str, value: object, choices: Collection[str]) -> None:
    check_config(owner, key, value, value in choices, " or ".join(choices))


def check_dropout(owner: str, value: float) -> None:
    check_config(owner, "dropout", value, 0 <= value < 1, "at least 0 and below 1")


def whole(name: str, value: Any, least: int) -> int:
    """RETURNS (int): A whole number, which numpy may have made.
    RAISES (ValueError): If it is another kind of number, or below the least.
    """
    number = as_whole(value)
    if number is None or number < least:
        expected = f"a whole number of at least {least}"
        raise CodedValueError(Errors.B143.format(name=name, value=value, expected=expected))
    return number


def whole_or_none(name: str, value: Any, least: int) -> int | None:
    """RETURNS (int | None): The same, where None is right too."""
    number = as_whole(value)
    if value is not None and (number is None or number < least):
        expected = f"a whole number of at least {least}, or None"
        raise CodedValueError(Errors.B143.format(name=name, value=value, expected=expected))
    return number


def as_whole(value: Any) -> int | None:
    """RETURNS (int | None): None if it is no whole number; 2.0 is none."""
    try:
        return operator.index(value)
    except TypeError:
        return None
