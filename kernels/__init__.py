"""Numbers only: pure, compiled functions of their arguments.

Nothing in this room reads a clock, an environment variable, a socket or a random source,
and nothing calls the mathematical library of the machine. The same input therefore gives
the same bytes on any machine, compiled or not. Imports go down to ``schemas`` only.
"""
