"""An alert as other systems take it: a body for each form, and the signature of those who check one.

Signed as Standard Webhooks: ``webhook-signature: v1,`` + base64 of HMAC-SHA256 over ``id.timestamp.body``. The
id is the alert's, so that whoever keeps ids takes each alert once; the timestamp tells old ones.
"""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

from schemas.alerts import Alert
from streams.floorwords import for_floor
from streams.notify.targets import Target, signing_key
from streams.words import in_words

TOLERANCE_S = 300
"""A receiver should refuse a message whose timestamp is further away than this."""


def body_of(alert: Alert, target: Target, currency: str) -> bytes:
    """The body for a target; the same alert gives the same bytes."""
    made = {"webhook": _webhook, "slack": _slack, "pagerduty": _pagerduty, "zendesk": _zendesk, "crm": _crm}
    body = made[target.form](alert, target, currency)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(alert_id: str, body: bytes, target: Target, now_s: int) -> dict[str, str]:
    """What goes before a body: ids, a signature where there is a key, and the authorization."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "whaleline",
        "Idempotency-Key": alert_id,
        "webhook-id": alert_id,
        "webhook-timestamp": str(now_s),
    }
    if target.secret and target.form != "pagerduty":
        headers["webhook-signature"] = signature(alert_id, now_s, body, target.secret)
    if target.authorization:
        headers["Authorization"] = target.authorization
    return headers


def signature(message_id: str, at_s: int, body: bytes, secret: str) -> str:
    """The signature of a message."""
    signed = b".".join((message_id.encode(), str(at_s).encode(), body))
    return "v1," + base64.b64encode(hmac.new(signing_key(secret), signed, sha256).digest()).decode()


def verified(headers: dict[str, str], body: bytes, secret: str, now_s: int) -> bool:
    """Whether a message is ours, whole and fresh: what a receiver does, here as an example and for tests."""
    at = headers.get("webhook-timestamp", "")
    if not at.isdecimal() or abs(now_s - int(at)) > TOLERANCE_S:
        return False
    wanted = signature(headers.get("webhook-id", ""), int(at), body, secret)
    return hmac.compare_digest(wanted, headers.get("webhook-signature", ""))


def _lines(alert: Alert, target: Target, currency: str) -> tuple[str, list[str], list[str]]:
    """Title, what happened, what to do: in a manager's words where the target may see money."""
    words = in_words(alert, currency) if target.money else for_floor(alert)
    title = words.title if target.money else f"{alert.customer_id}: {words.title}"
    return title, [*words.happened, *words.clears], list(words.do)


def _webhook(alert: Alert, target: Target, currency: str) -> dict[str, Any]:
    title, happened, do = _lines(alert, target, currency)
    told: dict[str, Any] = {
        "alert_id": alert.alert_id,
        "customer_id": alert.customer_id,
        "ts_ms": alert.ts_ms,
        "title": title,
        "happened": happened,
        "do": do,
        "owner": alert.owner,
        "skill": alert.skill,
        "over": alert.kind.endswith("_cleared"),
    }
    return {**told, "alert": alert.as_map()} if target.money else told


def _slack(alert: Alert, target: Target, currency: str) -> dict[str, Any]:
    title, happened, do = _lines(alert, target, currency)
    text = [f"*{_mrkdwn(title)}*", *map(_mrkdwn, happened), *(f"• {_mrkdwn(line)}" for line in do)]
    return {
        "text": _mrkdwn(title),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(text)[:2_900]}}],
    }


def _mrkdwn(text: str) -> str:
    """Text that Slack takes for nothing else: no link, no mention, no markup."""
    for mark, word in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, word)
    return "".join(f"\u200b{one}" if one in "*_~`" else one for one in text)


def _pagerduty(alert: Alert, target: Target, currency: str) -> dict[str, Any]:
    title, happened, do = _lines(alert, target, currency)
    machine, change = alert.kind.rsplit("_", 1)
    event: dict[str, Any] = {
        "routing_key": target.secret,
        "dedup_key": sha256(f"{alert.customer_id}/{machine}/{alert.episode}".encode()).hexdigest()[:32],
        "event_action": "resolve" if change == "cleared" else "trigger",
    }
    if change != "cleared":
        event["payload"] = {
            "summary": title[:1_024],
            "source": "whaleline",
            "severity": "error" if change == "escalated" else "warning",
            "custom_details": {"happened": happened, "do": do, "owner": alert.owner},
        }
    return event


def _zendesk(alert: Alert, target: Target, currency: str) -> dict[str, Any]:
    title, happened, do = _lines(alert, target, currency)
    text = "\n".join([title, "", *happened, "", *(f"- {line}" for line in do)])
    return {
        "ticket": {
            "subject": title[:150],
            "comment": {"body": text, "public": False},
            "external_id": alert.alert_id,
            "tags": ["whaleline"],
        }
    }


def _crm(alert: Alert, target: Target, currency: str) -> dict[str, Any]:
    """Properties of a contact, as CRMs that upsert by an id of ours take them."""
    title, _, do = _lines(alert, target, currency)
    return {
        "idProperty": "customer_id",
        "id": alert.customer_id,
        "properties": {
            "whaleline_state": "settled"
            if alert.kind.endswith("_cleared")
            else title.removeprefix(f"{alert.customer_id}: "),
            "whaleline_do": do[0] if do else "",
            "whaleline_since_ms": alert.ts_ms,
            "whaleline_alert_id": alert.alert_id,
        },
    }
