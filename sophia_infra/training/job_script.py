"""The shell texts that start, look at and end the job on a machine. Pure; sent on stdin, never in argv.

The job is started apart from the connection, so that a starter that dies takes nothing with it, and leaves
its process id and its exit code as files. `started` is made by `mkdir`, which succeeds once: whoever starts
the same incarnation again finds it begun.
"""

from __future__ import annotations

import re
import shlex

from sophia_infra.training.access import JobLook, JobStart, Node

__all__ = ["MASTER_PORT", "RUNS_FOLDER", "cancel_script", "look_script", "read_look", "start_script"]

MASTER_PORT = 29500
"""torchrun's own default."""
RUNS_FOLDER = "sophia-training"
"""Below the user's home on the machine."""

_LOOK = re.compile(r"^sophia-job (absent|running|lost|ended ([0-9]{1,3}))$", re.MULTILINE)
_LOST = 255


def start_script(job: JobStart, node: Node) -> str:
    """Make the run's folder, write the command there and start it; nothing when it was started already."""
    variables = {
        **job.variables,
        "SOPHIA_RUN": job.run_id,
        "SOPHIA_INCARNATION": str(job.incarnation),
        "SOPHIA_NODES": str(len(job.nodes)),
        **({"SOPHIA_CHECKPOINTS": job.checkpoints} if job.checkpoints else {}),
    }
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    command = " ".join(_torchrun(job, node))
    return f"""set -eu
umask 077
{_enter(job, make=True)}
if [ ! -f "$here/pid" ]; then
cat > "$here/job.part" <<'SOPHIA_END_OF_JOB'
{exports}
cd "$HOME/{_folder(job)}"
{command} {job.command}
SOPHIA_END_OF_JOB
cat > "$here/run.part" <<'SOPHIA_END_OF_RUN'
set -C
echo $$ > "$1/pid" || exit 0
set +C
bash "$1/job.sh" > "$1/log" 2>&1
code=$?
echo "$code" > "$1/code.part"
mv "$1/code.part" "$1/code"
SOPHIA_END_OF_RUN
mv "$here/job.part" "$here/job.sh"
mv "$here/run.part" "$here/run.sh"
setsid nohup bash "$here/run.sh" "$here" < /dev/null > /dev/null 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -f "$here/pid" ] && break; sleep 0.2; done
fi
[ -f "$here/pid" ] && echo sophia-job begun
"""


def look_script(job: JobStart) -> str:
    """Print one line that `read_look` understands."""
    return f"""{_enter(job)}
if [ ! -f "$here/pid" ]; then echo sophia-job absent
elif [ -f "$here/code" ]; then echo "sophia-job ended $(cat "$here/code")"
elif [ ! -s "$here/pid" ]; then echo sophia-job running
elif kill -0 "$(cat "$here/pid")" 2>/dev/null; then echo sophia-job running
elif [ -f "$here/code" ]; then echo "sophia-job ended $(cat "$here/code")"
else echo sophia-job lost
fi
"""


def read_look(text: str) -> JobLook:
    """What `look_script` printed; a job whose process vanished without a code has ended with code 255."""
    found = _LOOK.search(text)
    if found is None:
        return JobLook("silent", words="the machine answered something else")
    if found[2] is not None:
        return JobLook("ended", int(found[2]))
    if found[1] == "lost":
        return JobLook("ended", _LOST, "its process vanished, as by a restart of the machine")
    return JobLook("absent" if found[1] == "absent" else "running")


def cancel_script(job: JobStart) -> str:
    """End the job's whole process group: asked first, forced after ten seconds."""
    return f"""{_enter(job)}
[ -f "$here/pid" ] || exit 0
pid=$(cat "$here/pid")
kill -TERM -- "-$pid" 2>/dev/null || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 -- "-$pid" 2>/dev/null || exit 0; sleep 1; done
kill -KILL -- "-$pid" 2>/dev/null || true
"""


def _torchrun(job: JobStart, node: Node) -> list[str]:
    return [
        "torchrun",
        f"--nnodes={len(job.nodes)}",
        f"--nproc-per-node={job.gpus}",
        f"--node-rank={job.rank_of(node)}",
        f"--master-addr={shlex.quote(job.master_address)}",
        f"--master-port={MASTER_PORT}",
    ]


def _folder(job: JobStart) -> str:
    return f"{RUNS_FOLDER}/{job.run_id}"


def _enter(job: JobStart, *, make: bool = False) -> str:
    made = '\nmkdir -p "$here"' if make else ""
    return f'here="$HOME/{_folder(job)}/start-{job.incarnation}"{made}'
