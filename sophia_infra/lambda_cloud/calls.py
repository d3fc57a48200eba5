"""What every group of calls shares: send an operation, read the answer, say which call an error is from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from sophia_infra.lambda_cloud.addresses import fill_path
from sophia_infra.lambda_cloud.errors import UnexpectedAnswer
from sophia_infra.lambda_cloud.operations import OPERATIONS

if TYPE_CHECKING:
    from sophia_infra.lambda_cloud.transport import Answer, Transport

__all__ = ["Calls", "Query", "nothing", "payload"]

T = TypeVar("T")
Query = Mapping[str, str | Sequence[str]]


class Calls:
    """Base of the groups of calls that make up `LambdaCloud`."""

    _transport: Transport

    def _perform(
        self,
        operation_id: str,
        read: Callable[[Answer], T],
        *,
        ids: Mapping[str, str] | None = None,
        query: Query | None = None,
        body: object = None,
        before_attempt: Callable[[], None] | None = None,
    ) -> T:
        """Send the operation and `read` its answer; `before_attempt` as `Transport.send`.

        Raises:
            LambdaCloudError: from the API or the network. UnexpectedAnswer of `read` also says that a
                write may have been carried out: the service had answered that it was.
        """
        operation = OPERATIONS[operation_id]
        path = fill_path(operation.path, **(ids or {}))
        answer = self._transport.send(operation, path, query=query, body=body, before_attempt=before_attempt)
        try:
            return read(answer)
        except UnexpectedAnswer as error:
            error.attempts = 1
            raise error.during(
                operation_id,
                repeatable=operation.repeatable,
                may_have_happened=operation.is_write,
                request_id=answer.request_id,
                http_status=answer.http_status,
            ) from None

    def _pages(
        self,
        operation_id: str,
        read: Callable[[Answer], tuple[list[T], str | None]],
        query: Query,
    ) -> Iterator[T]:
        """The items of all pages; a page is asked for when the one before is used up.

        Raises:
            UnexpectedAnswer: a page token came twice: following it would never end.
        """
        token: str | None = None
        followed: set[str] = set()
        while True:
            asked = query if token is None else {**query, "page_token": token}
            items, token = self._perform(operation_id, read, query=asked)
            yield from items
            if token is None:
                return
            if token in followed:
                raise UnexpectedAnswer(
                    "a page token came twice, so the pages have no end", operation=operation_id
                )
            followed.add(token)


def payload(parse: Callable[[object], T]) -> Callable[[Answer], T]:
    """A reader that applies `parse` to what stands under `data`."""
    return lambda answer: parse(answer.payload)


def nothing(_answer: Answer) -> None:
    """A reader for void successes."""
