"""New versions and new places, step by step: canary, cutover from Swarm, rollback, promotion between stacks.

shifting    when the traffic goes on to the next step, and when it goes back: pure
gates       what says whether the new side is healthy: pods, burn rate, an HTTP answer
route       weights and state of one shift, in one object of the cluster
running     looks, decides and writes until a shift has ended
canary      a candidate image beside the stable one
cutover     service by service from the Swarm stack, and back
versions    the stack file of every update; `rollback` brings one back
promotion   digests from one stack's file to the next one's
"""
