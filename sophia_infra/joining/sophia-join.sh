#!/usr/bin/env bash
# Makes this machine a node of its cluster. Runs at every boot and may run again at any time.
# What it needs to know stands in /etc/sophia/join.env, which holds no secret.
set -euo pipefail
umask 077

# The one thing in front of every path: empty on a machine, a folder where it is tried out.
ROOT=${SOPHIA_JOIN_ROOT:-}
# shellcheck source=/dev/null
. "$ROOT/etc/sophia/join.env"

K3S=$ROOT/usr/local/bin/k3s
SETTINGS=$ROOT/etc/rancher/k3s
AGENT=$ROOT/var/lib/rancher/k3s/agent
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

say() { printf 'sophia-join: %s\n' "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }

# retry TIMES SECONDS WHAT COMMAND...: until it succeeds.
retry() {
  local times=$1 pause_s=$2 what=$3 try
  shift 3
  for ((try = 1; try <= times; try++)); do
    if "$@"; then return 0; fi
    if ((try % 12 == 1)); then say "waiting for $what ($try of $times)"; fi
    sleep "$pause_s"
  done
  fail "$what did not come in $times tries"
}

fetch() {
  curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --tlsv1.2 \
    --connect-timeout 15 --max-time 600 --output "$2" "$1"
}

set_up_host() {
  sysctl --quiet --load="$ROOT/etc/sysctl.d/90-sophia-kubelet.conf"
  local module
  for module in br_netfilter overlay; do modprobe "$module" || say "no kernel module $module"; done
  if [[ -f $ROOT/etc/sophia/firewall.nft ]]; then
    nft --file "$ROOT/etc/sophia/firewall.nft" || fail "the firewall rules could not be set"
    say "firewall rules set"
  fi
}

# k3s looks for the NVIDIA runtime once, when it starts: it has to be there before.
set_up_gpu() {
  ((GPU_COUNT > 0)) || return 0
  if ! command -v nvidia-container-runtime >/dev/null; then
    say "installing the NVIDIA container toolkit"
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get --quiet=2 update &&
      apt-get --quiet=2 --option DPkg::Lock::Timeout=600 --yes install nvidia-container-toolkit; }; then
      say "no NVIDIA container toolkit; the GPU Operator has to bring it"
      return 0
    fi
  fi
  say "NVIDIA container runtime found"
}

is_public() {
  [[ $1 =~ ^[1-9][0-9]{0,2}(\.[0-9]{1,3}){3}$ ]] &&
    [[ ! $1 =~ ^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.) ]]
}

# Lambda has no metadata service: ask the route first, then whoever sees us from outside.
public_address() {
  local address url
  address=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p') || address=
  if is_public "$address"; then printf '%s' "$address"; return 0; fi
  for url in $ADDRESS_SERVICES; do
    fetch "$url" "$WORK/address" 2>/dev/null || continue
    address=$(tr -cd '0-9.' <"$WORK/address" | head -c 15)
    if is_public "$address"; then printf '%s' "$address"; return 0; fi
  done
  return 1
}

# Prints "changed" when k3s has to start anew with another address.
write_address() {
  local file=$SETTINGS/config.yaml.d/50-address.yaml address
  if ! address=$(public_address); then
    [[ $TOPOLOGY == overlay && ! -f $file ]] && fail "this machine cannot find its public address"
    return 0
  fi
  mkdir -p "$SETTINGS/config.yaml.d"
  {
    if [[ $ROLE == server ]]; then printf 'tls-san+: ["%s"]\n' "$address"; fi
    # On a server of one region it would also become the address that pods reach the API at.
    if [[ $ROLE == agent || $TOPOLOGY == overlay ]]; then printf 'node-external-ip: "%s"\n' "$address"; fi
  } >"$WORK/address.yaml"
  cmp --silent "$WORK/address.yaml" "$file" && return 0
  mv "$WORK/address.yaml" "$file"
  printf changed
}

