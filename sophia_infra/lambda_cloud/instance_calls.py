"""Calls about instances, instance types, regions and images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sophia_infra.lambda_cloud.answer_fields import Fields, parse_list, parse_map
from sophia_infra.lambda_cloud.answers import Image, Instance, InstanceTypeWithCapacity, Region
from sophia_infra.lambda_cloud.calls import Calls, payload
from sophia_infra.lambda_cloud.errors import UnexpectedAnswer
from sophia_infra.lambda_cloud.specs import NAME_CHARACTERS, LaunchRequest, check_ids, check_text

__all__ = ["InstanceCalls"]


class InstanceCalls(Calls):
    """Instances and what is needed to choose one."""

    def list_instance_types(self) -> dict[str, InstanceTypeWithCapacity]:
        """Every type on sale by name, with its price now and the regions that list capacity.

        The list reserves nothing: launches into listed capacity were refused, and the reverse.
        """
        return self._perform(
            "listInstanceTypes",
            payload(lambda data: parse_map(data, "data", InstanceTypeWithCapacity.parse)),
        )

    def list_regions(self) -> list[Region]:
        """Every region."""
        return self._perform("listRegions", payload(lambda data: parse_list(data, "data", Region.parse)))

    def list_images(self) -> list[Image]:
        """Every image, one row per image and region."""
        return self._perform("listImages", payload(lambda data: parse_list(data, "data", Image.parse)))

    def list_instances(self, *, cluster_id: str | None = None) -> list[Instance]:
        """Every instance of the key's workspace, or of one 1-Click Cluster.

        How long ended instances stay listed, and how soon a launched one is, is not documented.
        """
        return self._perform(
            "listInstances",
            payload(lambda data: parse_list(data, "data", Instance.parse)),
            query=None if cluster_id is None else {"cluster_id": cluster_id},
        )

    def get_instance(self, instance_id: str) -> Instance:
        """One instance. Raises NotFound when it is gone or belongs to another workspace."""
        return self._perform("getInstance", payload(Instance.parse), ids={"id": instance_id})

    def rename_instance(self, instance_id: str, name: str) -> Instance:
        """Give the instance another name (0 to 64 characters): the only thing that can be changed."""
        return self._perform(
            "postInstance",
            payload(Instance.parse),
            ids={"id": instance_id},
            body={"name": check_text("name", name, longest=NAME_CHARACTERS)},
        )

    def launch_instance(
        self, request: LaunchRequest, *, before_attempt: Callable[[], None] | None = None
    ) -> str:
        """Launch one machine and return its id (32 hex digits). It is billed until terminated.

        Returns when the API answers (8.9 s seen); boot takes 4 to 25 minutes more. Sent once: it is sent
        again only after a 429 or when no connection could be opened, for then nothing was launched.

        Args:
            before_attempt: called each time right before the request leaves, after minutes of waiting maybe.

        Raises:
            NoCapacity: none free; nothing was launched.
            QuotaExceeded: the account's limit; nothing was launched.
            InvalidSpec, WrongRegion, NotFound: refused; nothing was launched.
            Unauthorized, AccountInactive, EdgeBlocked: refused; nothing was launched.
            Unreachable, ServerFault, UnexpectedAnswer: when `may_have_happened`, a machine may run and
                cost money: look for it by your own tag before launching again.

        Spends: 1 launch slot (1 per 12 s) and 1 request slot (1 per s), waited for.
        Source: Lambda Cloud API 1.10.0, POST /api/v1/instance-operations/launch.
        """
        return self._perform(
            "launchInstance", payload(_parse_launched), body=request.build(), before_attempt=before_attempt
        )

    def restart_instances(self, instance_ids: Sequence[str]) -> list[Instance]:
        """Reboot; ids stay. Not repeated after an unclear answer: that would cut off the boot.

        Raises Conflict when an instance cannot be restarted now, NotFound when one is gone.
        """
        return self._perform(
            "restartInstance",
            payload(lambda data: _parse_touched(data, "restarted_instances")),
            body={"instance_ids": check_ids("instance_ids", instance_ids)},
        )

    def terminate_instances(self, instance_ids: Sequence[str]) -> list[Instance]:
        """End instances for good. Answers at once; billing ends when they are terminated, so verify by list.

        Raises NotFound when one is gone, which can also be the work of an earlier attempt of this call.
        Whether the others of the list were ended then is not documented: send one id at a time to know.
        """
        return self._perform(
            "terminateInstance",
            payload(lambda data: _parse_touched(data, "terminated_instances")),
            body={"instance_ids": check_ids("instance_ids", instance_ids)},
        )


def _parse_launched(data: object) -> str:
    ids = Fields(data, "InstanceLaunchResponse").texts("instance_ids")
    if len(ids) != 1 or not ids[0]:
        raise UnexpectedAnswer(f"a launch of one instance was answered with the ids {list(ids)}")
    return ids[0]


def _parse_touched(data: object, name: str) -> list[Instance]:
    return list(Fields(data, "data").many(name, Instance.parse))
