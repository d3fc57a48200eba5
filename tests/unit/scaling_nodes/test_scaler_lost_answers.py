"""Deaths, lost answers and lists that lag: nothing is doubled, nothing is forgotten."""

from __future__ import annotations

from sophia_infra.provider.journal import Intent, Journal
from sophia_infra.scaling.nodes.launching import launch_key
from tests.unit.scaling_nodes.ground import (
    A10_USD,
    STACK,
    Asked,
    Ground,
    pool,
    settings,
)


def test_a_launch_that_is_not_listed_yet_is_money_spent(ground: Ground) -> None:
    ground.set(list_lag_s=50.0)
    ground.fault("launchInstance", "after", "drop")
    whole = settings(pool(), pool(name="other"), budget_usd_per_hour=A10_USD)
    other = Asked(0)
    scaler = ground.scaler(whole, {"gpu": [Asked(1)], "other": [other]})
    scaler.look_once()
    other.nodes = 1
    ground.pass_time(10)
    report = scaler.look_once()
    assert len(ground.rows()) == 1
    assert report.decisions[1].limited_by == ("budget",)


def test_a_lost_answer_to_a_launch_doubles_nothing(ground: Ground) -> None:
    ground.set(list_lag_s=50.0)
    ground.fault("launchInstance", "after", "drop")
    scaler = ground.scaler(demand=Asked(1))
    ground.run(scaler, 5)
    assert len(ground.rows()) == 1


def test_a_launch_that_never_was_is_sent_again_after_the_lag(ground: Ground) -> None:
    ground.fault("launchInstance", "before", "drop")
    scaler = ground.scaler(demand=Asked(1))
    scaler.look_once()
    assert ground.rows() == []
    ground.run(scaler, 4)
    assert len(ground.rows()) == 1


def test_an_intent_of_a_dead_scaler_counts_until_the_list_must_show_it(ground: Ground) -> None:
    journal = Journal(ground.folder / "launches")
    journal.write(Intent(launch_key(STACK, "gpu", 1), ground.clock.now(), None))
    scaler = ground.scaler(demand=Asked(1))
    scaler.look_once()
    assert ground.rows() == []
    ground.pass_time(61)
    scaler.look_once()
    assert len(ground.rows()) == 1


def test_an_intent_of_the_future_is_waited_out_once(ground: Ground) -> None:
    journal = Journal(ground.folder / "launches")
    journal.write(Intent(launch_key(STACK, "gpu", 1), ground.clock.now() + 9e9, None))
    scaler = ground.scaler(demand=Asked(1))
    ground.run(scaler, 3)
    assert len(ground.rows()) == 1


def test_a_dry_run_beside_a_real_one_forgets_none_of_its_notes(ground: Ground) -> None:
    journal = Journal(ground.folder / "launches")
    journal.write(Intent(launch_key(STACK, "gpu", 1), ground.clock.now() - 1000, None))
    ground.scaler(demand=Asked(1), apply=False).look_once()
    assert journal.find(launch_key(STACK, "gpu", 1)) is not None


def test_a_terminate_that_is_refused_is_asked_again_until_the_list_agrees(ground: Ground) -> None:
    asked = Asked(1)
    scaler = ground.scaler(settings(pool(cooldown_s=0, scale_down_after_s=0)), asked)
    ground.run(scaler, 8)
    ground.fault("terminateInstance", "before", "status", status=500, times=8)
    asked.nodes = 0
    ground.run(scaler, 6)
    assert ground.live() == []
    assert any("is not ended yet" in line for line in ground.said)


def test_a_new_scaler_goes_on_with_a_drain(ground: Ground) -> None:
    asked = Asked(1)
    scaler = ground.scaler(
        settings(pool(cooldown_s=0, scale_down_after_s=0)), asked, lease=ground.kubernetes_lease()
    )
    ground.run(scaler, 10)
    ground.cluster.place("model", "gpu-scaled-1")
    asked.nodes = 0
    scaler.look_once()
    assert ground.cluster.nodes["gpu-scaled-1"]["spec"] == {"unschedulable": True}
    ground.folder = ground.folder.with_name("another-host")
    second = ground.scaler(
        settings(pool(cooldown_s=0, scale_down_after_s=0)), asked, lease=ground.kubernetes_lease("two")
    )
    ground.run(second, 6)
    assert ground.live() == []


def test_two_machines_of_one_name_become_one(ground: Ground) -> None:
    scaler = ground.scaler(settings(pool(min=1)))
    ground.run(scaler, 8)
    [first] = ground.live()
    later = {"sophia-launched-at": str(int(ground.clock.now()))}
    twin = ground.launch_outside("gpu-scaled-1", {**first["tags"], **later})
    ground.cluster.place("model", "gpu-scaled-1")
    ground.run(scaler, 3)
    assert [row["id"] for row in ground.live()] == [first["id"]]
    assert twin not in [row["id"] for row in ground.live()]
    assert ground.cluster.on_node("gpu-scaled-1") == ["model"]
