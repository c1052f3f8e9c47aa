// The script of the live page is live_*.js, joined: model, layout and waves, which are free of the
// page and are handed the time; shapes and picture; panels and orders; stream; and the page itself.
// Whatever came from files is set as text, never as markup.
"use strict";

// The model: all that came, and what it says up to a moment. Times are microseconds.

const LATE = 3e6;  // after a message was generated; what comes later was fetched by anti-entropy
const KEPT = 30e6;  // for which the dead keep their place after their removal
const STORY = 100;  // lines that are shown
const HOPS = 1.5e6;  // deliveries that a page keeps; beyond that, those of the oldest messages go
const BESIDE = 2e3;  // what follows so soon belongs to the same step: a link has two ends
const ENDED = new Set(["dead", "left", "gone"]);
const SHAPING = new Set(["state", "started", "stopped", "connected", "disconnected"]);
const STEPS = new Set(["story", "state", "generated", "connected", "disconnected", "removed",
  "liveness missed", "dead", "reported"]);

// The index of the first item of a sorted list whose time is later.
function after(list, time, timeOf = item => item[0]) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeOf(list[middle]) > time) high = middle; else low = middle + 1;
  }
  return low;
}

// Puts items into a list sorted by time, behind those of their time; returns where it changed.
function merge(list, items) {
  items.sort((one, other) => one[0] - other[0]);
  const from = items.length ? after(list, items[0][0]) : list.length;
  const later = list.splice(from);
  const all = later.length ? later.concat(items).sort((a, b) => a[0] - b[0]) : items;
  for (const item of all) list.push(item);
  return from;
}

class NetworkNode {
  constructor(number, kind, address) {
    this.number = number;
    this.seed = kind === "seed";
    this.address = address;
    this.key = orderKey(address);
    this.received = [];  // when, sorted
    this.dropped = 0;  // deliveries that are no longer in it
    this.rewind();
  }

  rewind() {
    this.state = null;  // nothing is known yet
    this.since = 0;
    this.removed = null;  // when a seed removed it
    this.said = new Set();  // to whom it says that it is connected
    this.misses = new Map();  // who gets no answer from it -> how often in a row
  }

  get ended() { return ENDED.has(this.state); }
  get runs() { return this.state !== null && !this.ended; }
  get missed() { return Math.max(0, ...this.misses.values()); }
}

class Message {
  constructor(number, at, origin, text) {
    Object.assign(this, {number, at, origin, text});
    this.hops = [];  // time, node, from; time, node, from; …
    this.last = at;  // its newest delivery that is not late
    this.fetched = [];  // its late deliveries, as in the model
    this.up = null;  // who was up when it was said; known once that is applied
  }
}

class Model {
  constructor() {
    this.nodes = new Map();
    this.messages = new Map();  // in the order in which they came
    this.changes = [];  // every event but `node` and `received`
    this.late = [];  // deliveries by anti-entropy: time, node, from, message
    this.head = 0;  // the newest time
    this.hops = 0;  // all deliveries, late ones too
    this.forgotten = 0;  // number of the newest message that was dropped
    this.rewind();
  }

  // -- what comes --

  take(events) {
    const changes = [], late = [];
    for (const event of events) {
      if (!Array.isArray(event) || !Number.isFinite(event[0])) continue;
      const [time, kind, number] = event;
      this.head = Math.max(this.head, time);
      if (kind === "node") this.introduce(number, event[3], event[4]);
      else if (kind === "received") this.receive(event, late);
      else if (this.nodes.has(number)) changes.push(event);
      if (kind === "generated") {
        this.messages.set(event[3], new Message(event[3], time, number, String(event[4])));
      }
    }
    if (merge(this.changes, changes) < this.applied) this.stale = true;
    if (merge(this.late, late) < this.lateApplied) this.stale = true;
    if (this.hops > HOPS) this.forget();
  }

  introduce(number, kind, address) {
    if (!this.nodes.has(number)) {
      this.nodes.set(number, new NetworkNode(number, kind, String(address)));
      this.hosts = null;
    }
  }

  receive([time, , number, from, about], late) {
    const node = this.nodes.get(number), message = this.messages.get(about);
    if (!node || !message) return;
    node.received.splice(after(node.received, time, item => item), 0, time);
    this.hops += 1;
    if (time - message.at > LATE) {
      message.fetched.push([time, number, from, about]);
      late.push(message.fetched.at(-1));
      return;
    }
    message.hops.push(time, number, from);
    message.last = Math.max(message.last, time);
  }

  // Drops the older half of the messages.
  forget() {
    const all = [...this.messages.values()].sort((one, other) => one.at - other.at);
    const gone = new Set(all.slice(0, all.length >> 1).map(message => message.number));
    const until = all[all.length >> 1].at;
    for (const number of gone) this.messages.delete(number);
    this.forgotten = all[all.length >> 1].number - 1;
    this.changes = this.changes.filter(event => event[1] !== "generated" || !gone.has(event[3]));
    this.late = this.late.filter(hop => !gone.has(hop[3]));
    this.hops = this.late.length;
    for (const {hops} of this.messages.values()) this.hops += hops.length / 3;
    for (const node of this.nodes.values()) {
      const cut = after(node.received, until, item => item);
      node.received.splice(0, cut);
      node.dropped += cut;
    }
    this.stale = true;
  }

