"""`python -m tests.foreign.clients`: install the foreign clients into the cache. Exit code 3: not possible.

They get environments of their own: what they need is nobody else's concern. A lock is written by
`uv pip compile tests/foreign/locks/NAME.in --generate-hashes --no-emit-index-url --no-header --universal
--python-version 3.11 -o tests/foreign/locks/NAME.lock`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

HERE = Path(__file__).parent
PYTHON = ("generated", "current")
LOCKS = (*(HERE / "locks" / f"{name}.lock" for name in PYTHON), HERE / "package-lock.json")


def folder() -> Path:
    """Where the clients of these locks are, or would be."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("sophia-infra")) / "foreign" / digest


def is_installed() -> bool:
    return (folder() / "complete").is_file()


def install() -> None:
    """Both package managers, hashes checked. The mark comes last: what was interrupted is begun anew."""
    target = folder()
    shutil.rmtree(target, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    for name in PYTHON:
        venv.create(target / name)
        into = ("--python", str(target / name / "bin/python"), "--require-hashes")
        lock = ("-r", str(HERE / "locks" / f"{name}.lock"))
        subprocess.run([str(uv), "pip", "install", "--quiet", *into, *lock], check=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, target)
    subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit"], cwd=target, check=True)
    (target / "complete").touch()


def main() -> int:
    if is_installed():
        return 0
    if shutil.which("npm") is None or shutil.which("node") is None:
        print("node and npm are not on PATH. Debian: apt-get install nodejs npm", file=sys.stderr)
        return 3
    if "--no-build" in sys.argv:
        print("The foreign clients are not installed.", file=sys.stderr)
        return 3
    print("Installing the foreign clients of Lambda Cloud into the cache ...", flush=True)
    try:
        install()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The foreign clients could not be installed: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
