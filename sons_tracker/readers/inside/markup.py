"""XML: well formed, without a document type, not too deep, not too long; nothing is fetched."""

from __future__ import annotations

from typing import BinaryIO

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from sons_tracker.readers.findings import MOST_DEPTH, MOST_ELEMENTS
from sons_tracker.readers.inside.report import Report

_INCLUDE = "{http://www.w3.org/2001/XInclude}"


def read(file: BinaryIO, report: Report) -> None:
    """Looks at a whole document, element by element."""
    depth = elements = 0
    try:
        for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
            if event == "end":
                depth -= 1
                element.clear()
                continue
            depth, elements = depth + 1, elements + 1
            if str(element.tag).startswith(_INCLUDE):
                report.add("xml_include")
            if depth > MOST_DEPTH:
                report.add("xml_too_deep")
                return
            if elements > MOST_ELEMENTS:
                report.add("xml_too_many")
                return
    except DefusedXmlException:
        report.add("xml_dtd")
    except (ParseError, LookupError, ValueError):
        # a name of encoding that nobody knows is a LookupError, bytes that are not of it a ValueError
        report.add("xml_malformed")