  // -- what it says up to a moment --

  rewind() {
    this.at = -1;
    this.revision = (this.revision ?? 0) + 1;  // of states and links
    this.applied = this.lateApplied = 0;  // how many of `changes` and `late`
    this.stale = false;  // something came that belongs before what was applied
    this.story = [];
    this.generated = this.forgotten;
    this.up = null;  // the numbers of all peers that are up; made when it is asked for
    for (const node of this.nodes.values()) node.rewind();
  }

  // Goes to a time, from the start where need be; `seen` is told of what is new.
  seek(time, seen = () => {}) {
    if (this.stale || time < this.at) this.rewind();
    while (this.applied < this.changes.length && this.changes[this.applied][0] <= time) {
      const event = this.changes[this.applied++];
      this.apply(event);
      seen(event);
    }
    while (this.lateApplied < this.late.length && this.late[this.lateApplied][0] <= time) {
      const [at, number, from] = this.late[this.lateApplied++];
      seen([at, "late", number, from]);
    }
    this.at = time;
  }

  apply(event) {
    const [time, kind, number, other, rest] = event, node = this.nodes.get(number);
    const whom = this.nodes.get(other);
    this.revision += SHAPING.has(kind);
    switch (kind) {
    case "state": this.change(node, other, time); break;
    case "story": this.story.push(event); break;
    case "started": case "stopped": node.said.clear(); break;
    case "connected": node.said.add(other); whom?.misses.delete(number); break;
    case "disconnected": node.said.delete(other); whom?.misses.delete(number); break;
    case "liveness missed": whom?.misses.set(number, Number(rest) || 0); break;
    case "liveness reply": whom?.misses.delete(number); break;
    case "removed": if (whom && whom.removed === null) whom.removed = time; break;
    case "generated":  // their numbers count those, too, that are not shown
      this.generated = Math.max(this.generated, other);
      this.say(this.messages.get(other));
      break;
    }
  }

  change(node, state, time) {
    if (state === "joining" || state === "up") node.removed = null;
    if (state === "up" && node.state !== "up") node.misses.clear();
    node.state = state;
    node.since = time;
    this.up = null;
    if (!node.ended) return;
    for (const other of this.nodes.values()) other.misses.delete(node.number);
  }

  say(message) {
    if (!message) return;
    this.up ??= new Set([...this.nodes.values()]
      .filter(node => node.state === "up" && !node.seed).map(node => node.number));
    message.up = this.up;
  }

  // Whom the page shows: all of whom a state is known, the dead until some time after removal.
  shown() {
    return [...this.nodes.values()].filter(node => node.state !== null
      && !(node.ended && node.removed !== null
           && this.at > Math.max(node.since, node.removed) + KEPT));
  }

  // Pairs of nodes that both say that they are connected.
  links() {
    const links = [];
    for (const node of this.nodes.values()) {
      if (node.ended || node.state === null) continue;
      for (const number of node.said) {
        const other = this.nodes.get(number);
        if (number > node.number && other?.said.has(node.number) && !other.ended) {
          links.push([node.number, number]);
        }
      }
    }
    return links;
  }

  receivedBy(node) {
    return node.dropped + after(node.received, this.at, item => item);
  }

  // The end of the next step of what happens, or null.
  nextStep() {
    let begin = null, end = null;
    for (let at = after(this.changes, this.at); at < this.changes.length; at++) {
      const [time, kind] = this.changes[at];
      if (begin !== null && time > begin + BESIDE) break;
      if (!STEPS.has(kind)) continue;
      begin ??= time;
      end = time;
    }
    return end;
  }

  first() { return this.changes.length ? this.changes[0][0] : 0; }

  // The port where all have the same IP, else the address.
  nameOf(number) {
    const node = this.nodes.get(number), host = one => one.address.replace(/:\d+$/, "");
    this.hosts ??= new Set([...this.nodes.values()].map(host));
    if (!node) return "?";
    return this.hosts.size > 1 ? node.address : node.address.slice(host(node).length + 1);
  }

  // The figures that can be told of a moment in the past.
  figures() {
    const peers = this.shown().filter(node => !node.seed);
    const near = new Map(peers.filter(node => node.state === "up").map(node => [node.number, []]));
    const links = this.links().filter(([one, other]) => near.has(one) && near.has(other));
    for (const [one, other] of links) {
      near.get(one).push(other);
      near.get(other).push(one);
    }
    const degrees = [...near.values()].map(list => list.length).sort((a, b) => a - b);
    const joining = peers.filter(node => node.state === "joining").length;
    return {peers: near.size + joining, links: links.length, pieces: pieces(near),
      least: degrees[0] ?? 0, most: degrees[degrees.length - 1] ?? 0,
      median: ((degrees[degrees.length - 1 >> 1] ?? 0) + (degrees[degrees.length >> 1] ?? 0)) / 2,
      messages: this.generated};
  }
}

// How many pieces a graph is in: number -> its neighbours.
function pieces(near) {
  const left = new Set(near.keys());
  let count = 0;
  for (const start of left) {  // what is deleted meanwhile is passed over
    count += 1;
    for (const todo = [start]; todo.length;) {
      const number = todo.pop();
      if (left.delete(number)) todo.push(...near.get(number));
    }
  }
  return count;
}
