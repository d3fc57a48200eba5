"""Actions that are taken back: what comes again, what stays away, and what is said."""

from __future__ import annotations

import asyncio

import pytest

from sophia_infra.optimization.errors import (
    NotAllowed,
    RecommendationMissing,
    UndoImpossible,
)
from sophia_infra.provider.errors import CapacityExhausted
from tests.unit.optimization.applied import writes
from tests.unit.optimization.ground import HOUR_S, Ground


def test_a_gate_that_falls_in_its_time_brings_the_machine_back(ground: Ground) -> None:
    shared = ground.client().create_filesystem("data", "us-east-1")
    ground.launch("lost", filesystems=["data"], tags={"team": "research"}, hostname="lost-1")
    before = ground.account()
    ground.gate.falls_at_s = ground.clock.now() + 700
    (outcome,) = ground.auto()
    assert outcome.word == "undone"
    assert "GatewayDown" in outcome.detail
    assert ground.account() == before
    assert shared.id in {row["id"] for row in ground.filesystems()}
    assert ground.words() == ["dry-run", "intent", "done", "undo-intent", "undone"]


def test_what_was_brought_back_is_left_alone(ground: Ground) -> None:
    ground.launch("lost")
    ground.gate.falls_at_s = ground.clock.now() + 700
    ground.auto()
    ground.gate.falls_at_s = None
    ground.cloud.advance(2 * HOUR_S)
    (outcome,) = ground.auto()
    assert outcome.word == "not allowed"
    assert "brought back by the undo" in outcome.detail
    assert len(ground.live()) == 1


def test_an_undo_on_request_restores_and_a_second_one_finds_it_done(ground: Ground) -> None:
    ground.launch("lost")
    before = ground.account()
    (outcome,) = ground.auto()
    engine = ground.engine()
    assert outcome.action_id is not None
    assert asyncio.run(engine.undo(outcome.action_id)).word == "undone"
    assert ground.account() == before
    with ground.counting() as operations:
        assert "before" in asyncio.run(ground.engine().undo(outcome.recommendation_id)).detail
    assert writes(operations) == []
    assert len(ground.live()) == 1


def test_an_undo_without_capacity_is_said_and_works_later(ground: Ground) -> None:
    ground.launch("lost")
    before = ground.account()
    (outcome,) = ground.auto()
    assert outcome.action_id is not None
    ground.cloud.set_capacity("gpu_1x_a10", "us-east-1", 0)
    with pytest.raises(CapacityExhausted):
        asyncio.run(ground.engine().undo(outcome.action_id))
    assert ground.words()[-1] == "undo-intent"
    ground.cloud.set_capacity("gpu_1x_a10", "us-east-1", 5)
    (settled,) = asyncio.run(ground.engine().recover())
    assert settled.word == "undone"
    assert ground.account() == before
    assert ground.words().count("undo-intent") == 1


def test_an_undo_beside_another_machine_of_the_same_name(ground: Ground) -> None:
    ground.launch("lost", instance_type="gpu_1x_a6000")
    ground.launch("lost")
    before = ground.account()
    words = {one.word: one for one in ground.auto(actions_per_day=1)}
    assert set(words) == {"done", "waits"}
    asyncio.run(ground.engine().undo(str(words["done"].action_id)))
    assert ground.account() == before


def test_an_undo_launches_nothing_beyond_the_limits(ground: Ground) -> None:
    ground.launch("lost")
    (outcome,) = ground.auto()
    ground.hold("core", ground.launch("core"))
    assert outcome.action_id is not None
    with pytest.raises(NotAllowed, match="allow no launch from 1 machines"):
        asyncio.run(ground.engine(max_instances=1).undo(outcome.action_id))
    with pytest.raises(NotAllowed, match=r"\$1/h"):
        asyncio.run(ground.engine(max_spend="$1/h").undo(outcome.action_id))
    assert len(ground.live()) == 1


def test_what_was_never_done_cannot_be_undone(ground: Ground) -> None:
    with pytest.raises(RecommendationMissing, match="No action a-0"):
        asyncio.run(ground.engine().undo("a-0"))
    lost = ground.launch("lost")
    fields = {
        "recommendation": "orphan-1",
        "what": "end machine",
        "target": lost,
        "subject": "lost",
        "why": "a test",
        "before": {"id": lost, "name": "lost"},
        "usd_per_month": "928.80",
    }
    ground.log().record("intent", "a-1", **fields)
    assert asyncio.run(ground.engine().undo("a-1")).word == "abandoned"
    with pytest.raises(UndoImpossible, match="never carried out"):
        asyncio.run(ground.engine().undo("a-1"))
    assert [row["id"] for row in ground.live()] == [lost]
