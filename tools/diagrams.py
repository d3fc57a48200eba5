"""Draw the pictures of the documents from what they show: contracts, imports, stack file.

    python tools/diagrams.py            # write them into their pages, between their markers
    python tools/diagrams.py --check    # exit code 1 when a page shows something else

Those of docs/architecture.md are Mermaid, which the forge and the site draw; README.md has the house as text.
"""

from __future__ import annotations

import argparse
import configparser
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import grimp

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.stack_config import load_stack_config

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs" / "architecture.md"
README = CHECKOUT / "README.md"
_PACKAGE = "sophia_infra"


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/architecture.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when they are old")
    options = parser.parse_args()
    imports = frozenset(_imports())
    old = [
        page
        for page, pictures in {
            PAGE: {
                "rooms": ("mermaid", draw_rooms(imports)),
                "fleet": ("mermaid", draw_fleet(CHECKOUT / "Pulumi.local.yaml")),
            },
            README: {"house": ("text", draw_house(imports))},
        }.items()
        if _is_old(page, pictures, write=not options.check)
    ]
    if options.check:
        for page in old:
            print(f"{page.name} shows what was: run `python tools/diagrams.py`.", file=sys.stderr)
    return int(options.check and bool(old))


def draw_house(imports: Collection[tuple[str, str]]) -> Iterator[str]:
    """A line for each layer, the command line first; then the rooms beside them and what each imports."""
    layers = _layers()
    yield from ("   ".join(layer) for layer in layers)
    yield ""
    placed = {room for layer in layers for room in layer}
    outside = sorted({a for a, _ in imports} - placed | {b for _, b in imports} - placed)
    width = max(len(room) for room in outside)
    for room in outside:
        known = sorted(b for a, b in imports if a == room)
        yield f"{room:<{width}} -> {', '.join(known) or 'nothing of ours'}"


def draw_rooms(imports: Collection[tuple[str, str]]) -> Iterator[str]:
    """Layers from the contract, and imports between rooms; none that a longer way implies."""
    layers = _layers()
    placed = {room for layer in layers for room in layer}
    imports = {(a, b) for a, b in imports if a in placed and b in placed}
    yield "flowchart TD"
    for number, layer in enumerate(layers):
        beside = len(layer) > 1
        yield from (f"  subgraph layer{number}[ ]",) if beside else ()
        yield from (f"    {room}" for room in layer)
        yield from ("  end",) if beside else ()
    yield from (f"  {a} --> {b}" for a, b in sorted(_without_detours(imports)))


def draw_fleet(stack_file: Path) -> Iterator[str]:
    """Machines by region, and on each the workloads that choose its GPU."""
    config = load_stack_config(stack_file)
    workloads = config.kubernetes.workloads if config.kubernetes else {}
    regions = sorted({machine.region for machine in config.fleet.values()})
    yield "flowchart LR"
    for region in regions:
        yield f"  subgraph {_id(region)}[{region}]"
        for name, machine in config.fleet.items():
            if machine.region == region:
                facts = CATALOGUE[machine.type]
                what = f"{facts.gpu_count}x {facts.gpu_model}, {facts.architecture}"
                yield f'    {_id(name)}["{name}<br/>{what}"]'
        yield "  end"
    for workload, row in workloads.items():
        if row.gpu is None or not row.enabled:
            continue
        share = f"{row.gpu.count} GPU" if row.gpu.count else "beside it"
        for name, machine in config.fleet.items():
            if CATALOGUE[machine.type].gpu_model == row.gpu.model:
                yield f"  w_{_id(workload)}([{workload}]) -- {share} --> {_id(name)}"


def _layers() -> list[list[str]]:
    contracts = configparser.ConfigParser()
    contracts.read(CHECKOUT / ".importlinter", encoding="utf-8")
    lines = contracts["importlinter:contract:layers"]["layers"].split("\n")
    return [
        [room.strip().removeprefix(f"{_PACKAGE}.") for room in line.split("|")]
        for line in lines
        if line.strip()
    ]


def _imports() -> Iterator[tuple[str, str]]:
    graph = grimp.build_graph(_PACKAGE, cache_dir=None)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            here, there = (name.split(".")[1:2] for name in (module, imported))
            if here and there and here != there:
                yield here[0], there[0]


def _without_detours(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Drop an edge when a longer way leads to the same place."""
    following: Mapping[str, set[str]] = {a: {b for x, b in edges if x == a} for a, _ in edges}

    def reached_from(start: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        for room in following.get(start, set()) - seen:
            seen = reached_from(room, seen | {room})
        return seen

    return {
        (a, b) for a, b in edges if not any(b in reached_from(other) for other in following[a] if other != b)
    }


def _is_old(page: Path, pictures: Mapping[str, tuple[str, Iterator[str]]], *, write: bool) -> bool:
    before = after = page.read_text(encoding="utf-8")
    for name, (language, lines) in pictures.items():
        between = re.compile(rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        if not between.search(after):
            raise SystemExit(f"{page.name} has no markers for the picture {name}")
        block = f"\n```{language}\n" + "\n".join(lines) + "\n```\n\n"
        after = between.sub(lambda found, block=block: f"{found[1]}{block}{found[2]}", after)  # type: ignore[misc]
    if write and after != before:
        page.write_text(after, encoding="utf-8")
    return after != before


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)


if __name__ == "__main__":
    raise SystemExit(main())
