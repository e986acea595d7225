"""The protocol of exactly once and the real judgement, in schedules drawn from a seed."""
