// What this page knows: the cards as the desk tells them, and the way back for what people do.

export const store = {
  me: null,
  role: localStorage.getItem("desk-role") || "",
  name: localStorage.getItem("desk-name") || "",
  cards: new Map(),
  order: [],
  beyond: {},
  counts: {},
  status: { away_since_ms: null, caught_up: false, unread: 0 },
  connected: false,
  ahead_ms: 0,
  told_ms: 0,
  done: [],
};

const listeners = new Set();

/** Be told of every change: what ("cards", "status", "me") and the change itself. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(what, change) {
  for (const one of [...listeners]) one(what, change);
}

/** The desk's time, whatever this machine's clock says. */
export const now = () => Date.now() + store.ahead_ms;

function headers(more = {}) {
  const out = { "X-Desk": "1", ...more };
  if (store.role) out["X-Desk-Role"] = store.role;
  if (store.name) out["X-Desk-Name"] = encodeURIComponent(store.name);
  return out;
}

/** Whether something can be done now. */
export const canAct = () => store.connected && store.status.caught_up && store.status.away_since_ms === null;
export const may = (verb) => Boolean(store.me?.may.includes(verb));

/** What a GET answers; throws an Error with the desk's sentence. */
export async function get(path) {
  const answer = await fetch(path, { headers: headers() });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

/** Who this is, and what they may do. */
export async function whoAmI() {
  store.me = await get("/v1/me");
  tell("me");
}

/** Take a name or a lesser role, and look anew. */
export async function become(name, role) {
  store.name = name;
  store.role = role;
  localStorage.setItem("desk-name", name);
  localStorage.setItem("desk-role", role);
  await whoAmI();
  connect();
}

let source = null;

/** Follow the desk's changes; the browser reconnects by itself and says what it saw last. */
export function connect() {
  source?.close();
  const query = store.role ? `?role=${encodeURIComponent(store.role)}` : "";
  source = new EventSource(`/v1/stream${query}`);
  source.addEventListener("whole", (event) => {
    store.cards.clear();
    take(JSON.parse(event.data), true);
  });
  source.addEventListener("change", (event) => take(JSON.parse(event.data), false));
  source.onopen = () => {
    store.connected = true;
    tell("status");
  };
  source.onerror = () => {
    store.connected = false;
    tell("status");
    // A stream that was refused is not tried again by the browser.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3_000);
  };
}

function take(change, whole) {
  store.ahead_ms = change.now_ms - Date.now();
  store.told_ms = change.now_ms;
  store.connected = true;
  for (const card of change.cards) store.cards.set(card.customer, card);
  Object.assign(store, { order: change.order || store.order, beyond: change.beyond, counts: change.counts, status: change.status });
  const kept = new Set(store.order);
  for (const customer of store.cards.keys()) {
    if (!kept.has(customer) && !change.cards.some((card) => card.customer === customer)) store.cards.delete(customer);
  }
  tell("cards", { ...change, whole });
  tell("status");
}

/** An id that no other action has. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
}

/** Do something about a card or an incident; the desk's answer, or an Error with its sentence.
 *
 * It can be taken back from the click on: the change may show here before the answer to the click does.
 */
export async function act(verb, card, fields = {}) {
  const about = card ? { customer_id: card.customer, alert_id: card.alert } : {};
  const action = { action_id: newId(), verb, ...about, ...fields };
  const told = send(action);
  const mine = { action_id: action.action_id, customer: card?.customer, told };
  if (card && !["undo", "cause"].includes(verb)) store.done.push(mine);
  try {
    return await told;
  } catch (error) {
    store.done = store.done.filter((one) => one !== mine);
    throw error;
  }
}

/** An answer that was lost is asked for again under the same id: it is the same action. */
async function send(action) {
  const body = JSON.stringify(action);
  for (let tries = 0; ; tries += 1) {
    let answer;
    try {
      answer = await fetch("/v1/actions", {
        method: "POST", body, headers: headers({ "Content-Type": "application/json" }),
      });
    } catch {
      if (tries >= 3) throw new Error("The desk does not answer. Nothing is known to be done; try again.");
      await new Promise((after) => setTimeout(after, 500 * 2 ** tries));
      continue;
    }
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error || told.refused);
    // The stream may have told of something newer while this answer was on its way.
    if (told.card && told.now_ms >= store.told_ms) {
      store.cards.set(told.card.customer, told.card);
      tell("cards", { cards: [told.card], touched: [told.card.customer], pages: [], mine: true });
    }
    return told;
  }
}
