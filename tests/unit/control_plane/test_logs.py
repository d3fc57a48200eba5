from __future__ import annotations

from pathlib import Path

from sophia_infra.control_plane.logs import SHOWN_CHARACTERS, last_lines


def test_the_line_that_matters_is_shown_and_not_the_stack_after_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stack = [f"\t/go/file{number}.go:{number}" for number in range(50)]
    log.write_text("\n".join(["I1124 starting", "panic: nil pointer", *stack]))
    assert last_lines(log) == ("panic: nil pointer",)


def test_without_an_error_the_end_is_shown_and_long_lines_are_cut(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n\n".join(["one", "two", "x" * 5000]))
    assert last_lines(log, 2) == ("two", "x" * SHOWN_CHARACTERS)


def test_errors_of_every_components_kind_are_known(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = (
        'E1124 10:17:15 1 run.go:72] "command failed"',
        '{"level":"fatal","msg":"listen"}',
        '{"time":"t","level":"ERROR","msg":"m"}',
        "Error: unknown flag",
        "OSError: no",
    )
    log.write_text("\n".join(["quiet", *lines, "quiet"]))
    assert last_lines(log) == lines


def test_no_log_has_no_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log") == ()
