"""A stand-in for the Pulumi Kubernetes plugin, for machines that cannot get the official one.

A provider process in Python on `pulumi.provider.experimental`, with the official plugin's resource types,
ids, annotations, provider arguments and state, for the part that this project needs. Where both work, use
the official one; `engine.kubernetes_plugin` does.

Layers, each importing those below it:

    servicer                                                the engine's protocol
    objects, patches, rendered, releases                    the verbs
    checking, comparing, outputs, session, settings, charts
    waiting, explain, readiness, immutable, names
    cluster, discovery, connection, transport, kubeconfig, credentials, helm
    requests, changes, tokens, errors

Stands on `plugin_protocol`, and on nothing else of this project.

What it does otherwise than the official plugin, or not at all:

- Server-side apply only; `enableServerSideApply: false` is refused. Objects need a name: no `generateName`.
- `create` looks for the object, then applies: an object that somebody makes between the two is taken over.
- An object of an interrupted run is known by its field manager, which is made from the resource's URN: two
  states of one project and stack name before one cluster would take each other's objects.
- A patch keeps annotations that begin with `pulumi.com/` to itself.
- Kinds are awaited by the rules in `readiness`; Service, Ingress and custom resources count as ready at once.
  The annotation `pulumi.com/waitFor` is not read.
- `helm.v3.Release` runs the helm binary; it cannot be rendered to a directory. No `helm.v4.Chart`, `yaml.v2`,
  `kustomize`, no functions (`yaml.decode`, `helm.template`), no List kinds, no schema.
- Kubeconfigs: one file, no credential plugins, TLS always verified.
- The state has the official plugin's form as far as its source told; that it can take a stack over is not
  proved.
"""

from __future__ import annotations

from typing import Final

PLUGIN_VERSION: Final = "4.33.0"
"""Version of the official plugin whose place this one takes; the engine looks plugins up by it."""
