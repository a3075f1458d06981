"""The bill of materials, the audit of the lock files, and that nothing unpinned is in the workflows."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from scripts import audit, sbom

ROOT = Path(__file__).resolve().parents[2]


def run(module: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=variables or None, capture_output=True, text=True
    )


def test_bill_of_materials_is_valid_and_names_everything_that_is_locked(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    assert run("scripts.sbom", str(target)).returncode == 0
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(target.read_text()) is None
    bill = json.loads(target.read_text())
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    locked = set()
    for line in sbom.LOCK.read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.rstrip(" \\"))
            locked.add((requirement.name, str(requirement.specifier).removeprefix("==")))
    assert listed == locked
    assert {"django", "msgspec", "websockets"} <= {name for name, _version in listed}
    assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])
    assert run("scripts.sbom", str(tmp_path / "again.json")).returncode == 0
    assert (tmp_path / "again.json").read_text() == target.read_text()


def test_audit_that_reaches_no_database_says_so() -> None:
    nowhere = {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
    }
    done = run("scripts.audit", **nowhere)
    assert done.returncode == audit.NOT_ASKED, done.stdout + done.stderr
    assert done.stdout.count("NOT CHECKED") >= 2


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], audit.CLEAN, "no known vulnerabilities in 1 packages"),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"], "aliases": []}]}],
            audit.VULNERABLE,
            "a 1: CVE-1, repaired in 1.1",
        ),
        (
            [{"name": "a", "skip_reason": "not on PyPI"}, {"name": "b", "version": "1", "vulns": []}],
            audit.NOT_ASKED,
            "a: NOT CHECKED, not on PyPI",
        ),
        ([{"name": "a", "skip_reason": "not on PyPI"}] * 3, audit.NOT_ASKED, "knows none of its packages"),
    ],
)
def test_audit_says_what_the_database_knows(packages: list[dict[str, object]], code: int, words: str) -> None:
    found, text = audit.explain("run.txt", json.dumps({"dependencies": packages}), "")
    assert (found, words in text) == (code, True)


def test_workflows_use_no_action_that_is_not_pinned() -> None:
    for file in (ROOT / ".github").rglob("*.y*ml"):
        for used in re.findall(r"uses:\s*(\S+)", file.read_text()):
            assert re.search(r"@[0-9a-f]{40}$", used), f"{file.name}: {used}"


def test_every_locked_package_has_hashes() -> None:
    for lock in audit.LOCKS:
        for name, version, _marker, hashes in sbom.pins(lock.read_text()):
            assert hashes, f"{lock.name}: {name} {version}"


def test_every_line_of_the_threat_model_names_tests_that_are_there() -> None:
    lines = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 15
    for line in lines:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", line)
        assert named, line
        for file, test in named:
            assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"
