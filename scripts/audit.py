"""`make audit`: asks the database of known vulnerabilities about every package in the lock files.

The exit code: 0 when it knows none, 1 when it knows some, 2 when it could not be asked.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = (ROOT / "requirements" / "run.txt", ROOT / "requirements" / "dev.txt")
CLEAN, VULNERABLE, NOT_ASKED = 0, 1, 2


def main() -> int:
    worst = CLEAN
    for lock in LOCKS:
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--require-hashes"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        code, text = explain(lock.name, done.stdout, done.stderr)
        print(text)
        worst = max(worst, code)
    return worst


def explain(lock: str, output: str, errors: str) -> tuple[int, str]:
    """The exit code and the words for what pip-audit said of a lock file."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        why = errors.strip().splitlines()[-1:] or ["it said nothing"]
        return NOT_ASKED, f"{lock}: NOT CHECKED, the database of vulnerabilities cannot be reached: {why[0]}"
    found = [
        f"  {package['name']} {package.get('version', '?')}: {known['id']}, repaired in "
        f"{', '.join(known['fix_versions']) or 'no release yet'}"
        for package in packages
        for known in package.get("vulns", ())
    ]
    skipped = [
        f"  {package['name']}: NOT CHECKED, {package['skip_reason']}"
        for package in packages
        if "skip_reason" in package
    ]
    if found:
        return VULNERABLE, "\n".join(
            [f"{lock}: known vulnerabilities (make lock UPGRADE=--upgrade):", *found, *skipped]
        )
    if skipped and len(skipped) == len(packages):
        text = "the database of vulnerabilities knows none of its packages: it can hardly be the right one"
        return NOT_ASKED, f"{lock}: NOT CHECKED, {text}"
    if skipped:
        return NOT_ASKED, "\n".join([f"{lock}: not all packages could be looked up:", *skipped])
    return CLEAN, f"{lock}: no known vulnerabilities in {len(packages)} packages"


if __name__ == "__main__":
    sys.exit(main())
