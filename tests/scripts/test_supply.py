"""The bill of materials, the audit of the lock files, and that nothing unpinned is in the workflows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from scripts import audit, check_compose, sbom

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


def test_workflows_use_no_action_that_is_not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is tried, too: the workflows use no action at all, so that it could not fail."""
    monkeypatch.chdir(ROOT)
    assert list(Path(".github/workflows").glob("*.y*ml"))
    assert list(check_compose.check_workflows()) == []


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("- uses: actions/checkout@v4", "actions/checkout@v4"),
        ("- uses: actions/checkout@main", "actions/checkout@main"),
        ("- uses: actions/checkout@08c6903", "actions/checkout@08c6903"),
        ("- uses: docker://alpine:3", "alpine:3"),
        ("- uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8", None),
        ("- uses: ./.github/actions/ours", None),
        ("container: python:3.13-bookworm", "python:3.13-bookworm"),
        ("container: {image: postgres}", "postgres"),
        ("container: python:${{ matrix.python }}-bookworm", None),
        ("container: python:${{ matrix.major }}-bookworm", "python:3-bookworm"),
    ],
)
def test_what_is_not_pinned_in_a_workflow_is_found(step: str, words: str | None) -> None:
    job = f"""jobs:
  test:
    strategy: {{matrix: {{python: ["3.13.1"], major: ["3"]}}}}
    {step if not step.startswith("-") else "steps:"}
    {f"  {step}" if step.startswith("-") else ""}
"""
    found = list(check_compose.check_workflow("ci.yml", job))
    assert [words in finding for finding in found if words] == ([True] if words else [])
    assert len(found) == (words is not None)


def test_every_locked_package_has_hashes() -> None:
    for lock in audit.LOCKS:
        for name, version, _marker, hashes in sbom.pins(lock.read_text()):
            assert hashes, f"{lock.name}: {name} {version}"
