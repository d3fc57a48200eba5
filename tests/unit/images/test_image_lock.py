"""The lock of base images: what it refuses, and how it is filled by buildx."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.images import (
    DockerMissing,
    InspectFailed,
    LockRefused,
    PlatformMissing,
    Unlocked,
    build_arguments,
    lock_images,
    read_lock,
)
from sophia_infra.images.locking import Answer

ROOT = Path(__file__).parents[3]
AMD64, ARM64, INDEX = (f"sha256:{digit * 64}" for digit in "abc")


def _index(*platforms: tuple[str, str, str], digest: str = INDEX) -> str:
    """As `imagetools inspect --format '{{json .Manifest}}'` prints it."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": digest,
            "size": 855,
            "manifests": [
                {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": manifest,
                    "size": 673,
                    "platform": {
                        "architecture": architecture,
                        "os": "linux",
                        **({"variant": variant} if variant else {}),
                    },
                }
                for architecture, variant, manifest in platforms
            ]
            + [{"digest": AMD64, "platform": {"architecture": "unknown", "os": "unknown"}}],
        }
    )


BOTH = _index(("amd64", "", AMD64), ("arm", "v7", INDEX), ("arm64", "v8", ARM64))


class Registry:
    """Answers for every tag, and keeps the commands."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.commands: list[tuple[str, ...]] = []

    def __call__(self, command: Sequence[str]) -> Answer:
        if tuple(command) == ("docker", "buildx", "version"):
            return Answer(0, "github.com/docker/buildx v0.36.1", "")
        self.commands.append(tuple(command))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "images.lock.json"
    document = json.loads((ROOT / "docker" / "images.lock.json").read_text("utf-8"))
    for image in document["images"].values():
        image.update(digest=None, platforms={})
    copy.write_text(json.dumps(document), "utf-8")
    return copy


def test_the_lock_of_this_repository_has_all_that_a_build_pulls() -> None:
    lock = read_lock(ROOT / "docker" / "images.lock.json")
    assert set(lock.images) == {"python", "runtime", "cuda", "buildkit", "sbom"}
    assert lock.images["cuda"].tag == "nvidia/cuda:12.4.1-runtime-ubuntu22.04"


def test_an_empty_lock_gives_no_reference(path: Path) -> None:
    lock = read_lock(path)
    assert lock.unlocked() == ("buildkit", "cuda", "python", "runtime", "sbom")
    with pytest.raises(Unlocked, match=r"no digest for python.*sophia images lock"):
        lock.reference("python")
    with pytest.raises(Unlocked, match="python, runtime, cuda"):
        build_arguments(lock)


def test_locking_asks_for_each_tag_and_keeps_the_digests(path: Path) -> None:
    registry = Registry(Answer(0, BOTH, ""))
    changes = lock_images(path, run=registry)
    assert [change.name for change in changes] == ["python", "runtime", "cuda", "buildkit", "sbom"]
    assert [command[-1] for command in registry.commands] == [change.tag for change in changes]
    assert {command[:4] for command in registry.commands} == {("docker", "buildx", "imagetools", "inspect")}
    lock = read_lock(path)
    assert lock.unlocked() == ()
    assert lock.images["cuda"].platforms == {"linux/amd64": AMD64, "linux/arm64": ARM64}
    assert build_arguments(lock)["RUNTIME_IMAGE"] == f"debian:12.13-slim@{INDEX}"


def test_locking_again_changes_nothing_and_a_moved_tag_is_told(path: Path) -> None:
    lock_images(path, run=Registry(Answer(0, BOTH, "")))
    before = path.read_bytes()
    assert not any(change.moved for change in lock_images(path, run=Registry(Answer(0, BOTH, ""))))
    assert path.read_bytes() == before
    moved = _index(("amd64", "", AMD64), ("arm64", "", ARM64), digest=ARM64)
    (change,) = lock_images(path, names=["python"], run=Registry(Answer(0, moved, "")))
    assert (change.moved, change.before, change.after) == (True, INDEX, ARM64)
    assert read_lock(path).images["cuda"].digest == INDEX


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(1, "", "ERROR: x\nERROR: python:3: not found\n"), InspectFailed, "not found"),
        (Answer(124, "", "no answer within 60 s"), InspectFailed, "no answer within 60 s"),
        (Answer(0, "not json", ""), InspectFailed, "another form"),
        (Answer(0, "[]", ""), InspectFailed, "another form"),
        (Answer(0, '{"manifests": []}', ""), InspectFailed, "another form"),
        (Answer(0, _index(("amd64", "", AMD64)), ""), PlatformMissing, "linux/arm64"),
        (Answer(0, _index(("arm64", "v9", ARM64)), ""), PlatformMissing, "linux/amd64, linux/arm64"),
    ],
)
def test_one_bad_answer_leaves_the_file_as_it_was(
    path: Path, answer: Answer, error: type[Exception], says: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(error, match=says) as caught:
        lock_images(path, run=Registry(Answer(0, BOTH, ""), answer))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert "Next: " in str(caught.value)


def test_a_machine_without_docker_says_so(path: Path) -> None:
    with pytest.raises(DockerMissing, match=r"sophia-no-such-docker is not on this machine.*install docker"):
        lock_images(path, docker="sophia-no-such-docker")


def test_docker_without_buildx_says_so(path: Path) -> None:
    def docker(command: Sequence[str]) -> Answer:
        wrong = "unknown command" if command[2:] == ("version",) else "unknown flag: --format"
        return Answer(125, "", f"docker: {wrong}\n\nRun 'docker --help' for more information\n")

    with pytest.raises(DockerMissing, match="docker's buildx is not on this machine"):
        lock_images(path, run=docker)


def test_a_name_that_the_lock_lacks_is_refused(path: Path) -> None:
    with pytest.raises(LockRefused, match=r"has no node; it has python"):
        lock_images(path, names=["node"], run=Registry(Answer(0, BOTH, "")))


def _set(name: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["images"][name].update({key: value})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set("cuda", "tag", "nvidia/cuda:12.4-runtime-ubuntu22.04"), "three numbers"),
        (_set("python", "tag", "python:latest"), "never latest"),
        (_set("python", "tag", "python"), "not name:tag"),
        (_set("python", "tag", "hub.example.com:443/python:3"), "without host"),
        (_set("python", "digest", "sha256:abc"), "64 hex digits"),
        (_set("python", "digest", INDEX), "linux/amd64 and linux/arm64"),
        (_set("python", "platforms", {"linux/amd64": "x"}), "map of platform to digest"),
        (_set("python", "extra", 1), "nothing else"),
        (lambda document: document.update(format=2), "nothing else"),
        (lambda document: document.update(images=[]), "name: image"),
    ],
)
def test_a_wrong_lock_is_refused_with_its_place(
    path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(LockRefused, match=says):
        read_lock(path)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_what_is_no_lock_is_refused(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    with pytest.raises(LockRefused):
        read_lock(path)
    path.unlink()
    with pytest.raises(LockRefused, match="FileNotFoundError"):
        read_lock(path)
