"""Other engines beside whaleline: the same customers, times and amounts, in one run on one machine."""
