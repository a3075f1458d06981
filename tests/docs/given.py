"""What a page's blocks take for granted, being short: by page, run before its first block."""

GIVEN = {
    "README.md": """
from msgspec.structs import replace
from ocpp_app.middleware import *
from ocppj.frames import MessageType
from ocppj.v16 import *
""",
}
