"""Why a server does not accept credentials: told apart by looking at what we sent."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

from sophia_infra.kubernetes_plugin.errors import CredentialsRefused
from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig

_NEXT_STEP = "get a new kubeconfig from the cluster and run again"


def why_refused(kubeconfig: Kubeconfig, now: datetime) -> CredentialsRefused:
    """The sentence for a 401, or for an alert about our certificate; the server says only "Unauthorized"."""
    expired = what_expired(kubeconfig, now)
    if expired:
        return expired
    user = _user(kubeconfig)
    sent = "token" if kubeconfig.token else "client certificate"
    if not kubeconfig.token and not kubeconfig.client_certificate:
        return CredentialsRefused(
            f"The API server {kubeconfig.server} wants credentials, and the kubeconfig has none for {user}."
        )
    return CredentialsRefused(
        f"The API server {kubeconfig.server} does not accept the {sent} of {user} "
        f"(401 Unauthorized): {_NEXT_STEP}."
    )


def what_expired(kubeconfig: Kubeconfig, now: datetime) -> CredentialsRefused | None:
    """The sentence for a client certificate or token that is past its time; None for good ones."""
    for what, expiry in (
        ("client certificate", certificate_expiry(kubeconfig.client_certificate)),
        ("token", token_expiry(kubeconfig.token)),
    ):
        if expiry is not None and expiry < now:
            return CredentialsRefused(
                f"The {what} of {_user(kubeconfig)} in the kubeconfig expired on "
                f"{_day(expiry)}: {_NEXT_STEP}."
            )
    return None


def certificate_expiry(pem: bytes | None) -> datetime | None:
    """The end of validity of the first certificate in `pem`; None when there is none that can be read."""
    if pem is None:
        return None
    from cryptography import x509  # needed in the rare case only, and 60 ms of imports

    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None


def token_expiry(token: str | None) -> datetime | None:
    """The `exp` of a service account token (JWT); None for tokens of other kinds."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError):
        return None


def _user(kubeconfig: Kubeconfig) -> str:
    return f"user {kubeconfig.user!r}" if kubeconfig.user else "the user"


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d at %H:%M UTC")
