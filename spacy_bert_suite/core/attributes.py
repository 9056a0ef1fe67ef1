"""Custom attributes of Doc and Span: one way to register them. Keys of user_data.

A task lists its attributes in its entry of `tasks/registry.py`; `doc._.bert_states` is the
backbone's, `doc._.cluster` that of clustering. Their values are plain (numbers, strings, lists,
dicts, arrays), so that they survive to_bytes and pickle.
"""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.tokens import Doc, Span

from ..errors import CodedValueError, Errors

OWNERS: dict[str, type] = {"doc": Doc, "span": Span}
# Keys under which a reference doc holds gold in its user_data; all begin with the prefix.
PREFIX = "spacy_bert_suite."
INSTANCE = f"{PREFIX}instance"  # of bert_pretrainer, Dict
PAIR = f"{PREFIX}pair"  # {"others", "score", "label"}
QUESTION = f"{PREFIX}question"  # {"text", "answers", "id"}
REFERENCES = f"{PREFIX}summaries"  # reference summaries, list[str]
TASK = f"{PREFIX}task"  # no gold: names of the components that an example is for, str


def holds_gold(doc: Doc) -> bool:
    """RETURNS (bool): Whether the doc holds gold in its user_data."""
    keys = [key for key in doc.user_data if isinstance(key, str) and key != TASK]
    return any(key.startswith(PREFIX) for key in keys)


def register_attributes(
    name: str, attributes: Iterable[str], methods: dict[str, Callable] | None = None
) -> None:
    """Make attributes known to spaCy.

    name (str): The component that sets them, for the error message.
    attributes (Iterable[str]): Such as "doc.summary" or "span.score"; their default is None.
    methods (dict[str, Callable] | None): Functions by the attributes that call them.
    RAISES (ValueError): If another package has taken one of the names.
    """
    for key in attributes:
        _register(name, key, (None, None, None, None))
    for key, method in (methods or {}).items():
        _register(name, key, (None, method, None, None))


class Registered:
    """Attributes that a component has made known to spaCy. It holds them, so that they are known
    wherever it is unpickled: in a fresh process nothing else would register them.
    """

    def __init__(
        self,
        name: str,
        attributes: Iterable[str],
        methods: dict[str, Callable] | None = None,
    ):
        self._arguments = name, list(attributes), methods
        register_attributes(*self._arguments)

    def __reduce__(self):
        return Registered, self._arguments


def _register(name: str, key: str, extension: tuple) -> None:
    owner_name, _, attribute = key.partition(".")
    owner: Any = OWNERS[owner_name]
    default, method, _, _ = extension
    if not owner.has_extension(attribute):
        options = {"default": default} if method is None else {"method": method}
        owner.set_extension(attribute, **options)
    elif owner.get_extension(attribute) != extension:
        message = Errors.B056.format(owner=owner.__name__, attribute=attribute, name=name)
        raise CodedValueError(message)
