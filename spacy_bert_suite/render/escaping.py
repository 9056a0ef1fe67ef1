"""Text for HTML and SVG."""

import html
import re

# What XML 1.0 does not allow at all, not even escaped (section 2.2).
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text: str) -> str:
    """RETURNS (str): The text as HTML and SVG; characters that neither may hold become U+FFFD."""
    return html.escape(NOT_XML.sub("\ufffd", text))
