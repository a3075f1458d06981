"""The WSGI application. It does not start with a setting that cannot be: what a server shows last says what to do."""

import os

from django.core import checks
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

application = get_wsgi_application()

# Django checks settings at the start of its commands only, and a web server is none of them.
if problems := [problem for problem in checks.run_checks() if problem.is_serious() and not problem.is_silenced()]:
    from backend.environment import WrongSetting

    raise WrongSetting("\n".join(f"{problem.msg} {problem.hint or ''}".strip() for problem in problems))
