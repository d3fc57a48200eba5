"""nginx as a plain reverse proxy, to hold the gateway's overhead against.

`python -m tests.bench.inference_nginx` unpacks Debian's package into the cache; nothing is installed.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from tests.load.services import Service

__all__ = ["fetch_nginx", "find_nginx", "nginx_before"]

_CACHE = Path(platformdirs.user_cache_dir("sophia-infra")) / "nginx"
_START_TIMEOUT_S = 10.0
_POLL_S = 0.01
_CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 16m; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream backend {{ server {backend}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


def find_nginx() -> Path | None:
    """nginx of the PATH, or the one in the cache; None without one."""
    found = shutil.which("nginx") or shutil.which("nginx", path=str(_CACHE / "usr/sbin"))
    return Path(found) if found else None


def fetch_nginx() -> Path:
    """Unpack Debian's package into the cache.

    Raises:
        RuntimeError: there is no apt-get here, or it does not find the package.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise RuntimeError("apt-get and dpkg-deb are not here: install nginx by the system's own means.")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["apt-get", "--quiet", "download", "nginx"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        packages = sorted(Path(folder).glob("nginx_*.deb"))
        if not packages:
            raise RuntimeError(f"apt-get download nginx failed: {done.stderr.strip()[-300:]}")
        subprocess.run(["dpkg-deb", "--extract", str(packages[0]), str(_CACHE)], check=True)
    found = find_nginx()
    if found is None:
        raise RuntimeError(f"the package in {_CACHE} has no usr/sbin/nginx")
    return found


@contextmanager
def nginx_before(nginx: Path, backend: str, prefix: Sequence[str] = ()) -> Iterator[Service]:
    """Run it before `backend` (`127.0.0.1:1234`) until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="sophia-nginx-") as folder:
        port = _free_port()
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, backend=backend, port=port))
        log = Path(folder) / "error.log"
        command = [*prefix, str(nginx), "-p", folder, "-e", f"{folder}/error.log", "-c", str(configuration)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_listening(process, port, log)
            yield Service("nginx", process, f"http://127.0.0.1:{port}", log)
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended with {process.returncode}: {log.read_text()[-300:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(_POLL_S)
    raise RuntimeError("nginx did not listen")


if __name__ == "__main__":
    try:
        print(fetch_nginx())
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
