"""Why a worker ends itself: one number and one sentence for each reason.

A worker that is in doubt ends at once, because everything it must not lose is already in Kafka, and
everything that is not there yet will be read again by its successor.
"""

import logging
import os
import sys
from enum import IntEnum
from typing import NoReturn

log = logging.getLogger("whaleline")


class Exit(IntEnum):
    """The exit codes of a worker; 0 is a stop that was asked for, 1 a crash nobody foresaw."""

    WRITE_FAILED = 70
    STUCK = 71
    MISSING = 72
    FENCED = 73
    NO_PROGRESS = 74
    NEWER_LAYOUT = 75
    CONFIGURATION = 76
    POISON = 77
    FLOOD = 78


SENTENCES: dict[Exit, str] = {
    Exit.WRITE_FAILED: "A write that must be durable failed; a restart repeats it.",
    Exit.STUCK: "No broker answered, or taking over a partition came to a halt; look at the broker, then restart.",
    Exit.MISSING: "Something that was written is missing: a hole in the ledger, an offset outside the log "
    "or half a publication; a person must decide, because going on would lose it silently.",
    Exit.FENCED: "Another worker took this one's partition over while it was away; a restart joins again.",
    Exit.NO_PROGRESS: "The worker was alive but did nothing: its event loop, its group membership or a partition "
    "stood still, or it did not stop in time when asked to.",
    Exit.NEWER_LAYOUT: "The state was written by a newer version; start that version or a later one.",
    Exit.CONFIGURATION: "The configuration, the policy, the topics or the way to the brokers are not usable; "
    "the log says which and how.",
    Exit.POISON: "A record of the ledger or the changelog cannot be read; its partition halts until a person has "
    "looked at it.",
    Exit.FLOOD: "More of a source is refused than can be chance; mend its producer, or let a person decide to "
    "take it as dead letters (refused_percent).",
}
"""What each code means, for the log and for the operator's table."""


def stop_now(code: Exit, detail: str) -> NoReturn:
    """Write one line that says why, and end the process without any further act.

    ``detail`` says where (a topic, a partition, an offset, the class of an error) and must hold nothing of
    a customer: no id, no key, no value.
    """
    words = (code, code.name.lower().replace("_", " "), SENTENCES[code], detail)
    log.critical("exit %d (%s): %s %s", *words, extra={"exit_code": int(code)})
    for handler in (*log.handlers, *logging.getLogger().handlers):
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))
