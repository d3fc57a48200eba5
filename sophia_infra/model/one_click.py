"""A 1-Click Cluster that was reserved in the console: read by its id, and nothing of it is changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sophia_infra.model.forms import ClosedModel, text_form

__all__ = ["CLUSTER_ID", "OneClickConfig"]

CLUSTER_ID = r"[0-9a-f]{32}"


class OneClickConfig(ClosedModel):
    """A training cluster that the stack did not launch and can neither scale nor end."""

    cluster_id: Annotated[
        str,
        text_form("a cluster id", pattern=CLUSTER_ID, rule="32 lower-case hex digits", max_characters=32),
    ] = Field(
        description="Id of the 1-Click Cluster, from Lambda's console. Its machines are in the outputs. No "
        "default, and no other key goes with it: the API has no call that changes one."
    )
