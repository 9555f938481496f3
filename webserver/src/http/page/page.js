// Reads the live API every two seconds and shows it. Everything from outside goes through textContent.
"use strict";

const REFRESH_MS = 2000;
const DEADLINE_MS = 5000;
const PAGE_SIZE = 500;

const TONES = {
  live: "good", replicated: "good",
  suspect: "fair", degraded: "fair", unchecked: "fair",
  dead: "bad", lost: "bad", unreachable: "bad", unavailable: "bad",
};

function element(id) {
  return document.getElementById(id);
}

function cell(value, className) {
  const td = document.createElement("td");
  td.textContent = value ?? "";
  if (className) td.className = className;
  return td;
}

function state(value) {
  return cell(value, TONES[value]);
}

function number(value) {
  return cell(value, "number");
}

// Replaces the rows of a table; one row of words when there are none.
function show(id, rows, whenEmpty) {
  const body = element(id);
  const columns = body.parentElement.tHead.rows[0].cells.length;
  const lines = rows.map((cells) => {
    const tr = document.createElement("tr");
    tr.append(...cells);
    return tr;
  });
  if (lines.length === 0) {
    const td = cell(whenEmpty, "note");
    td.colSpan = columns;
    const tr = document.createElement("tr");
    tr.append(td);
    lines.push(tr);
  }
  body.replaceChildren(...lines);
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = Number(count);
  if (!Number.isFinite(value)) return "";
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function age(sinceMs) {
  const seconds = Math.max(0, Math.round((Date.now() - sinceMs) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

async function read(path) {
  const reply = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) });
  const body = await reply.json();
  if (!reply.ok) throw new Error(body?.error?.message ?? `${path}: HTTP ${reply.status}`);
  return body;
}

function showTrackers({ trackers }) {
  show("trackers", trackers.map((tracker) => [
    cell(tracker.address), state(tracker.state), cell(age(tracker.since_ms)), cell(tracker.reason),
  ]), "none");
  return trackers.some((tracker) => tracker.state === "live");
}

function showPeers({ peers, in_safe_mode: inSafeMode, next_page_token: next }) {
  const listed = peers.filter((peer) => !(peer.visitor && peer.state === "lost"));
  const isOut = (peer) => peer.state === "live" && peer.reach === "unreachable";
  show("peers", listed.map((peer) => [
    cell(peer.id), cell(peer.address), cell(peer.zone), state(isOut(peer) ? peer.reach : peer.state),
    number(bytes(peer.free)), number(bytes(peer.capacity)),
  ]), "No peer has joined yet.");
  const notes = [];
  if (inSafeMode) notes.push("The tracker has restarted and is waiting for peers to report: replicas may be missing here.");
  for (const { id, unreachable } of listed.filter(isOut).slice(0, 5)) {
    notes.push(`Other peers cannot reach ${id}: ${unreachable.addr}: ${unreachable.error}.`);
  }
  if (next) notes.push(`Only the first ${peers.length} peers are shown.`);
  element("peers-note").textContent = notes.join(" ");
}

function showNames({ names, next_page_token: next }) {
  show("names", names.map((name) => [
    cell(name.name), number(name.revision), number(bytes(name.length)), state(name.state),
    number(`${name.fewest} of ${name.target}`),
  ]), "Nothing has been published yet.");
  element("names-note").textContent = next ? `Only the first ${names.length} names are shown.` : "";
}

function say(text, tone) {
  const status = element("status");
  status.textContent = text;
  status.className = tone ?? "note";
}

async function refresh() {
  try {
    if (!showTrackers(await read("/directory.json"))) {
      const why = "No tracker is alive.";
      show("peers", [], why);
      show("names", [], why);
      element("peers-note").textContent = element("names-note").textContent = "";
      say("No tracker is alive: nothing can be published or found until one is back. Transfers under way go on.", "bad");
      return;
    }
  } catch (failure) {
    say(`The webserver does not answer: ${failure.message}`, "bad");
    return;
  }
  const [peers, names] = await Promise.allSettled([
    read(`/api/v1/peers?page_size=${PAGE_SIZE}`).then(showPeers),
    read(`/api/v1/names?page_size=${PAGE_SIZE}`).then(showNames),
  ]);
  const failed = [peers, names].find((result) => result.status === "rejected");
  if (failed) {
    const isSecured = location.protocol === "https:";
    const why = isSecured ? "a secured network shows names and peers to members and API tokens, not to this page" : failed.reason.message;
    say(`The tracker cannot be read from here: ${why}`, "bad");
  } else {
    say(`As of ${new Date().toLocaleTimeString()}.`);
  }
}

async function run() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((wake) => setTimeout(wake, REFRESH_MS));
  }
}

run();
