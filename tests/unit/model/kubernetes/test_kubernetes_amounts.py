"""Amounts of CPU and memory: what people write, and the one spelling that the API server prints."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.model.errors import Refused
from sophia_infra.model.kubernetes import CpuSpan, MemorySpan, bytes_of, millicores_of
from sophia_infra.model.kubernetes.quantity import parse_bytes, parse_cpu, parse_cpu_span, parse_memory_span
from sophia_infra.model.kubernetes.texts import parse_cron, parse_image, registry_of


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0.25", "250m"),
        (0.25, "250m"),
        ("250m", "250m"),
        ("1000m", "1"),
        (2, "2"),
        ("2.5", "2500m"),
        ("0.001", "1m"),
    ],
)
def test_cpu_is_spelled_as_the_api_server_does(written: object, canonical: str) -> None:
    assert parse_cpu(written) == canonical


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("512Mi", "512Mi"),
        ("0.5Gi", "512Mi"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1Ti", "1Ti"),
        ("4Ki", "4Ki"),
    ],
)
def test_memory_is_spelled_as_the_api_server_does(written: str, canonical: str) -> None:
    assert parse_bytes(written) == canonical


@given(st.integers(1, 10_000_000))
def test_cpu_text_and_number_are_the_same_amount(millicores: int) -> None:
    text = parse_cpu(f"{millicores}m") if millicores < 10_000_000 else parse_cpu("9999999m")
    assert millicores_of(text) == min(millicores, 9_999_999)
    assert parse_cpu(text) == text or millicores >= 100_000_000


@given(st.integers(1, 9_999_999), st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_memory_text_and_number_are_the_same_amount(count: int, unit: str) -> None:
    factor = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}[unit]
    text = parse_bytes(f"{count}{unit}")
    assert Fraction(bytes_of(text), factor) == count
    assert parse_bytes(text) == text


def test_a_span_reads_and_prints() -> None:
    assert parse_cpu_span("0.25..0.5") == CpuSpan("250m", "500m")
    assert parse_cpu_span(2) == CpuSpan("2", "2")
    assert parse_memory_span("512Mi..1Gi") == MemorySpan("512Mi", "1Gi")
    assert [str(parse_cpu_span(text)) for text in ("0.25..0.5", "2")] == ["250m..500m", "2"]
    assert str(parse_memory_span("1Gi..1024Mi")) == "1Gi"
    assert (CpuSpan("250m", "2").request_millicores, CpuSpan("250m", "2").limit_millicores) == (250, 2000)
    assert (MemorySpan("1Ki", "1Mi").request_bytes, MemorySpan("1Ki", "1Mi").limit_bytes) == (1024, 1 << 20)


@pytest.mark.parametrize(
    "written", ["", "1..", "..1", "-1", "1e3", "1 core", True, None, [], "0.0001", "NaN"]
)
def test_what_is_no_cpu(written: object) -> None:
    with pytest.raises(Refused):
        parse_cpu_span(written)


@pytest.mark.parametrize(
    "written", ["", "0Gi", "1", "1G", "1gi", "500m", "1Pi", "0.0001Ki", "0.3Ki", True, None]
)
def test_what_is_no_memory(written: object) -> None:
    with pytest.raises(Refused):
        parse_bytes(written)


@pytest.mark.parametrize("schedule", ["0 2 * * *", "*/15 0-6,18-23 1 1-12/2 7", "30  2 * * 0"])
def test_schedules_that_cron_knows(schedule: str) -> None:
    assert parse_cron(schedule) == " ".join(schedule.split())


@pytest.mark.parametrize(
    "schedule", ["60 * * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-2 * * * *", "*/0 * * * *"]
)
def test_schedules_that_cron_does_not_know(schedule: str) -> None:
    with pytest.raises(Refused):
        parse_cron(schedule)


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("postgres:16.4", None),
        ("sophia/api:1.0.0", None),
        ("registry.example/api:1", "registry.example"),
        ("registry.example:5000/team/api:v1.2_3", "registry.example:5000"),
        ("localhost/api:1", "localhost"),
        ("api@sha256:" + "a" * 64, None),
        ("registry.example/api:latest@sha256:" + "a" * 64, "registry.example"),
    ],
)
def test_images_with_a_fixed_tag_or_digest(image: str, registry: str | None) -> None:
    assert parse_image(image) == image
    assert registry_of(image) == registry


@pytest.mark.parametrize(
    "image", ["", "api:", "api:1:2", "/api:1", "api/:1", "api:1@sha256:abc", "ap i:1", "http://a/b:1"]
)
def test_what_is_no_image(image: str) -> None:
    with pytest.raises(Refused):
        parse_image(image)
