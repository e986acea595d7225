"""The shell of whaleline: everything that reads a clock, a socket or the environment."""
