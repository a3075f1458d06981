"""JSON that every database takes."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StorableJSONParser(JSONParser):
    """Refuses what JSON may hold and PostgreSQL may not: NUL characters and halves of surrogate pairs in strings."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            data = super().parse(stream, media_type, parser_context)
            text = json.dumps(data, ensure_ascii=False)
            text.encode()
        except (UnicodeError, RecursionError) as error:
            raise ParseError(f"JSON parse error - {error}") from None
        if "\\u0000" in text and _has_nul(data):
            raise ParseError("JSON parse error - a string contains the character U+0000, which cannot be stored.")
        return data


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(map(_has_nul, value))
