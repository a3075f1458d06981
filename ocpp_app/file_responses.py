"""Files as answers: always to be saved, never shown, whatever is in them."""

from typing import Any

from django.http import FileResponse


def attachment(file: Any, name: str) -> FileResponse:
    """A stored file under this name. No browser guesses what it is, renders it, or keeps it."""
    response = FileResponse(file.open("rb"), as_attachment=True, filename=name, content_type="application/octet-stream")
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response
