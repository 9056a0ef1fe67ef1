"""What spacy-transformers needs beside transformers 5, and whether a layer is one of its listeners.
It is not imported for either.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import PackageNotFoundError, version
from typing import Any


class _AliasBeforeSpacyTransformers(MetaPathFinder):
    """Sees `import spacy_transformers` coming, sets the alias and steps aside."""

    def find_spec(self, fullname, path, target=None):
        if fullname == "spacy_transformers":
            sys.meta_path.remove(self)
            _alias_batch_encoding()
        return


def _alias_batch_encoding() -> None:
    import transformers.tokenization_utils as moved
    from transformers.tokenization_utils_base import BatchEncoding

    if not hasattr(moved, "BatchEncoding"):
        setattr(moved, "BatchEncoding", BatchEncoding)  # noqa: B010


def patch_transformers() -> None:
    """Let spacy-transformers 1.4 be imported beside transformers 5, which has moved a name that
    it imports. Imports nothing itself; does nothing under transformers 4, nor a second time.
    """
    if "spacy_transformers" in sys.modules:
        return
    if any(isinstance(finder, _AliasBeforeSpacyTransformers) for finder in sys.meta_path):
        return
    try:
        major = int(version("transformers").split(".")[0])
    except PackageNotFoundError:
        return
    if major >= 5:
        sys.meta_path.insert(0, _AliasBeforeSpacyTransformers())


def is_stock_listener(node: Any) -> bool:
    """RETURNS (bool): Whether a layer is a listener of spacy-transformers. Where the package was
    not imported, there is none.
    """
    layers = sys.modules.get("spacy_transformers.layers")
    return layers is not None and isinstance(node, layers.TransformerListener)
