"""Credentials of a cluster: made once, kept by every update, renewed in time, replaced only when asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pytest

from sophia_infra.joining import CREDENTIAL_NAMES
from sophia_infra.provider.cluster_credentials import RENEW_BEFORE_DAYS, ClusterCredentialsKind
from sophia_infra.provider.errors import CredentialsLost
from sophia_infra.provider.outcome import UNKNOWN, Created
from sophia_infra.provider.resources import ClusterCredentials
from tests.unit.provider.stage import STACK, Stage

MADE_AT = datetime(2026, 11, 24, tzinfo=UTC)
KindAt = Callable[[float], ClusterCredentialsKind]


def news(**changes: Any) -> dict[str, Any]:
    return {"stack": STACK, "cluster": "sophia-us-east-3", "generation": 1, **changes}


@pytest.fixture
def kind_at(stage: Stage) -> KindAt:
    """The kind in a new process, some days after the credentials were made."""
    return lambda days: ClusterCredentialsKind(stage.session(), lambda: MADE_AT + timedelta(days=days))


@pytest.fixture
def made(kind_at: KindAt) -> Created:
    return kind_at(0).create(news())


def test_they_are_made_whole_and_without_a_request(stage: Stage, kind_at: KindAt) -> None:
    with stage.counting() as operations:
        made = kind_at(0).create(news())
    assert operations == []
    assert made.id == f"{STACK}/sophia-us-east-3/credentials-1"
    assert set(made.outputs["credentials"]) == set(CREDENTIAL_NAMES)
    assert made.outputs["generation"] == 1


def test_an_update_keeps_every_one_of_them(kind_at: KindAt, made: Created) -> None:
    kind = kind_at(30)
    renamed = news(cluster="sophia-renamed")
    assert kind.diff(made.id, made.outputs, renamed).replaces == ()
    assert kind.diff(made.id, made.outputs, renamed).changes == ("cluster",)
    outputs = kind.update(made.id, made.outputs, {**renamed, "credentials": None})
    assert outputs["credentials"] == made.outputs["credentials"]
    assert kind.diff(made.id, outputs, renamed).changes == ()


@pytest.mark.parametrize("days", [0, 100, 365 - RENEW_BEFORE_DAYS])
def test_nothing_changes_by_itself_while_the_administrators_certificate_is_good(
    kind_at: KindAt, made: Created, days: int
) -> None:
    assert kind_at(days).diff(made.id, made.outputs, news()).changes == ()


@pytest.mark.parametrize("days", [306, 364, 400])
def test_the_administrators_certificate_is_renewed_in_time_or_late(
    stage: Stage, kind_at: KindAt, made: Created, days: int
) -> None:
    kind = kind_at(days)
    diff = kind.diff(made.id, made.outputs, news())
    assert (diff.changes, diff.replaces) == (("admin_certificate",), ())
    outputs = kind.update(made.id, made.outputs, news())
    old, new = made.outputs["credentials"], outputs["credentials"]
    assert {name for name in new if old[name] != new[name]} == {"admin_certificate", "admin_key"}
    assert kind.diff(made.id, outputs, news()).changes == ()
    assert stage.said == ["sophia-us-east-3: the administrator's certificate was renewed for a year"]


def test_only_a_raised_generation_makes_new_ones(kind_at: KindAt, made: Created) -> None:
    diff = kind_at(1).diff(made.id, made.outputs, news(generation=2))
    assert diff.replaces == ("generation",)
    second = kind_at(1).create(news(generation=2))
    assert second.id != made.id
    assert not set(second.outputs["credentials"].values()) & set(made.outputs["credentials"].values())


def test_the_engine_has_no_whole_numbers(kind_at: KindAt, made: Created) -> None:
    stored = json.loads(json.dumps({**made.outputs, "generation": 1.0}))
    assert kind_at(1).diff(made.id, stored, kind_at(1).check({}, news(generation=1.0)).inputs).changes == ()


def test_a_refresh_gives_back_what_the_state_holds(kind_at: KindAt, made: Created) -> None:
    assert kind_at(1).read(made.id, made.outputs).outputs == made.outputs
    kind_at(1).delete(made.id, made.outputs)


@pytest.mark.parametrize("held", [None, {}, {"server_token": "x"}])
def test_a_state_without_them_is_never_filled_with_new_ones_in_silence(
    kind_at: KindAt, made: Created, held: Any
) -> None:
    olds = {**made.outputs, "credentials": held}
    for call in (kind_at(1).diff, kind_at(1).update):
        with pytest.raises(CredentialsLost, match=r"sophia-us-east-3\. Nothing was changed\. Next: restore"):
            call(made.id, olds, news())
    assert kind_at(1).diff(made.id, olds, news(generation=2)).replaces == ("generation",), "the way out"


@pytest.mark.parametrize("missing", ["stack", "cluster"])
def test_what_is_missing_is_named(kind_at: KindAt, missing: str) -> None:
    checked = kind_at(0).check({}, {name: value for name, value in news().items() if name != missing})
    assert checked.failures == ((missing, "is missing"),)
    assert kind_at(0).check({}, news(generation=UNKNOWN)).inputs["generation"] is UNKNOWN
    assert kind_at(0).check({}, {"stack": STACK, "cluster": "c"}).inputs["generation"] == 1


def test_the_resource_names_its_secret_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise every key would lie in the state as plain text."""
    seen: list[pulumi.ResourceOptions] = []
    monkeypatch.setattr(
        "pulumi.CustomResource.__init__", lambda _self, _type, _name, _props, opts: seen.append(opts)
    )
    ClusterCredentials("c", news(), pulumi.ResourceOptions(protect=True))
    assert seen[0].additional_secret_outputs == ["credentials"]
    assert seen[0].protect is True