install_k3s() {
  local architecture suffix expected actual
  case $(uname -m) in
    x86_64) architecture=amd64 suffix= ;;
    aarch64) architecture=arm64 suffix=-arm64 ;;
    *) fail "k3s has no binary for $(uname -m)" ;;
  esac
  if [[ -x $K3S && $("$K3S" --version 2>/dev/null) == "k3s version $INSTALL_K3S_VERSION "* ]]; then
    say "k3s $INSTALL_K3S_VERSION is installed"
    return 0
  fi
  local from=$RELEASES/download/${INSTALL_K3S_VERSION/+/%2B}
  retry 20 15 "the list of checksums" fetch "$from/sha256sum-$architecture.txt" "$WORK/sums"
  expected=$(awk -v name="k3s$suffix" '$2 == name { print $1; exit }' "$WORK/sums")
  [[ $expected =~ ^[0-9a-f]{64}$ ]] || fail "the release lists no checksum for k3s$suffix"
  retry 20 15 "k3s $INSTALL_K3S_VERSION for $architecture" fetch "$from/k3s$suffix" "$WORK/k3s"
  actual=$(sha256sum "$WORK/k3s" | cut -d ' ' -f 1)
  [[ $actual == "$expected" ]] || fail "the checksum of k3s$suffix is wrong; it was not installed"
  mkdir -p "$ROOT/usr/local/bin"
  chmod 755 "$WORK/k3s"
  # Beside it first: a running binary cannot be written over, but its name can move.
  mv "$WORK/k3s" "$K3S.new"
  mv "$K3S.new" "$K3S"
  [[ -e $ROOT/usr/local/bin/kubectl ]] || ln -s k3s "$ROOT/usr/local/bin/kubectl"
  say "k3s $INSTALL_K3S_VERSION for $architecture installed"
}

# The server is who we think only if it shows the authority whose digest we were given.
server_is_ours() {
  curl --insecure --silent --fail --connect-timeout 5 --max-time 10 --output "$WORK/cacerts" \
    "$SERVER_URL/cacerts" || return 1
  local seen
  seen=$(sha256sum "$WORK/cacerts" | cut -d ' ' -f 1)
  [[ $seen == "$CA_SHA256" ]] || { say "the server at $SERVER_URL shows another authority"; return 1; }
}

agent_joined() {
  "$K3S" kubectl --kubeconfig "$AGENT/kubelet.kubeconfig" get node "$NODE_NAME" >/dev/null 2>&1
}

server_ready() {
  "$K3S" kubectl --kubeconfig "$SETTINGS/k3s.yaml" get --raw /readyz >/dev/null 2>&1
}

# From now on the kubelet's certificate speaks for this node (k3s pull request 6663). The digest stays, so
# that the server is still checked; the words after it open nothing.
drop_token() {
  printf 'K10%s::joined.0000000000000000' "$CA_SHA256" >"$WORK/token"
  mv "$WORK/token" "$SETTINGS/join-token"
  say "join token removed"
}

main() {
  say "$ROLE $NODE_NAME"
  set_up_host
  set_up_gpu
  local changed unit=k3s
  changed=$(write_address)
  install_k3s
  if [[ $ROLE == agent ]]; then
    unit=k3s-agent
    retry 240 5 "the server at $SERVER_URL" server_is_ours
  else
    chmod 700 "$ROOT/var/lib/rancher/k3s/server"
  fi
  systemctl daemon-reload
  systemctl enable --quiet "$unit"
  # Not waited for: k3s says that it is up only once it has joined, and until then nothing would be said here.
  if [[ $changed ]]; then systemctl restart --no-block "$unit"; else systemctl start --no-block "$unit"; fi
  if [[ $ROLE == agent ]]; then
    retry 120 5 "this node in the cluster" agent_joined
    drop_token
  else
    retry 120 5 "the API server" server_ready
  fi
  say "joined"
}

main
