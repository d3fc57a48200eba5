"""Files that a node has beside those of k3s: units, kernel settings, firewall, and the script's own facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Literal

__all__ = [
    "ADDRESS_SERVICES",
    "JOIN_UNIT",
    "KERNEL_SETTINGS",
    "RELEASES",
    "firewall_rules",
    "join_environment",
    "join_script",
    "k3s_unit",
]

RELEASES = "https://github.com/k3s-io/k3s/releases"
"""Who serves the k3s binary and the list of its checksums, which proves a whole download, not its maker."""

ADDRESS_SERVICES = ("https://checkip.amazonaws.com", "https://ipv4.icanhazip.com")
"""Who tells a machine its public IPv4 address, as plain text: Lambda has no metadata service. A wrong
answer costs reachability and nothing else: it becomes a name in a certificate and the external IP."""

KERNEL_SETTINGS = """\
# What the kubelet wants (protect-kernel-defaults: it refuses to start otherwise).
vm.overcommit_memory = 1
vm.panic_on_oom = 0
kernel.panic = 10
kernel.panic_on_oops = 1
kernel.keys.root_maxkeys = 1000000
kernel.keys.root_maxbytes = 25000000
# Model servers watch many files; the default of 128 is used up by a dozen pods.
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 1048576
"""

JOIN_UNIT = """\
[Unit]
Description=Join this machine to its Kubernetes cluster
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/sophia-join
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"""

_PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def join_script() -> str:
    """The text of /usr/local/sbin/sophia-join: the same for every node."""
    return files("sophia_infra.joining").joinpath("sophia-join.sh").read_text(encoding="ascii")


def k3s_unit(role: Literal["server", "agent"]) -> str:
    """The systemd unit of k3s. Pods outlive a restart of it (KillMode), and it may manage their cgroups."""
    return f"""\
[Unit]
Description=Kubernetes {role} (k3s)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart=/usr/local/bin/k3s {role}
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def join_environment(values: Iterable[tuple[str, str]]) -> str:
    """Shell assignments for the script. Values come from checked names and are quoted all the same."""
    return "".join(f"{name}='{_single_quoted(value)}'\n" for name, value in values)


def firewall_rules(api_sources: Sequence[str], *, overlay: bool) -> str:
    """Rules for a region where Lambda applies none: text for `nft --file`, to be loaded any number of times.

    Closed from outside: the kubelet, etcd, and the pods' network. 6443 is open to private networks and
    `api_sources`; with `overlay` to everybody, because nodes of other regions come from addresses that
    nobody knows beforehand (certificates and tokens guard it). All else stays as it is, SSH included.
    """
    private = ", ".join(_PRIVATE_NETWORKS)
    api = ", ".join(dict.fromkeys((*_PRIVATE_NETWORKS, *api_sources)))
    rules = [
        'iifname "lo" accept',
        "ct state established,related accept",
        *([] if overlay else [f"tcp dport 6443 ip saddr {{ {api} }} accept", "tcp dport 6443 drop"]),
        f"tcp dport {{ 2379, 2380, 5001, 10250 }} ip saddr != {{ {private} }} drop",
        f"udp dport 8472 ip saddr != {{ {private} }} drop",
        "meta nfproto ipv6 tcp dport { 2379, 2380, 5001, 6443, 10250 } drop",
        "meta nfproto ipv6 udp dport 8472 drop",
    ]
    body = "\n".join(f"    {rule}" for rule in rules)
    return f"""\
table inet sophia
delete table inet sophia
table inet sophia {{
  chain input {{
    type filter hook input priority -10; policy accept;
{body}
  }}
}}
"""


def _single_quoted(text: str) -> str:
    return text.replace("'", "'\\''")
