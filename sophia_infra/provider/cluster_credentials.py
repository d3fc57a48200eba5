"""The resource kind ClusterCredentials: what a k3s cluster is founded on, made once and kept for ever.

It reaches no network and owns nothing outside the state: losing it means losing the way into the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sophia_infra.joining import (
    CREDENTIAL_NAMES,
    IncompleteCredentials,
    admin_days_left,
    make_credentials,
    renew_admin_certificate,
)
from sophia_infra.provider.errors import CredentialsLost
from sophia_infra.provider.outcome import UNKNOWN, Checked, Created, Diff, Found, Props
from sophia_infra.provider.session import Session

__all__ = ["RENEW_BEFORE_DAYS", "ClusterCredentialsKind"]

RENEW_BEFORE_DAYS = 60
"""When the administrator's certificate is made anew: two monthly updates may be missed before it ends."""

_ADMIN = "admin_certificate"


class ClusterCredentialsKind:
    """Properties: `stack`, `cluster`, `generation`. Outputs: `credentials`, secret, and `renew_admin`.

    Only a raised `generation` makes new ones, and that needs a new cluster. Every other update keeps them,
    and renews the administrator's certificate when its year is nearly over.
    """

    def __init__(self, session: Session, now: Callable[[], datetime] | None = None) -> None:
        self._session = session
        # Not the session's clock: certificates are looked at by real programs, also under an emulator.
        self._now = now or (lambda: datetime.now(UTC))

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        failures = [(name, "is missing") for name in ("stack", "cluster") if not news.get(name)]
        generation = news.get("generation")
        known = generation if generation is UNKNOWN else int(generation or 1)
        return Checked({**news, "generation": known}, tuple(failures))

    def diff(self, _resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        if int(olds.get("generation") or 1) != news.get("generation"):
            return Diff(changes=("generation",), replaces=("generation",))
        changes = [name for name in ("stack", "cluster") if olds.get(name) != news.get(name)]
        if self._days_left(olds) < RENEW_BEFORE_DAYS:
            changes.append(_ADMIN)
        return Diff(changes=tuple(changes))

    def create(self, news: Props) -> Created:
        if not self._session.may_found_clusters:
            raise CredentialsLost(
                f"The credentials of the cluster {news['cluster']} were in the lost state and nowhere else; "
                "new ones would fit no machine of it. Nothing was made.",
                next_step="bring the state back from a copy: `sophia backup restore latest --state`.",
            )
        name, generation = f"{news['stack']}/{news['cluster']}", int(news["generation"])
        made = make_credentials(str(news["cluster"]), self._now())
        return Created(f"{name}/credentials-{generation}", {**news, "credentials": made})

    def read(self, resource_id: str, props: Props) -> Found:
        return Found(resource_id, dict(props))

    def update(self, _resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        kept = _credentials(olds)
        if self._days_left(olds) < RENEW_BEFORE_DAYS:
            kept = renew_admin_certificate(kept, self._now())
            self._session.say(f"{news['cluster']}: the administrator's certificate was renewed for a year")
        return {**news, "credentials": kept}

    def delete(self, _resource_id: str, _props: Mapping[str, Any]) -> None:
        return None

    def _days_left(self, olds: Mapping[str, Any]) -> float:
        try:
            return admin_days_left(_credentials(olds), self._now())
        except IncompleteCredentials as error:
            raise _lost(olds) from error


def _credentials(olds: Mapping[str, Any]) -> dict[str, str]:
    """The whole set that the state holds. Making a new one in silence would lock everybody out."""
    held = olds.get("credentials")
    if not isinstance(held, Mapping) or not all(held.get(name) for name in CREDENTIAL_NAMES):
        raise _lost(olds)
    return {name: str(value) for name, value in held.items()}


def _lost(olds: Mapping[str, Any]) -> CredentialsLost:
    return CredentialsLost(
        f"The state has no whole credentials for the cluster {olds.get('cluster')}. Nothing was changed.",
        next_step="restore the state from a backup; or raise `generation` of the credentials and "
        "replace the machines of the cluster.",
    )
