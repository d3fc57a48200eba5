"""The engine's protocol for a provider process, as plain Python: what both of our providers stand on.

    serving         the process: a port on stdout, signals
    servicer        calls in, answers and errors out; verbs run in threads
    answers         differences and failures as messages
    reporting       lines for the user through the engine
    values          property values with unknowns and secrets kept
    changes         what differs between two values, by path
    unknown         the value that is not known yet

Knows nothing of this project, and nothing of any cloud.
"""
