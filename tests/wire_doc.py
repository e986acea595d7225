"""The generated part of ``docs/wire.md``: every table that the code already knows.

``python -m tests.wire_doc`` writes it anew; ``tests/schemas/test_wire_doc.py`` asks that it is what the code says.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas import block, codec, state
from schemas.alerts import INCIDENT_KINDS, KINDS, Alert, Evidence, Gesture, Incident, Step
from schemas.codes import FIRST_PURCHASE_KIND, STATE_NAMES, Control, Driver, Kind, Machine, Moment, Reason, Stage
from schemas.events import COMMON, DAY_MS, EVERYWHERE, FIELDS, SHAPES, TS_MIN_MS, VERSION, Field, Type
from tests.oracle.hashing import of_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PLACE = Path(__file__).parents[1] / "docs" / "wire.md"
BEGIN = "<!-- generated from schemas/ by `python -m tests.wire_doc`; do not edit between these two marks -->\n"
END = "<!-- end of the generated part -->\n"

REASONS: dict[Reason, tuple[str, str]] = {
    Reason.EMPTY: ("the record has no value", "Send no tombstones to a source topic; nothing is deleted by one."),
    Reason.TOO_LARGE: (
        f"more than {codec.MAX_BYTES:,} bytes, or a map of more than {codec.MAX_FIELDS} fields",
        "Leave transcripts and attachments where they are; send ids.",
    ),
    Reason.UNDECODABLE: (
        "neither msgpack nor JSON, cut short, something behind it, or text that is not UTF-8",
        "Compare the first byte with the rule above; look for a producer that wraps values in a schema header.",
    ),
    Reason.TOO_DEEP: ("arrays or maps nested too deeply", "An event is flat: send it flat."),
    Reason.NOT_A_MAP: ("a number, a text or a list instead of a map", "Send one map for each record, no batches."),
    Reason.DUPLICATE_FIELD: ("a field stands twice in one map", "Mend the producer: which of the two was meant?"),
    Reason.VERSION: ("`version` is missing or not one that is read", "Set `version`, or upgrade whaleline first."),
    Reason.UNKNOWN_KIND: (
        "`kind` is not a kind of this version",
        "Check the spelling, or upgrade whaleline first.",
    ),
    Reason.WRONG_TOPIC: ("a purchase among support events, or the reverse", "Send it to the other source topic."),
    Reason.MISSING_FIELD: ("a field the kind needs is absent or null", "The detail names it; see the kind's row."),
    Reason.WRONG_TYPE: (
        "text for a number, a number for text, a float or a boolean for a whole number, broken text",
        "The detail names the field; see its row. A whole number must not be written as `5.0`.",
    ),
    Reason.OUT_OF_RANGE: (
        "a number, a text's length, a word or a combination that is not allowed",
        "The detail names the field and what is allowed. Seconds for milliseconds end here.",
    ),
    Reason.NOT_A_NUMBER: ("NaN or an infinity", "Leave the field out when it is not known."),
    Reason.CURRENCY: (
        "`currency` is not the deployment's",
        "Convert at the producer: one deployment, one currency.",
    ),
    Reason.FUTURE: (
        "the event lies further ahead of the ledger's clock than the policy's `[ledger] future_tolerance_minutes`",
        "Set the producer's clock, then send the event again under the same `event_id`.",
    ),
}
"""Each reason: what it means, and what to do about it."""

ALERT_FIELDS: dict[str, str] = {
    "alert_id": "128 bits in hex: blake2b of app id, customer id, kind, episode, change; a replay gives it again",
    "kind": "which machine, and whether the customer entered, escalated or was cleared",
    "customer_id": "who; also the record's key",
    "ts_ms": "when the border was crossed, ms UTC: the event's time or the tick's, never a worker's clock",
    "state_before": "the state that was left",
    "state_after": "the state that holds from now on",
    "episode": "how often this customer has entered this machine, from 1",
    "change": "number of this alert within the episode, from 1",
    "moment": "of a service failure: the wrong that was done; null for other alerts and when cleared",
    "risk_ppm": "chance of having left within 90 days, parts per million",
    "gone_ppm": "chance of having left already, parts per million",
    "p_negative_ppm": "chance that the mean period costs more than it brings, parts per million",
    "expected_year_cents": "expected net of a year, without what the company caused, cents",
    "net_year_cents": "net of the last 13 periods of 28 days, without what the company caused, cents",
    "raw_net_year_cents": "the same with every cost, the company's own doing too, cents",
    "company_share_ppm": "share of those periods' cost that the company caused, parts per million",
    "forward_year_cents": "what the year ahead brings if the customer stays, at the recent cost to serve, cents",
    "fee_cover_ppm": "share of the year's cost to serve, ours left out, that fees cover; null with no fees",
    "worth_cents": "margin still to come if the customer is alive and stays, discounted, cents",
    "at_risk_cents": "`worth_cents` times `risk_ppm`, cents",
    "savable_cents": "`worth_cents` times the part of the risk that lies ahead (risk less gone), cents",
    "stake_cents": "worth (at least 0) and what winning another customer in their place would take, cents",
    "owner": "who answers for it: whom the policy names for its kind, else the customer's floor, else the default",
    "skill": "the skill that the customer's last event with one asked for, or null",
    "driver": "what it is about: " + ", ".join(f"`{one.name.lower()}`" for one in Driver),
    "loyalty_stage": "how far loyalty has grown: " + ", ".join(f"`{one.name.lower()}`" for one in Stage),
    "evidence": "why: a list of the maps below; failures strongest first, money in a fixed order",
    "actions": "what to do, best first; empty when cleared",
    "action_cents": "what each action costs, in their order; null where it is not known, cents",
    "action_minutes": "minutes of the last 28 to 55 days that each action would have freed, in their order; "
    "null where it frees none",
    "gesture": "of a failure or a risk: the gesture of recovery that was weighed, the map below; else null",
    "clear_path": "up to four ways to clear it, smallest first: lists of the steps below, each tried",
    "clears_when": "the same ways in words; empty when cleared",
    "policy_version": "version of the policy it was judged by",
    "policy_digest": "16 hex digits of what that policy says",
    "within_budget": "false once the day's service alerts exceed what the floors can act on",
    "problem_id": "of the problem that this is one case of, 16 hex digits, as on the insights topic; or null",
    "problem": "what that problem is called: its known fault, or its sku and reason; or null",
    "initial": "true for a conclusion of an imported past: a report",
    "held": "true on `alerts-held`; false once a person has let it go",
    "incident_id": "the incident that holds or held it; null for all others",
}

INCIDENT_FIELDS: dict[str, str] = {
    "incident_id": "kind, ledger partition and a number that rises in it; also the record's key",
    "kind": "what there are too many of: entries of one machine, entries of one cause, or an imported past",
    "cause": "what the entries share, in words: a known fault, or a product and a reason (a digest if forgotten)",
    "partition": "the ledger partition that holds them",
    "since_ms": "when it tripped, ms UTC, by the breaker's time",
    "count": "alerts it has taken in so far, later changes of its customers included",
    "customers": "its first customers, at most five",
    "limit": "the setting of the policy's `[breaker]` that was exceeded",
    "allowed": "how many this partition allowed by it; 0 for an imported past",
    "released_ms": "when a person let them go, by the breaker's time; null while it is open",
    "released_by": "who",
    "released_because": "why",
}

EVIDENCE_FIELDS: dict[str, str] = {
    "name": "a kind of evidence, a moment, `silence` or another term of the risk, `margin`, `contacts`, "
    "`price_ratio`, a `cost_` column, `invested`, `awaited`, `set_aside`, `fee_cover`, `revenue`, `reach`, "
    "a plain fact; of churn risk also `baseline` (anyone's) and `rest`",
    "value": "how much was found, in `unit`",
    "unit": "`decayed count`, `log1p(weeks)`, `days`, `cents`, `contacts`, `percent`, `moment`, "
    "or what a term or a fact counts",
    "window": "over which time it was counted: a half-life, `364 d`, `n x 28 d`, `now`",
    "contribution": "what it added: to the risk's log-odds (of churn risk they add up to it), cents for value "
    "(0 where it is not counted), 1 for a moment, 0 for a plain fact",
    "event_digests": "at most three digests of the newest events behind it, newest first; of "
    "`top_product_line` and `rival` the digest (XXH64) of the name",
    "dp_ppm": "by how much the risk would be lower without it, parts per million; 0 for money and moments",
}

GESTURE_FIELDS: dict[str, str] = {
    "name": "`credit`, `replacement`, `repair` or `part`",
    "cost_cents": "what it costs, cents",
    "risk_before_ppm": "the 90-day risk now, parts per million",
    "risk_after_ppm": "the risk with one more recovery and every open case settled, parts per million",
    "chance_ppm": "the chance to save that is counted with: the fall of the risk; for a moment's own remedy "
    "at least the policy's",
    "saved_cents": "`stake_cents` times `chance_ppm`, cents",
    "net_cents": "`saved_cents` less `cost_cents`, cents",
    "break_even_ppm": "by how much the risk must fall to earn the cost, parts per million",
    "recommended": "whether it saves enough times its cost, and the customer is not held out",
    "hold_out": "whether the customer is one of those left without proactive gestures, to learn what they do",
}

STEP_FIELDS: dict[str, str] = {
    "change": "`settle_case`, `make_callback`, `end_repair`, `recovery`, `purchase`, `margin`, `name_cause`, "
    "`open_fault`, `answer_appeal`, `thank_referrer`, `referral_ask`, or `quiet`: days without anything else",
    "amount": "how much: the smallest that clears, days rounded up to whole ones, margin to hundreds of cents",
    "unit": "`case`, `callback`, `repair`, `gesture`, `purchase`, `cents`, `fault`, `appeal`, `thanks`, `message` "
    "or `days`",
    "case_digest": "XXH64 of the case's id, hex; null where no case is meant",
}

CONTROLS: dict[Control, tuple[str, str]] = {
    Control.SOURCES: (
        "`topics`: list of [name, UUID (16 bytes), partitions]; perhaps `recorded`",
        "time waits for each of them; `recorded` true: time is the sources' own, as of a simulation",
    ),
    Control.POLICY: ("`version`, `toml`", "holds from here on; ignored unless its version is newer"),
    Control.PROGRESS: (
        "`until`: list of [topic UUID (16 bytes), partition, ms UTC]",
        "all events of that source partition before that time stand earlier in this ledger partition",
    ),
    Control.RELEASE: ("`incident`, `author`, `reason`", "a person lets the alerts go that the incident held back"),
    Control.ERASE: (
        "`customer_id`, `asked_ms`, `author`, `reason`",
        "everything held about the customer is forgotten, and what was before counts no more",
    ),
    Control.RETIRE: ("`topic` (UUID, 16 bytes), `author`, `reason`", "time no longer waits for this source topic"),
}

TYPES = {
    Type.TEXT: "text",
    Type.INTEGER: "whole number",
    Type.BOOLEAN: "boolean",
    Type.RATIO: "number",
    Type.CODE: "word",
}
PYTHON_TYPES: dict[object, str] = {
    str: "text",
    str | None: "text or null",
    int: "whole number",
    int | None: "whole number or null",
    float: "number",
    bool: "boolean",
    tuple[str, ...]: "list of texts",
    tuple[Evidence, ...]: "list of maps",
    tuple[int | None, ...]: "list of whole numbers or null",
    tuple[tuple[Step, ...], ...]: "list of lists of maps",
    Gesture | None: "map or null",
    int | None: "whole number or null",
}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"


def ticked(names: Iterable[str]) -> str:
    """Names as code, or a dash for none."""
    return ", ".join(f"`{name}`" for name in names) or "–"


def unit(one: Field) -> str:
    """What a field's number counts."""
    if one.type is Type.RATIO:
        return "ratio, kept as ppm"
    if one.type is not Type.INTEGER:
        return "–"
    if one.low == TS_MIN_MS:
        return "ms since 1970, UTC"
    ending = one.name.rsplit("_", 1)[-1]
    return {"score": "points", "scale": "points"}.get(ending, ending)


