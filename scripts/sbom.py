"""`make sbom`: what the system is made of, as CycloneDX 1.6 (sbom.json), read from the lock file and nothing else.

The same lock gives the same file: no time and no random number is in it.
"""

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "run.txt"
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+))?"
)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def main() -> int:
    """Writes the file that the first argument names, sbom.json without one."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sbom.json"
    bill = make(LOCK.read_text(), tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
    target.write_text(json.dumps(bill, indent=2) + "\n")
    print(f"{target.name}: {len(bill['components'])} components")
    return 0


def make(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The bill of materials of a project with this lock file."""
    components = [_component(*pin) for pin in pins(lock)]
    subject = f"pkg:pypi/{project['name']}@{project['version']}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, subject + lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": subject,
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": subject,
            }
        },
        "components": components,
        "dependencies": [{"ref": subject, "dependsOn": [component["bom-ref"] for component in components]}],
    }


def pins(lock: str) -> list[tuple[str, str, str, list[str]]]:
    """Name, version, marker and hashes of everything that the lock file pins; each version once."""
    found: dict[tuple[str, str], tuple[str, str, str, list[str]]] = {}
    hashes: list[str] = []
    for line in lock.splitlines():
        match = PIN.match(line)
        if match:
            hashes = []
            name, version, marker = match["name"], match["version"], (match["marker"] or "").strip()
            found[name, version] = (name, version, marker, hashes)
        else:
            hashes.extend(HASH.findall(line))
    return list(found.values())


def _component(name: str, version: str, marker: str, hashes: list[str]) -> dict[str, Any]:
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        # One for each file of the release: which one is installed depends on the platform.
        "externalReferences": [
            {
                "type": "distribution",
                "url": purl,
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in hashes],
            }
        ],
    }
    if marker:
        component["properties"] = [{"name": "cdx:python:marker", "value": marker}]
    return component


if __name__ == "__main__":
    sys.exit(main())
