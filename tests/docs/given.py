"""What a page's blocks take for granted, being short: by page, run before its first block."""

PROJECT = """
from pathlib import Path
BASE_DIR = Path("project")
INSTALLED_APPS, MIDDLEWARE, DATABASES, urlpatterns = [], [], {"default": {}}, []
"""
GIVEN = {
    "docs/python-project.md": PROJECT,
    "README.md": f"""{PROJECT}
from msgspec.structs import replace
from ocpp_app.middleware import *
from ocppj.frames import MessageType
from ocppj.v16 import *
""",
}