def bounds(one: Field) -> str:
    """What a field allows."""
    if one.type is Type.TEXT:
        return f"{one.low} to {one.high} bytes of UTF-8, no control characters"
    if one.type is Type.BOOLEAN:
        return "true, false"
    if one.type is Type.CODE:
        assert one.codes is not None
        return (
            "a kind of the tables above" if one.codes is Kind else ticked(code.name.lower() for code in one.codes)
        )
    if one.low == TS_MIN_MS:
        return "2000-01-01 to 2100-01-01"
    days = f" ({one.high // DAY_MS} days)" if one.name.endswith("_ms") else ""
    return f"{one.low:,} to {one.high:,}{days}"


def kinds(purchases: bool) -> Iterator[str]:
    """The kinds of one source topic."""
    mine = [kind for kind in SHAPES if (kind >= FIRST_PURCHASE_KIND) is purchases and kind is not Kind.PROGRESS]
    rows = [
        (f"`{kind.name.lower()}`", int(kind), shape.doc, ticked(shape.needs), ticked(shape.may), shape.seed)
        for kind, shape in ((kind, SHAPES[kind]) for kind in (*mine, Kind.PROGRESS))
    ]
    return table(("kind", "code", "what happened", "needs", "may carry", "seed"), rows)


def fields() -> Iterator[str]:
    """Every field, in the order of the ledger's columns."""
    rows = [
        (at, f"`{one.name}`", TYPES[one.type], unit(one), bounds(one), f"`{one.dtype}`", one.doc, one.seed)
        for at, one in enumerate(FIELDS)
    ]
    return table(("column", "field", "type", "unit", "bounds", "kept as", "meaning", "seed"), rows)


