"""The migration's phases as steps: the commands a person would type, their gates, and a journal of them.

The runner starts each command as a process of its own and judges it by its exit code, so no room above or
beside this one is imported for it: whoever wants to know what a phase does can type the same lines.
"""
