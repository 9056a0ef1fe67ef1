"""Lone surrogates, which JSON and arguments can hold and UTF-8 cannot."""

import subprocess
import sys

import pytest

from spacy_bert_suite.core.text import replace_surrogates


@pytest.mark.parametrize("text, expected", [
    ("a \ud800", "a \ufffd"),
    ("\udfffb\ud800c", "\ufffdb\ufffdc"),
    ("\ud83d\ude00", "\U0001f600"),
    ("\U0001f600 \x00 \u2028", "\U0001f600 \x00 \u2028"),
    ("", ""),
])  # fmt: skip
def test_clean(text, expected):
    assert replace_surrogates(text) == expected
    assert replace_surrogates(expected) == expected


def test_needs_no_torch():
    code = "import sys, spacy_bert_suite.core.text as u; print({'torch', 'spacy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
