"""Characters that neither HTML nor SVG may hold."""

from xml.etree import ElementTree

import pytest

from spacy_bert_suite.render.escaping import escape


@pytest.mark.parametrize("code", [0, 1, 8, 0xB, 0xC, 0x1B, 0x1F, 0xFFFE, 0xFFFF])
def test_what_xml_does_not_allow_is_replaced(code):
    markup = f"<text>{escape(f'a{chr(code)}<b')}</text>"
    assert ElementTree.fromstring(markup).text == "a\ufffd<b"


def test_all_else_is_kept():
    text = "tab\tline\nÄ नम 漢 \U0001f600 \x7f \x85 & \" '"
    assert ElementTree.fromstring(f"<text>{escape(text)}</text>").text == text
