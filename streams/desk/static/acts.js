// What can be done about a card: one list for buttons, keys and words.

import { ask, TIMES, until } from "./ask.js";
import { $, spaced } from "./dom.js";
import { act, canAct, get, may, store } from "./store.js";

const LIVE = ["open", "acknowledged", "assigned"];
const isLive = (card) => LIVE.includes(card.state);
const reason = (label, required = true, hint = "") => ({ name: "reason", label, type: "reason", required, hint });

/** Every action: its key, its words, whether it fits a card now, and what it asks for. */
export const ACTS = [
  {
    verb: "acknowledge", key: "a", words: "Acknowledge", done: "Acknowledged", main: true,
    fits: (card) => card.state === "open",
    fields: async () => ({}),
  },
  {
    verb: "assign", id: "take", key: "t", words: "Take it", done: "It is yours", main: true,
    fits: (card) => isLive(card) && card.owner !== store.me?.name,
    fields: async (card) => ({ owner: store.me.name, ...seen(card) }),
  },
  {
    verb: "assign", id: "give", key: "g", words: "Give to…", done: "Given",
    fits: isLive,
    fields: async (card) => {
      const asked = await ask({
        title: `Who takes ${card.customer}?`, yes: "Give",
        fields: [{ name: "owner", label: "Name", required: false, value: "", list: names(), hint: "Leave it empty to give it back to everyone." }],
      });
      return asked && { ...(asked.owner ? { owner: asked.owner } : {}), ...seen(card) };
    },
  },
  {
    verb: "snooze", key: "s", words: "Put off…", done: "Put off",
    fits: isLive,
    fields: async () => {
      const asked = await ask({
        title: "Put it off", words: "It comes back by itself, and at once if something new happens.", yes: "Put off",
        fields: [reason("Why?"), { name: "until", label: "How long?", type: "select", options: TIMES, value: "tomorrow" }],
      });
      return asked && { reason: asked.reason, until_ms: until(asked.until) };
    },
  },
  {
    verb: "resolve", key: "r", words: "Settled…", done: "Settled",
    fits: isLive,
    fields: async () => {
      const asked = await ask({
        title: "Settled", words: "The card leaves the queue; the alert counts as right.", yes: "Settled",
        fields: [reason("What was done? (you may leave it empty)", false)],
      });
      return asked && (asked.reason ? { reason: asked.reason } : {});
    },
  },
  {
    verb: "disagree", key: "n", words: "Not right…", done: "Noted as not right",
    fits: isLive,
    fields: async () => {
      const asked = await ask({
        title: "This alert is not right", words: "It leaves the queue, and your word is kept as a label.", yes: "Not right",
        fields: [reason("What is not right?")],
      });
      return asked && { reason: asked.reason };
    },
  },
  {
    verb: "override", key: "o", words: "Override…", done: "Overridden",
    fits: (card) => isLive(card) && Boolean(card.money),
    fields: async (card) => {
      const machines = [...new Set(card.money.kinds.map((kind) => kind.replace(/_[a-z]+$/, "")))];
      const asked = await ask({
        title: "Decide otherwise", yes: "Override",
        words: "Alerts of this kind stay out of the queue until the time is over; the judgement itself goes on.",
        fields: [
          { name: "machine", label: "Which kind?", type: "select", options: machines.map((one) => [one, spaced(one)]), value: machines[0] },
          reason("Why?"),
          { name: "until", label: "How long?", type: "select", options: TIMES, value: "168" },
        ],
      });
      return asked && { machine: asked.machine, reason: asked.reason, until_ms: until(asked.until) };
    },
  },
  {
    verb: "cause", key: "c", words: "Name the cause…", done: "The cause is on its way to the judge",
    fits: (card) => Boolean(card.money),
    fields: async () => {
      const asked = await ask({
        title: "Who caused it?", yes: "Name the cause",
        words: "Cost of the case is booked anew. This cannot be taken back; name another cause instead.",
        fields: [
          { name: "case_id", label: "Case, as your ticket system calls it", required: true },
          { name: "cause", label: "Caused by", type: "select", value: "company",
            options: [["company", "us"], ["customer", "the customer"], ["neutral", "nobody, or both"]] },
          reason("Why? (you may leave it empty)", false),
        ],
      });
      return asked && { case_id: asked.case_id, cause: asked.cause, ...(asked.reason ? { reason: asked.reason } : {}) };
    },
  },
];

const seen = (card) => (card.owner ? { expects: card.owner } : {});

function names() {
  return [...new Set([store.me?.name, ...[...store.cards.values()].map((card) => card.owner)])].filter(Boolean);
}

/** Those that fit a card and that this person may do. */
export const fitting = (card) => ACTS.filter((one) => may(one.verb) && one.fits(card));

/** Do one; says what came of it. */
export async function perform(one, card) {
  if (!canAct()) return say("Nothing can be done while the desk has no Kafka.");
  const fields = await one.fields(card);
  if (!fields) return null;
  return attempt(`${one.done}: ${card.customer}`, () => act(one.verb, card, fields), one.verb !== "cause");
}

/** Take back the newest thing that this page did. */
export async function undo() {
  const last = store.done.pop();
  if (!last) return say("There is nothing to take back.");
  try {
    await last.told;
  } catch {
    return null; // What was refused has said so itself.
  }
  let card = store.cards.get(last.customer);
  card = card || (await get(`/v1/card?customer=${encodeURIComponent(last.customer)}`)).card;
  return attempt(`Taken back: ${last.customer}`, () => act("undo", card, { undoes: last.action_id }), false);
}

/** Let the alerts of an incident go. */
export async function release(incident) {
  const asked = await ask({
    title: `Let ${incident.count.toLocaleString("en")} alerts go`, yes: "Release", danger: true,
    words: "They go out in their order, under their own ids. This cannot be taken back.",
    fields: [reason("Why? Whoever reads the ledger later will want to know.")],
  });
  if (!asked) return null;
  return attempt("Released", () => act("release", null, { incident_id: incident.incident_id, reason: asked.reason }), false);
}

async function attempt(words, doing, undoable) {
  try {
    const told = await doing();
    toast(words, undoable);
    return told;
  } catch (error) {
    toast(error.message, false, true);
    return null;
  }
}

let hide = 0;

function toast(words, undoable, bad = false) {
  $("toast-words").textContent = words;
  $("toast-undo").hidden = !undoable;
  $("toast").classList.toggle("bad", bad);
  $("toast").hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => { $("toast").hidden = true; }, bad ? 12_000 : 10_000);
  say(words);
}

/** Tell it to whoever cannot see it. */
export function say(words) {
  $("say").textContent = words;
}