def attributes(shape: type[Any], meanings: dict[str, str]) -> Iterator[str]:
    """The fields of an outbound record."""
    rows = [(f"`{one.name}`", PYTHON_TYPES[one.type], meanings[one.name]) for one in dataclasses.fields(shape)]
    return table(("field", "type", "meaning and unit"), rows)


def sizes() -> Iterator[str]:
    """Limits and sizes."""
    row = state.CUSTOMER.itemsize
    yield f"- A value on a source topic has at most {codec.MAX_BYTES:,} bytes and {codec.MAX_FIELDS} fields."
    yield f"- A block (version {block.BLOCK_VERSION}) holds 1 to {block.MAX_EVENTS:,} events of at most 255 source"
    yield f"  partitions. Ingest keeps it under {block.MAX_BLOCK_BYTES:,} bytes."
    least = len(state.pack(state.blank(), 0))
    yield f"- A customer row of layout {state.LAYOUT} has {row} bytes in memory, little-endian and without gaps;"
    yield f"  written by what differs from a blank one, a changelog value has {least} bytes and more."


def generated() -> str:
    """The whole generated part, marks included."""
    example = f"{of_event(False, b'C-17', b'e-1'):016x}"
    states = [(machine, STATE_NAMES[machine]) for machine in Machine]
    lines = [
        "## Kinds on the support topic",
        "",
        f"Every kind needs {ticked(('version', *COMMON))} too, and may carry {ticked((*EVERYWHERE, 'currency'))}.",
        "`progress` alone needs no customer and no event id; it may stand in either topic.",
        "",
        *(*kinds(False), "", "## Kinds on the purchase topic", "", *kinds(True), ""),
        *("## Fields", ""),
        f"Beside these, `version` (whole number, {VERSION}) stands in every event, and `currency` (text, the",
        "deployment's three letters) may; neither is kept in the ledger.",
        *("", *fields(), ""),
        *("## Reasons on the dead-letter topic", ""),
        *table(
            ("reason", "code", "the payload was refused because of", "what to do"),
            ((f"`{one.name.lower()}`", int(one), *REASONS[one]) for one in Reason),
        ),
        *("", "## Alerts", "", f"Kinds: {ticked(KINDS)}.", ""),
        *(f"- States of {machine.name.lower()}, in order: {ticked(names)}." for machine, names in states),
        f"- Moments: {ticked(moment.name.lower() for moment in Moment)}.",
        *("", *attributes(Alert, ALERT_FIELDS), "", "## Evidence of an alert", ""),
        *(*attributes(Evidence, EVIDENCE_FIELDS), "", "## Gesture of an alert", ""),
        *(*attributes(Gesture, GESTURE_FIELDS), "", "## Steps of a clear path", ""),
        *(*attributes(Step, STEP_FIELDS), "", "## Incidents", ""),
        *(f"Kinds: {ticked(INCIDENT_KINDS)}.", "", *attributes(Incident, INCIDENT_FIELDS), ""),
        *("## Control entries of the ledger", ""),
        *table(
            ("entry", "code", "body", "meaning"),
            ((f"`{one.name.lower()}`", int(one), *CONTROLS[one]) for one in Control),
        ),
        *("", "## Sizes", "", *sizes(), ""),
        f"The digest of support event `e-1` of customer `C-17` is `{example}`.",
    ]
    return BEGIN + "\n".join(lines) + "\n" + END


def apart(text: str) -> tuple[str, str, str]:
    """A document before, inside (marks included) and behind its generated part."""
    assert text.count(BEGIN) == text.count(END) == 1, "the marks of the generated part are not there once"
    before, rest = text.split(BEGIN)
    inside, behind = rest.split(END)
    return before, BEGIN + inside + END, behind


def main() -> None:
    """Write the generated part anew."""
    before, held, behind = apart(PLACE.read_text(encoding="utf-8"))
    PLACE.write_text(before + generated() + behind, encoding="utf-8")
    print("docs/wire.md is as it was" if held == generated() else "docs/wire.md was written anew")


if __name__ == "__main__":
    main()
