"""The checker of the documents finds what is wrong with one, and lets right things pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.command_line import complaint_about, complaint_about_span
from tests.docs.links import broken_links
from tests.docs.pages import CHECKOUT, anchor_of, read_page
from tests.docs.shell import UnreadableShell, commands_of, syntax_error
from tests.docs.snippets import complaint_about_json, complaint_about_python, complaint_about_yaml

WRONG = [
    ("sophia stauts", "no command 'stauts'"),
    ("sophia status --jsn", "No such option"),
    ("sophia up --phase 4", "4 is not in the range"),
    ("sophia up --phase", "requires an argument"),
    ("sophia up now", "unexpected extra argument"),
    ("sophia train", "wants a subcommand"),
    ("sophia train lunch", "no command 'lunch'"),
    ("sophia train status", "Missing argument"),
    ("sophia emulator --sped 60", "unrecognized arguments: --sped"),
    ("sophia images budget --metadata x.json", "required: --sizes"),
    ("make upp", "no target 'upp'"),
    ("make up CLUSTR=1", "no variable 'CLUSTR'"),
    ("python -m sophia_infra.nothing", "no module"),
    ("python -m sophia_infra.control_plane statsu", "invalid choice"),
    ("python scripts/nothing.py", "no file"),
    ("python scripts/analyze_costs.py --figurs", "No such option"),
    ("./scripts/phase1_quick_wins.sh --dryrun", "No such option"),
    ("bash scripts/complete_lambda_migration.sh --stak local", "No such option"),
    ("pulumi preview --policy-pack policies/nothing", "no file"),
    ("shopia status", "no program 'shopia'"),
    ("cd /srv && sophia stauts", "no command 'stauts'"),
    ("sophia status --json | python -m sophia_infra.nothing", "no module"),
    ('echo "$(sophia stauts)"', "no command 'stauts'"),
    ("NAME=$(sophia stauts) sophia status", "no command 'stauts'"),
    ("for one in a b; do sophia stauts $one; done", "no command 'stauts'"),
]
RIGHT = [
    "sophia --help",
    "sophia status --json  # a comment with an unclosed quote isn't one",
    "sophia cost roi --investment '$12,000' > roi.txt 2>&1",
    "LAMBDA_API_KEY=x sophia preview \\\n  --stack production",
    "make up CLUSTER=1 ARGS='--phase 1'",
    "cat > note.txt <<'END'\nsophia is a 'word here\nEND\nsophia status",
    "python -c 'print(1)' && ls docs/*.md",
]


@pytest.mark.parametrize(("script", "says"), WRONG, ids=[script for script, _ in WRONG])
def test_a_wrong_command_is_found(script: str, says: str) -> None:
    found = [complaint for command in commands_of(script) if (complaint := complaint_about(command.words))]
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize("script", RIGHT)
def test_a_right_command_passes(script: str) -> None:
    assert syntax_error(script) is None
    commands = list(commands_of(script))
    assert commands
    assert not [complaint for command in commands if (complaint := complaint_about(command.words))]


@pytest.mark.parametrize(
    ("span", "says"),
    [
        ("sophia destroy", "no command 'destroy'"),
        ("sophia preview|upp", "no command 'upp'"),
        ("sophia train run --max-dollars D", "no '--max-dollars'"),
        ("sophia train run [--nodez N]", "no '--nodez'"),
        ("make everything", "no target"),
        ("python -m sophia_infra.nothing", "no module"),
    ],
)
def test_a_wrong_command_in_a_sentence_is_found(span: str, says: str) -> None:
    assert says in (complaint_about_span(span) or "")


@pytest.mark.parametrize(
    "span",
    ["sophia", "sophia train run --workload W [--nodes N]", "sophia preview|up --policy-pack policies", "up"],
)
def test_a_sentence_may_leave_arguments_out(span: str) -> None:
    assert complaint_about_span(span) is None


def test_a_command_is_found_at_its_line_of_the_document() -> None:
    page = read_page(CHECKOUT / "docs" / "made-up.md", "# Title\n\n```sh\nls\n\nsophia stauts\n```\n")
    lines = [command.line for block in page.shell() for command in commands_of(block.text, block.line)]
    assert lines == [4, 6]


def test_what_follows_a_prompt_is_the_command_and_what_it_printed_is_not() -> None:
    page = read_page(
        Path("made-up.md"), "```console\n$ sophia status \\\n    --json\nsophia says this\n```\n"
    )
    (block,) = page.shell()
    assert [command.words for command in commands_of(block.text)] == [("sophia", "status", "--json")]


def test_a_line_of_cron_is_judged_by_what_it_starts() -> None:
    page = read_page(Path("made-up.md"), "```cron\n*/5 * * * * sophia train sweep\n```\n")
    (block,) = page.shell()
    assert [command.words for command in commands_of(block.text)] == [("sophia", "train", "sweep")]


def test_an_open_quote_is_an_error_of_the_document() -> None:
    with pytest.raises(UnreadableShell, match="not closed"):
        list(commands_of("sophia status 'x\n"))
    assert syntax_error("sophia status 'x\n") is not None


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("nothing.md", "no file"),
        ("images.md#nothing", "no heading"),
        ("#nothing", "no heading"),
        ("../../../../etc/hostname", "leaves the repository"),
    ],
)
def test_a_broken_link_is_found(link: str, says: str) -> None:
    page = read_page(
        CHECKOUT / "docs" / "made-up.md", f"# Here\n\n[there]({link}) [back](#here) [out](https://x.org)\n"
    )
    (wrong,) = broken_links(page)
    assert says in wrong


def test_anchors_are_those_of_the_forge() -> None:
    assert anchor_of("Why no machine is lost, or `doubled`?") == "why-no-machine-is-lost-or-doubled"
    page = read_page(Path("made-up.md"), "# A - B\n\n## Twice\n\n## Twice\n")
    assert page.anchors == {"a---b", "twice", "twice-1"}


def test_wrong_snippets_are_found() -> None:
    assert "has no 'Nothing'" in (complaint_about_python("from sophia_infra.inference import Nothing") or "")
    assert complaint_about_python("def f(:\n  pass")
    assert complaint_about_python("await x.y()") is None
    assert "sophia:bugdet" in (complaint_about_yaml("config:\n  sophia:bugdet: {limit: 1}") or "")
    assert complaint_about_yaml("sophia:fleet:\n  a: {typ: 1xA10}")
    assert complaint_about_yaml("config:\n  sophia:budget: {limit: '$5/day'}") is None
    assert complaint_about_json('{"a": 1, ...}') is None
    assert complaint_about_json('{"a": 1')
