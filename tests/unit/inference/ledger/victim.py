"""A gateway's bookkeeping as a process to kill: calls until it is dead, and says which it was told are safe.

    python -m tests.unit.inference.ledger.victim URL NAME

Prints one line for each answer: `reserved ID`, `settled ID`. Only loopback or a file is touched.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count

from sophia_infra.inference.ledger import AsyncLedger, open_ledger
from tests.unit.inference.ledger.books import of_all, reservation, settled

__all__: list[str] = []

_LIMITS = [of_all(hour="1000000", day="1000000", month="1000000")]
_CALLERS = 8


def say(line: str) -> None:
    """One write for one line: a kill cannot cut it."""
    os.write(1, f"{line}\n".encode())


async def call_on(books: AsyncLedger, name: str, caller: int) -> None:
    for number in count():
        asked = reservation(f"{name}-{caller}-{number}", "0.30")
        await books.reserve(asked, _LIMITS)
        say(f"reserved {asked.request_id}")
        if number % 7 == 3:
            await books.release(asked.request_id)
            say(f"released {asked.request_id}")
        else:
            await books.settle(settled(asked, "0.000000000001"))
            say(f"settled {asked.request_id}")


async def main(address: str, name: str) -> None:
    books = AsyncLedger(open_ledger(address, gateway_id=name))
    await asyncio.gather(*(call_on(books, name, caller) for caller in range(_CALLERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
