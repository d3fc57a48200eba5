"""A real S3 server on loopback (moto) that throttles and fails by count. Not a test itself."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["SPOILS", "Spoil", "SpoiledBucket", "spoiled_bucket"]

FOR_LONG: Final = 40
"""Requests that fail one after the other: more than boto3 tries."""

_ERROR: Final = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>by a test</Message></Error>"


@dataclass(frozen=True, slots=True)
class Spoil:
    """How the service answers: instead of doing what is asked, or after it."""

    status: str
    code: str
    when: Literal["before", "after"] = "before"
    times: int = 1


SPOILS: Final = {
    "429 once": Spoil("429 Too Many Requests", "TooManyRequests"),
    "429 for long": Spoil("429 Too Many Requests", "TooManyRequests", times=FOR_LONG),
    "503 SlowDown": Spoil("503 Slow Down", "SlowDown"),
    "500 before": Spoil("500 Internal Server Error", "InternalError"),
    "502 after": Spoil("502 Bad Gateway", "BadGateway", "after"),
    "503 for long": Spoil("503 Slow Down", "SlowDown", times=FOR_LONG),
}


class SpoiledBucket:
    """The WSGI application of the server, and from the `at`th request on the spoil.

    Attributes:
        address: of the server.
        count: requests since `strike`.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.address = ""
        self.count = 0
        self._application, self._at, self._spoil = application, 0, Spoil("", "")

    def strike(self, at: int, spoil: Spoil) -> None:
        """Spoil the `at`th request from now on (1: the next one; 0: none) and those that follow it."""
        self.count, self._at, self._spoil = 0, at, spoil

    @property
    def has_struck(self) -> bool:
        return 0 < self._at <= self.count

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.count += 1
        if not 0 < self._at <= self.count < self._at + self._spoil.times:
            return self._application(environ, start_response)
        if self._spoil.when == "after":
            b"".join(self._application(environ, lambda *_: None))
        else:
            # Else what was not read is taken for the next request of the connection.
            importlib.import_module("werkzeug.wsgi").get_input_stream(environ).read()
        body = _ERROR.format(code=self._spoil.code).encode()
        start_response(
            self._spoil.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        )
        return [body]


@contextmanager
def spoiled_bucket() -> Iterator[SpoiledBucket]:
    """Run it; it holds what earlier tests of this process put into moto, and no bucket of its own."""
    moto: Any = importlib.import_module("moto.server")
    serving: Any = importlib.import_module("werkzeug.serving")
    application = moto.DomainDispatcherApplication(moto.create_backend_app)
    bucket = SpoiledBucket(application)
    server = serving.make_server("127.0.0.1", 0, bucket, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    bucket.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
