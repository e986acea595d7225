"""The incidents of a deployment, for a person: which there are, and the word that lets one's alerts go."""

import asyncio
from typing import Any

import msgpack

from schemas.alerts import Incident
from schemas.block import release_entry
from streams.config import Config
from streams.reading import latest
from streams.retire import write
from streams.topics import TopicError


def read(config: Config, **client: Any) -> list[Incident]:
    """The last word on every incident, oldest first. Raises ``TopicError`` with one sentence."""
    told = latest(config.broker, config.topics.incidents, **client)
    found = [Incident.of(msgpack.unpackb(value)) for value in told.values() if value]
    return sorted(found, key=lambda one: (one.since_ms, one.incident_id))


def release(config: Config, incident_id: str, author: str, reason: str, **client: Any) -> Incident:
    """Write a person's word into the ledger partition of the incident; return the incident as it stood.

    Raises ``TopicError`` with one sentence for an incident that is not there or was released, and for a broker
    that does not take it.
    """
    for given, option in ((author, "--author"), (reason, "--reason")):
        if not given.strip():
            raise TopicError(f"{option} is empty: whoever reads the ledger later will want to know")
    found = next((one for one in read(config, **client) if one.incident_id == incident_id), None)
    if found is None:
        raise TopicError(f"there is no incident {incident_id}: `whaleline incidents list` shows those there are")
    if found.released_ms is not None:
        raise TopicError(f"incident {incident_id} was released by {found.released_by} already")
    asyncio.run(write(config, release_entry(incident_id, author, reason), [found.partition]))
    return found
