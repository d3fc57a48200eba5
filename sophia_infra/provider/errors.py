"""What can go wrong between the engine and Lambda Cloud, beyond what the API itself answers.

    ProviderError
    ├── SettingsRefused        the run is set up in a way that could hit the wrong cloud (user)
    ├── AdoptionRefused        the instance to adopt is absent, ambiguous or of another kind (user)
    ├── NodeReplacementRefused a node's machine would be replaced under the name that its cluster keeps (user)
    ├── NothingToAdopt         only existing things may be taken over, and this one is not there (user)
    ├── DuplicateInstances     two live machines carry one launch key (ours or outside; never guessed)
    ├── UnrecordedInstance     a live machine of this resource is in no state and has another spec
    ├── JournalUnwritable      what is about to be made cannot be noted, so it is not made (user)
    ├── LaunchUncertain        no answer to a launch, and no machine with its tag was seen (network)
    ├── CapacityExhausted      no candidate has capacity and waiting is off or used up (Lambda)
    ├── Stopped                the user asked to stop during a long wait (user)
    ├── NotReady               instances did not become ready within their deadline (Lambda)
    ├── StillTerminating       a terminate was accepted but the machine is still listed (Lambda)
    ├── TerminationRefused     the machine is also kept by this very update (ours)
    ├── HeldByMachine          a filesystem or ruleset to delete is used by a machine that stays (user)
    ├── NameTaken              a key, filesystem or ruleset of that name exists and is another one (user)
    ├── ImportRefused          the kind to import owns nothing that could be (user)
    ├── CredentialsLost        the state has no whole credentials for a cluster that it knows (user)
    ├── ClusterNotReady        a cluster's API or a node did not become ready in time (Lambda)
    └── EndpointUnusable       the inference endpoint does not answer as an OpenAI-compatible server (user)

Every message is one sentence of what happened and what it costs, then one that begins with "Next:".
API errors (`lambda_cloud.errors`) pass through unchanged.
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = [
    "AdoptionRefused",
    "CapacityExhausted",
    "ClusterNotReady",
    "CredentialsLost",
    "DuplicateInstances",
    "EndpointUnusable",
    "HeldByMachine",
    "ImportRefused",
    "JournalUnwritable",
    "LaunchUncertain",
    "NameTaken",
    "NodeReplacementRefused",
    "NotReady",
    "NothingToAdopt",
    "ProviderError",
    "SettingsRefused",
    "StillTerminating",
    "Stopped",
    "TerminationRefused",
    "UnrecordedInstance",
]


class ProviderError(RoomError):
    """Base of the room."""


class SettingsRefused(ProviderError):
    """The endpoint, key or environment would let this run reach a cloud it is not meant for."""


class AdoptionRefused(ProviderError):
    """Nothing was launched: the configured instance cannot be taken into the stack."""


class NothingToAdopt(ProviderError):
    """This update only takes over what exists, and this does not. Nothing was launched or made."""


class NodeReplacementRefused(ProviderError):
    """Nothing was changed: a new machine under the node's old name would be kept out of its cluster."""


class DuplicateInstances(ProviderError):
    """Two or more live machines carry the same launch key. Nothing was launched or terminated."""

    fault = "ours"


class UnrecordedInstance(ProviderError):
    """A crashed run left a live machine of another spec. Nothing was launched; it is still billed."""

    fault = "ours"


class JournalUnwritable(ProviderError):
    """The note that a crash would need could not be written. Nothing was launched or made."""

    retry = True


class LaunchUncertain(ProviderError):
    """The launch was not answered; the next run looks for its tag before it launches."""

    fault = "network"
    retry = True


class CapacityExhausted(ProviderError):
    """Nothing was launched: no candidate (type, region) had capacity."""

    fault = "lambda"
    retry = True


class Stopped(ProviderError):
    """A long wait was ended on request. What was launched before is in the state, and billed."""

    retry = True


class NotReady(ProviderError):
    """Instances are billed but not usable yet."""

    fault = "lambda"
    retry = True


class StillTerminating(ProviderError):
    """The machine stays in the state until the list no longer shows it: it may still be billed."""

    fault = "lambda"
    retry = True


class TerminationRefused(ProviderError):
    """The machine to end is the one that this update keeps. Nothing was terminated."""

    fault = "ours"


class HeldByMachine(ProviderError):
    """A live machine was launched with it, and nothing can be detached from a machine. It was not deleted."""


class NameTaken(ProviderError):
    """A resource of that name exists with other content. It was not touched."""


class ImportRefused(ProviderError):
    """Nothing was changed: there is no live thing of this kind."""


class CredentialsLost(ProviderError):
    """Without its credentials nobody can enter a cluster; new ones would fit no machine of it."""


class ClusterNotReady(ProviderError):
    """The machines of the cluster are billed, but it cannot be used yet."""

    fault = "lambda"
    retry = True


class EndpointUnusable(ProviderError):
    """The endpoint is not reachable or does not speak the OpenAI protocol."""

    retry = True
