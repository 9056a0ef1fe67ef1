"""A tie between the files of a saved head: settings, weights and backbone of one save.

It lies in the file of the weights. Where a process was killed while it replaced a pipeline, or a
file was edited, the parts do not fit, and labels would be given to the wrong outputs.
"""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import srsly
from thinc.api import Model

from ..backbone.fit import Home, are_same, take_sample
from ..backbone.model import find_backbone
from ..errors import CodedValueError, Errors

TIE = "spacy_bert_suite_tie"  # key in the attributes of the model


@contextmanager
def tied(model: Model, cfg: dict[str, Any], home: Home, path: Path) -> Iterator[None]:
    """Inside, what is saved of the model says what belongs to it.

    path (Path): The folder of the component.
    """
    own = find_backbone(model) is not None
    bert = home.beside(path) or home.bert
    sample = None if own or bert is None else take_sample(bert)
    model.attrs[TIE] = {"cfg": digest(cfg), "backbone": sample}
    try:
        yield
    finally:
        del model.attrs[TIE]


def digest(cfg: dict[str, Any]) -> int:
    """RETURNS (int): A crc32 of settings in the form that they have in a file."""
    plain = srsly.json_loads(srsly.json_dumps(cfg))
    return zlib.crc32(json.dumps(plain, sort_keys=True).encode("utf8"))


def take_tie(model: Model) -> dict[str, Any]:
    """RETURNS (Dict): What was saved with the weights; empty for those of earlier versions."""
    return model.attrs.pop(TIE, None) or {}


def check_cfg(tie: dict[str, Any], path: Path, name: str) -> None:
    """RAISES (ValueError): If the settings in a folder are not those saved with the weights.

    path (Path): The folder of the component.
    """
    file = path / "cfg"
    if "cfg" in tie and file.is_file() and digest(srsly.read_json(file)) != tie["cfg"]:
        raise CodedValueError(Errors.B351.format(name=name, path=file))


def check_backbone(tie: dict[str, Any], path: Path, home: Home, name: str) -> None:
    """RAISES (ValueError): If the backbone was loaded from the folder beside that of the component,
    and is another than the component was saved with.
    """
    bert = home.beside(path)
    if bert is not None and not are_same(tie.get("backbone"), take_sample(bert)):
        raise CodedValueError(Errors.B352.format(name=name, upstream=bert.name, path=path.parent))
