"""Messages with a code, and the exceptions that carry them."""

# The end of every message about a value that is out of its range.
INVALID = " is {value!r}; it must be {expected}."


class Message(str):
    """A message that knows its code, before and after its fields are filled in."""

    code: str

    def __new__(cls, text: str, code: str = "") -> "Message":
        message = super().__new__(cls, text)
        message.code = code
        return message

    def format(self, *args: object, **kwargs: object) -> "Message":
        return Message(super().format(*args, **kwargs), self.code)


class WithCodes(type):
    """Of a catalogue: reading `Errors.B001` gives the message with its code in front."""

    def __getattribute__(cls, name: str):
        found = super().__getattribute__(name)
        return found if name.startswith("_") else Message(f"[{name}] {found}", name)


def codes_of(catalogue: type) -> list[str]:
    """RETURNS (list[str]): The codes of a catalogue and of those that it joins, sorted."""
    names = {name for table in catalogue.__mro__[:-1] for name in vars(table)}
    return sorted(name for name in names if not name.startswith("_"))


class CodedError(Exception):
    """An error of this package. Its classes are those of Python too: a wrong value is a
    `CodedValueError` and a `ValueError`.
    """

    @property
    def code(self) -> str:
        """RETURNS (str): The code of the message, such as "B001"."""
        return getattr(self.args[0], "code", "") if self.args else ""


class CodedValueError(CodedError, ValueError):
    """A value, a file or a state that cannot be worked with."""


class CodedTypeError(CodedError, TypeError):
    """Something of another kind than a function takes."""


class CodedOSError(CodedError, OSError):
    """A file that cannot be read or written."""


class CodedFileNotFoundError(CodedOSError, FileNotFoundError):
    """A file that is not there."""


class CodedFileExistsError(CodedOSError, FileExistsError):
    """A file that is there already."""


class CodedImportError(CodedError, ImportError):
    """A package that is not installed, or another version of it."""


class CodedMemoryError(CodedError, MemoryError):
    """Too little memory."""


class CodedRuntimeError(CodedError, RuntimeError):
    """What cannot be done in this process."""
