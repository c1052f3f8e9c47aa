// Shows a running network by the events of its stream. Sections: model, layout, time and waves (all
// three free of the page, and handed the time), drawing, panels, stream, and the page that joins
// them. Whatever came from files is set as text, never as markup.
"use strict";

// ---- Model: all that came, and what it says up to a moment. Times are microseconds. ----

const LATE = 3e6;  // after a message was generated; what comes later was fetched by anti-entropy
const KEPT = 30e6;  // for which the dead keep their place after their removal
const STORY = 100;  // lines that are shown
const HOPS = 1.5e6;  // deliveries that a page keeps; beyond that, those of the oldest messages go
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
  get missed() { return Math.max(0, ...this.misses.values()); }
}

// A text that sorts as addresses do: by IP as a number, then by port.
function orderKey(address) {
  const at = address.lastIndexOf(":"), port = address.slice(at + 1).padStart(5, "0");
  const host = address.slice(0, at).replace(/[[\]]/g, "");
  if (!host.includes(":")) {
    return "4" + host.split(".").map(part => part.padStart(3, "0")).join("") + port;
  }
  const [head, tail] = host.split("::").map(side => side ? side.split(":") : []);
  const gap = tail ? Array(Math.max(0, 8 - head.length - tail.length)).fill("0") : [];
  const parts = [...head, ...gap, ...(tail || [])].map(part => part.padStart(4, "0"));
  return "6" + parts.join("") + port;
}

class Message {
  constructor(number, at, origin, text) {
    Object.assign(this, {number, at, origin, text});
    this.hops = [];  // time, node, from; time, node, from; …
    this.last = at;  // its newest delivery that is not late
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
    this.hops = 0;
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
    const times = node.received;
    if (times.length && times[times.length - 1] > time) {
      times.splice(after(times, time, item => item), 0, time);
    } else {
      times.push(time);
    }
    if (time - message.at > LATE) {
      late.push([time, number, from, about]);
      return;
    }
    message.hops.push(time, number, from);
    message.last = Math.max(message.last, time);
    this.hops += 1;
  }

  // Drops the older half of the messages that have deliveries.
  forget() {
    const all = [...this.messages.values()].sort((one, other) => one.at - other.at);
    const gone = new Set(all.slice(0, all.length >> 1).map(message => message.number));
    const until = all[all.length >> 1].at;
    for (const number of gone) {
      this.hops -= this.messages.get(number).hops.length / 3;
      this.messages.delete(number);
    }
    this.changes = this.changes.filter(event => event[1] !== "generated" || !gone.has(event[3]));
    this.late = this.late.filter(hop => !gone.has(hop[3]));
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
    this.generated = 0;
    this.up = null;  // the numbers of all peers that are up; made when it is asked for
    for (const node of this.nodes.values()) node.rewind();
  }

  // Goes to a time, by applying all from the start where need be; `seen` is told of what is new.
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
    case "generated": this.say(this.messages.get(other)); break;
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
    this.generated += 1;
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

  // Pairs of nodes whose ends both say that they are connected.
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

  // The time of the next event that is a step of what happens, or null.
  nextStep() {
    for (let at = after(this.changes, this.at); at < this.changes.length; at++) {
      if (STEPS.has(this.changes[at][1])) return this.changes[at][0];
    }
    return null;
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
      least: degrees[0] ?? 0, median: degrees[degrees.length >> 1] ?? 0,
      most: degrees[degrees.length - 1] ?? 0, messages: this.generated};
  }
}

// How many pieces a graph is in: number -> its neighbours.
function pieces(near) {
  const seen = new Set();
  let count = 0;
  for (const start of near.keys()) {
    if (seen.has(start)) continue;
    count += 1;
    seen.add(start);
    for (const queue = [start]; queue.length;) {
      for (const other of near.get(queue.pop())) {
        if (!seen.has(other)) queue.push(other);
        seen.add(other);
      }
    }
  }
  return count;
}

// ---- Layout: where nodes stand, in a room of 1.5 by 1. Who stands keeps its place. ----

const WIDE = 1.5;
const COOLING = 0.985;  // of the heat with which a node moves, each time that it moved
const STILL = 0.02;  // the heat below which it stands
const GRAVITY = 2.4;  // towards the middle
const SPRING = 1.2;  // of links
const NUDGE = 0.04;  // the heat that a neighbour gets of who is new

class Layout {
  constructor() {
    this.places = new Map();  // number -> its place, also of who is not shown now
    this.crowd = [];  // the places of who is shown
    this.turnOf = 0;  // whose turn it is to move
  }

  // Takes in who is there now, and the links; who is new gets a place and heat.
  sync(numbers, links) {
    for (const place of this.crowd) place.near = [];
    const fresh = numbers.filter(number => !this.places.has(number));
    const near = new Map(fresh.map(number => [number, []]));
    for (const [one, other] of links) {
      near.get(one)?.push(other);
      near.get(other)?.push(one);
    }
    this.crowd = numbers.filter(number => this.places.has(number))
      .map(number => this.places.get(number));
    for (const number of fresh) this.settle(number, near.get(number));
    for (const [one, other] of links) this.link(this.places.get(one), this.places.get(other));
  }

  // Beside its neighbours that have a place, else where most room is.
  settle(number, neighbours) {
    const known = neighbours.map(other => this.places.get(other)).filter(Boolean);
    const random = chances(number);
    const place = {number, x: 0, y: 0, heat: 1, fresh: true, near: [], known: new Set()};
    const spots = Array.from({length: 12}, () => ({x: random() * WIDE, y: random()}));
    if (known.length) {
      const mean = axis => known.reduce((sum, one) => sum + one[axis], 0) / known.length;
      for (const spot of spots) {
        spot.x = mean("x") + (spot.x - WIDE / 2) * 0.3;
        spot.y = mean("y") + (spot.y - 0.5) * 0.3;
      }
    }
    const room = spot => Math.min(1, ...this.crowd.map(one =>
      Math.hypot(one.x - spot.x, one.y - spot.y)));
    const best = spots.reduce((one, other) => room(other) > room(one) ? other : one);
    Object.assign(place, {x: within(best.x, WIDE), y: within(best.y, 1)});
    this.places.set(number, place);
    this.crowd.push(place);
  }

  // A link that was not known warms its ends while one of them is new.
  link(one, other) {
    one.near.push(other);
    other.near.push(one);
    if (one.known.has(other.number)) return;
    one.known.add(other.number);
    other.known.add(one.number);
    for (const [place, partner] of [[one, other], [other, one]]) {
      if (place.fresh) place.heat = 1;
      else if (partner.fresh) place.heat = Math.max(place.heat, NUDGE);
    }
  }

  get moving() { return this.crowd.some(place => place.heat > 0); }

  // Moves who is warm, one after the other, until all had `rounds` turns or `more` says no.
  turn(rounds, more = () => true) {
    const warm = this.crowd.filter(place => place.heat > 0);
    if (!warm.length) return;
    const length = 0.8 * Math.sqrt(WIDE / this.crowd.length);
    for (let left = rounds * warm.length; left > 0; left--) {
      this.turnOf = (this.turnOf + 1) % warm.length;
      this.move(warm[this.turnOf], length);
      if (left % 16 === 0 && !more()) return;
    }
  }

  move(place, length) {
    const square = length * length;
    let pullX = (WIDE / 2 - place.x) * GRAVITY / WIDE, pullY = (0.5 - place.y) * GRAVITY;
    for (const other of this.crowd) {  // all pairs: a cutoff makes rows
      if (other === place) continue;
      const x = place.x - other.x, y = place.y - other.y;
      const near = square / Math.max(x * x + y * y, 1e-6);
      const force = near * (1 + 0.1 * near);
      pullX += x * force;
      pullY += y * force;
    }
    const slack = SPRING / Math.max(4, place.near.length);  // a hub is not pulled by all its links
    for (const other of place.near) {
      const force = Math.hypot(other.x - place.x, other.y - place.y) / length * slack;
      pullX += (other.x - place.x) * force;
      pullY += (other.y - place.y) * force;
    }
    const step = Math.min(0.1, 0.1 * place.heat / Math.max(Math.hypot(pullX, pullY), 1e-9));
    place.x = within(place.x + pullX * step, WIDE);
    place.y = within(place.y + pullY * step, 1);
    this.cool(place);
  }

  cool(place) {
    place.heat *= COOLING;
    if (place.heat >= STILL) return;
    place.heat = 0;
    if (place.near.length) place.fresh = false;  // who has no neighbour yet is still new
  }
}

function within(value, limit) { return Math.min(limit, Math.max(0, value)); }

// Numbers between 0 and 1 that are the same each time for the same node.
function chances(seed) {
  let state = (seed + 1) * 2654435761 >>> 0;
  return () => {
    state = Math.imul(state ^ state >>> 15, 2246822519) + 0x9e3779b9 >>> 0;
    return ((state ^ state >>> 13) >>> 0) / 4294967296;
  };
}

// The places of nodes on a ring, in the order of their addresses.
function ring(nodes) {
  const sorted = [...nodes].sort((one, other) => one.key < other.key ? -1 : 1);
  return new Map(sorted.map((node, at) => {
    const angle = 2 * Math.PI * at / sorted.length - Math.PI / 2;
    return [node.number, {x: WIDE / 2 * (1 + Math.cos(angle)), y: (1 + Math.sin(angle)) / 2}];
  }));
}

// ---- Time and waves: the moment that is shown, and the messages that run through it. ----

const STRETCH = 1600;  // milliseconds for which a wave is shown
const HOLD = 900;  // milliseconds for which it stays, at least, when all have it
const QUIET = 250e3;  // without a delivery: the message has arrived where it will for now
const PATIENCE = 1e6;  // after which a message is shown although it still arrives
const STALE = 5e6;  // older messages are not begun

class Player {
  constructor() {
    this.live = true;
    this.running = true;
    this.at = 0;
    this.speed = 1;
  }

  turn(passed, head) {
    if (!this.live && this.running) this.at += passed * 1000 * this.speed;
    if (this.at >= head && this.running) this.live = true;
    if (this.live) this.at = head;
  }

  toggle() {
    this.running = !this.running;
    this.live = false;
  }

  pauseAt(time) {
    Object.assign(this, {live: false, running: false, at: time});
  }

  goLive() {
    Object.assign(this, {live: true, running: true});
  }
}

class Wave {
  constructor(message, colour) {
    Object.assign(this, {message, colour, elapsed: 0, known: -1, had: null});
    this.span = message.last - message.at;  // microseconds that are stretched
  }

  // When each node had the message: number -> time.
  carriers() {
    const {hops, at, origin} = this.message;
    if (this.known !== hops.length) {
      this.had = new Map([[origin, at]]);
      for (let i = 0; i < hops.length; i += 3) this.had.set(hops[i + 1], hops[i]);
      this.known = hops.length;
    }
    return this.had;
  }

  get done() { return this.elapsed >= STRETCH; }

  // The moment that is shown of it.
  moment() {
    return this.message.at + (this.done ? LATE : this.span * this.elapsed / STRETCH);
  }

  // One sentence about it. Who was up when it was said counts, unless it has ended since.
  sentence(model) {
    const {message} = this, had = this.carriers(), moment = this.moment();
    const waited = [...message.up ?? []].filter(number => had.has(number)
      || model.nodes.get(number)?.state === "up");
    const have = waited.filter(number => had.get(number) <= moment).length;
    const lacking = waited.filter(number => !had.has(number)).map(one => model.nameOf(one));
    const last = Math.max(...waited.map(number => had.get(number) ?? message.at), message.at);
    const rest = lacking.length ? `not yet: ${enumerate(lacking)}`
      : `all in ${milliseconds(last - message.at)} ms`;
    const times = STRETCH * 1000 / this.span;
    const slower = this.span === 0 ? "" : times >= 1 ? `, shown ${amount(times)} times slower`
      : `, shown ${amount(1 / times)} times faster`;
    return `“${message.text}” from ${model.nameOf(message.origin)}: `
      + `${amount(have)} of ${amount(waited.length)} have it; ${rest}${slower}`;
  }
}

class Waves {
  constructor() {
    this.slots = 1;  // how many may run at the same time
    this.begun = 0;
    this.still = false;  // without motion: whoever gets a message takes its colour at once
    this.clear();
  }

  clear() {
    this.active = [];
    this.pending = [];
  }

  offer(message) {
    this.pending.push(message);
  }

  // Begins the newest messages that are complete, as far as there is room.
  turn(passed, at, head) {
    for (const wave of this.active) wave.elapsed += passed;
    const over = this.active.filter(wave => wave.elapsed >= STRETCH + HOLD);
    this.pending = this.pending.filter(message => at - message.at < STALE);
    for (let room = this.slots - this.active.length + over.length; room > 0; room--) {
      const next = this.pending.findLastIndex(message => isComplete(message, head));
      if (next < 0) break;
      this.begin(this.pending[next]);
      this.pending.splice(this.slots === 1 ? 0 : next, this.slots === 1 ? next + 1 : 1);
    }
    const spare = this.active.length - 1;  // the last one stays until there is another
    this.active = this.active.filter((wave, i) => i === spare || !over.includes(wave));
  }

  begin(message) {
    const wave = new Wave(message, this.begun++);
    if (this.still) wave.elapsed = STRETCH;
    this.active.push(wave);
  }

  // Shows a message from its beginning, and nothing else.
  only(message) {
    this.clear();
    this.begin(message);
  }

  // After a jump: the newest message of that time, as far as it had come.
  jump(model) {
    this.clear();
    let newest = null;
    for (const message of model.messages.values()) {
      if (message.at <= model.at && message.at >= (newest?.at ?? 0)) newest = message;
    }
    if (!newest || model.at - newest.at > STALE) return;
    this.begin(newest);
    const share = (model.at - newest.at) / Math.max(1, this.active[0].span);
    if (!this.still) this.active[0].elapsed = Math.min(1, share) * STRETCH;
  }

  get busy() {
    return this.pending.length > 0 || this.active.some(wave => wave.elapsed < STRETCH + HOLD);
  }
}

function isComplete(message, head) {
  return message.hops.length / 3 + 1 >= (message.up?.size ?? Infinity)
    || head - message.last >= QUIET || head - message.at >= PATIENCE;
}

function amount(value) { return Math.round(value).toLocaleString("en"); }

function milliseconds(micros) {
  return micros < 99950 ? (micros / 1000).toFixed(1) : amount(micros / 1000);
}

function enumerate(names, most = 5) {
  const rest = names.length - most;
  return names.slice(0, most).join(", ") + (rest > 0 ? ` and ${amount(rest)} more` : "");
}

// ---- Drawing: shapes, and the network on a canvas. ----

const TOP = 72, BOTTOM = 40, SIDE = 40;  // pixels around the peers: seeds above, names below
const NAMED = 60;  // peers up to which all have their names
const HUBS = 8;  // of more peers, so many of the best linked have theirs
const FLASH = 900;  // milliseconds
const GLIDE = 0.25;  // the share of its way that a node moves in a frame

// How each state looks: `ink` holds the colours, `fill` is the colour of a message or nothing.
const SHAPES = {
  up(brush, x, y, r, ink, fill) { disc(brush, x, y, r, fill || ink.accent); },
  joining(brush, x, y, r, ink, fill) { circle(brush, x, y, r, fill || ink.accent, ink.card); },
  lost(brush, x, y, r, ink) {
    circle(brush, x, y, r, ink.amber, ink.card);
    disc(brush, x, y, r * 0.28, ink.amber);
  },
  silent(brush, x, y, r, ink) {
    disc(brush, x, y, r * 0.7, ink.accent);
    thirds(brush, x, y, r * 0.7, 1, ink);
  },
  dead(brush, x, y, r, ink) {
    disc(brush, x, y, r, ink.bad);
    cross(brush, x, y, r * 0.5, ink.on);
  },
  left(brush, x, y, r, ink) {
    brush.setLineDash([3, 3]);
    circle(brush, x, y, r, ink.muted, ink.card);
    brush.setLineDash([]);
  },
  gone(brush, x, y, r, ink) {
    SHAPES.left(brush, x, y, r, ink);
    cross(brush, x, y, r * 0.4, ink.muted);
  },
  seed(brush, x, y, r, ink, fill, wide = r) {
    box(brush, x, y, wide, r);
    brush.fillStyle = ink.seed;
    brush.fill();
  },
  seedGone(brush, x, y, r, ink, fill, wide = r) {
    box(brush, x, y, wide, r);
    brush.setLineDash([3, 3]);
    brush.strokeStyle = ink.bad;
    brush.lineWidth = 1.5;
    brush.stroke();
    brush.setLineDash([]);
    for (const side of [x - wide, x + wide]) cross(brush, side, y, r * 0.4, ink.bad);
  },
  late(brush, x, y, r, ink) { diamond(brush, x, y, r * 0.7, ink); },
};

function disc(brush, x, y, r, colour) {
  brush.beginPath();
  brush.arc(x, y, r, 0, 2 * Math.PI);
  brush.fillStyle = colour;
  brush.fill();
}

function circle(brush, x, y, r, colour, inside) {
  const width = Math.max(1.5, r / 6);
  disc(brush, x, y, r - width / 2, inside);
  brush.strokeStyle = colour;
  brush.lineWidth = width;
  brush.stroke();
}

function cross(brush, x, y, r, colour) {
  brush.beginPath();
  brush.moveTo(x - r, y - r);
  brush.lineTo(x + r, y + r);
  brush.moveTo(x + r, y - r);
  brush.lineTo(x - r, y + r);
  brush.strokeStyle = colour;
  brush.lineWidth = Math.max(1.5, r / 3);
  brush.stroke();
}

function box(brush, x, y, wide, high) {
  brush.beginPath();
  brush.roundRect(x - wide, y - high, 2 * wide, 2 * high, 5);
}

function diamond(brush, x, y, r, ink) {
  brush.beginPath();
  brush.moveTo(x, y - r);
  brush.lineTo(x + r, y);
  brush.lineTo(x, y + r);
  brush.lineTo(x - r, y);
  brush.closePath();
  brush.fillStyle = ink.card;
  brush.fill();
  brush.strokeStyle = ink.ink;
  brush.lineWidth = 1.5;
  brush.stroke();
}

// A ring around a node, one third for each miss.
function thirds(brush, x, y, r, count, ink) {
  const width = Math.max(2, r / 3.5);
  for (let third = 0; third < 3; third++) {
    const from = (third / 3 - 0.25) * 2 * Math.PI + 0.15;
    brush.beginPath();
    brush.arc(x, y, r + 1 + width, from, from + 2 * Math.PI / 3 - 0.3);
    brush.strokeStyle = third < count ? ink.amber : ink.pale;
    brush.lineWidth = width;
    brush.stroke();
  }
}

function between(one, other, share) {
  return [one.x + (other.x - one.x) * share, one.y + (other.y - one.y) * share];
}

function line(brush, one, other, share = 1) {
  brush.moveTo(one.x, one.y);
  brush.lineTo(...between(one, other, share));
}

class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.brush = canvas.getContext("2d");
    this.spots = new Map();  // number -> where it is drawn
    this.wide = this.high = 0;
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.ink = {};
    for (const name of ["card", "ink", "muted", "line", "accent", "bad", "amber", "pale", "seed",
      "on", "edge", "wave0", "wave1", "wave2", "wave3"]) {
      this.ink[name] = style.getPropertyValue("--" + name).trim();
    }
    this.waveColours = [0, 1, 2, 3].map(at => this.ink["wave" + at]);
  }

  // Fits the canvas to its room; answers whether that has changed.
  fit() {
    const {clientWidth: wide, clientHeight: high} = this.canvas, scale = devicePixelRatio || 1;
    if (wide === this.wide && high === this.high && scale === this.scale) return false;
    Object.assign(this, {wide, high, scale});
    this.canvas.width = wide * scale;
    this.canvas.height = high * scale;
    return true;
  }

  // Moves nodes a share of the way to where they belong; answers whether some still move.
  aim(nodes, places, seeds, share) {
    let moving = false;
    const spots = new Map();
    const put = (number, x, y) => {
      const spot = this.spots.get(number) ?? {x, y}, far = Math.hypot(x - spot.x, y - spot.y);
      const part = far < 0.3 ? 1 : share;
      spots.set(number, spot);
      spot.x += (x - spot.x) * part;
      spot.y += (y - spot.y) * part;
      moving ||= part < 1;
    };
    seeds.forEach((seed, at) => {
      put(seed.number, this.wide / 2 + (at - (seeds.length - 1) / 2) * this.seedStep(seeds), 28);
    });
    for (const {number} of nodes) {
      const place = places.get(number);
      put(number, SIDE + place.x / WIDE * (this.wide - 2 * SIDE),
        TOP + place.y * (this.high - TOP - BOTTOM));
    }
    this.spots = spots;
    this.radius = Math.max(4, Math.min(16, 0.13 * Math.sqrt(this.wide * this.high / nodes.length)));
    return moving;
  }

  seedStep(seeds) { return Math.min(150, this.wide / (seeds.length + 1)); }

  draw(scene) {
    const {brush, scale} = this;
    brush.setTransform(scale, 0, 0, scale, 0, 0);
    brush.clearRect(0, 0, this.wide, this.high);
    this.drawLinks(scene.links, scene.nodes.length);
    const fills = new Map();
    for (const wave of scene.waves) this.drawWave(wave, fills);
    for (const flash of scene.flashes) this.drawFlash(flash, scene.still);
    for (const node of scene.nodes) this.drawNode(node, fills.get(node.number));
    for (const seed of scene.seeds) this.drawSeed(seed, scene.model.nameOf(seed.number));
    for (const number of [scene.pointed, scene.chosen]) this.drawChoice(number);
    this.drawNames(scene);
  }

  drawLinks(links, count) {
    const {brush} = this;
    brush.beginPath();
    for (const [one, other] of links) line(brush, this.spots.get(one), this.spots.get(other));
    brush.strokeStyle = this.ink.edge;
    brush.lineWidth = count > 150 ? 0.6 : 1.2;
    brush.stroke();
  }

  // The ways that a message has taken up to the moment that is shown, and a dot where it is.
  drawWave(wave, fills) {
    const {brush, spots} = this, {hops} = wave.message;
    const had = wave.carriers(), moment = wave.moment();
    const colour = this.waveColours[wave.colour % this.waveColours.length], dots = [];
    brush.beginPath();
    for (let i = 0; i < hops.length; i += 3) {
      const [time, to, from] = [hops[i], spots.get(hops[i + 1]), spots.get(hops[i + 2])];
      const begin = had.get(hops[i + 2]) ?? wave.message.at;
      if (!from || !to || moment <= begin) continue;
      const share = Math.min(1, (moment - begin) / Math.max(1, time - begin));
      line(brush, from, to, share);
      if (share < 1) dots.push(between(from, to, share));
    }
    brush.strokeStyle = colour;
    brush.lineWidth = hops.length > 450 ? 0.8 : 1.6;
    brush.globalAlpha = hops.length > 450 ? 0.45 : 0.6;
    brush.stroke();
    brush.globalAlpha = 1;
    for (const [x, y] of dots) disc(brush, x, y, Math.max(2.2, this.radius * 0.35), colour);
    for (const [number, time] of had) if (time <= moment) fills.set(number, colour);
  }

  // A report, a probe, or a message that was fetched later, on its way.
  drawFlash({kind, from, to, age}, still) {
    const [one, other] = [this.spots.get(from), this.spots.get(to)], {brush, ink} = this;
    if (!one || !other || (still && kind === "late")) return;
    const share = still ? 1 : Math.min(1, age / FLASH);
    if (kind === "late") {
      diamond(brush, ...between(one, other, share), 6, ink);
      return;
    }
    brush.beginPath();
    line(brush, one, other, share);
    brush.strokeStyle = ink.bad;
    brush.lineWidth = 2;
    brush.stroke();
  }

  drawNode(node, fill) {
    const {brush, ink, radius} = this, {x, y} = this.spots.get(node.number);
    SHAPES[node.state]?.(brush, x, y, radius, ink, fill);
    if (!node.ended && node.missed > 0) thirds(brush, x, y, radius, node.missed, ink);
  }

  drawSeed(seed, name) {
    const {brush, ink} = this, {x, y} = this.spots.get(seed.number);
    brush.font = "bold 12px system-ui, sans-serif";
    const wide = brush.measureText(name).width / 2 + 9;
    SHAPES[seed.ended ? "seedGone" : "seed"](brush, x, y, 11, ink, null, wide);
    this.write(name, x, y, seed.ended ? ink.muted : ink.on, false);
  }

  drawChoice(number) {
    const spot = this.spots.get(number);
    if (!spot) return;
    this.brush.beginPath();
    this.brush.arc(spot.x, spot.y, this.radius + 3, 0, 2 * Math.PI);
    this.brush.strokeStyle = this.ink.ink;
    this.brush.lineWidth = 1.5;
    this.brush.stroke();
  }

  // Names stand below their nodes, with a border of the background.
  drawNames({model, nodes, links, pointed, chosen}) {
    const named = nodes.length <= NAMED ? nodes : [...hubs(nodes, links),
      ...nodes.filter(node => node.number === pointed || node.number === chosen)];
    this.brush.font = "12px system-ui, sans-serif";
    for (const node of named) {
      const {x, y} = this.spots.get(node.number);
      const low = y + this.radius + (node.missed > 0 && !node.ended ? 17 : 11);
      this.write(model.nameOf(node.number), x, low,
        node.state === "dead" ? this.ink.bad : this.ink.ink, true);
    }
  }

  write(text, x, y, colour, bordered) {
    const {brush} = this;
    brush.textAlign = "center";
    brush.textBaseline = "middle";
    if (bordered) {
      brush.strokeStyle = this.ink.card;
      brush.lineWidth = 3;
      brush.strokeText(text, x, y);
    }
    brush.fillStyle = colour;
    brush.fillText(text, x, y);
  }

  // The number of the node at a place, or null.
  at(x, y) {
    let best = null, least = this.radius + 8;
    for (const [number, spot] of this.spots) {
      const far = Math.hypot(spot.x - x, spot.y - y);
      if (far < least) [best, least] = [number, far];
    }
    return best;
  }

  drawLegend() {
    for (const canvas of document.querySelectorAll("#legend canvas")) {
      const scale = devicePixelRatio || 1, brush = canvas.getContext("2d");
      canvas.width = canvas.height = 22 * scale;
      brush.setTransform(scale, 0, 0, scale, 0, 0);
      SHAPES[canvas.dataset.shape](brush, 11, 11, 7, this.ink);
    }
  }
}

function hubs(nodes, links) {
  const degree = new Map(nodes.map(node => [node.number, 0]));
  for (const ends of links) for (const end of ends) degree.set(end, degree.get(end) + 1);
  return [...nodes].sort((a, b) => degree.get(b.number) - degree.get(a.number)).slice(0, HUBS);
}

// ---- Panels: figures, the sentence, the story, the chosen node, the clock. Texts only. ----

const byId = id => document.getElementById(id);
const some = value => value === null || value === undefined ? "–"
  : Number(value).toLocaleString("en", {maximumFractionDigits: 1});
const MISSING = "missing";  // takes the room that is left
const FIGURES = [  // label, its text, whether something is wrong
  ["peers up", figures => some(figures.peers)],
  ["links", figures => some(figures.links)],
  ["pieces", figures => some(figures.pieces), figures => figures.pieces > 1],
  ["degree min · median · max",
    figures => `${some(figures.least)} · ${some(figures.median)} · ${some(figures.most)}`],
  ["messages", figures => some(figures.messages)],
  ["deliveries", figures => some(figures.deliveries)],
  ["deliveries/s", figures => some(figures.rate)],
  ["latency median · 99 %, ms",
    figures => `${some(figures.latency)} · ${some(figures.latency99)}`],
  ["late, s", figures => some(figures.behind)],
  [MISSING, whatIsMissing],
];

// The oldest message that has not reached all, and where it is not.
function whatIsMissing({missing, model}) {
  if (missing === undefined) return "–";
  if (missing === null) return "nothing";
  const names = enumerate(missing.nodes.map(number => model.nameOf(number)), 2);
  return `“${String(missing.text).slice(0, 16)}” at ${names}`;
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

class Panels {
  constructor(choose) {
    this.choose = choose;
    this.told = null;
    this.boxes = FIGURES.map(([label]) => {
      const box = document.createElement("div");
      box.append(make("dt", label), make("dd", "–"));
      return box;
    });
    byId("figures").append(...this.boxes);
    byId("story").addEventListener("click", event => {
      const item = event.target.closest("li");
      if (item) this.choose(Number(item.dataset.node));
    });
  }

  showFigures(figures) {
    FIGURES.forEach(([label, text, wrong], at) => {
      set(this.boxes[at].lastChild, text(figures));
      this.boxes[at].className = label === MISSING ? "long" : wrong?.(figures) ? "wrong" : "";
    });
  }

  showStatus(figures, connected) {
    set(byId("status"), !connected ? "no connection, trying again"
      : figures.toread > 0 ? `reading the files: ${megabytes(figures.toread)} to go`
        : figures.counted > 0 ? `${amount(figures.counted)} messages are only counted` : "");
  }

  showStory(model, clock) {
    const newest = model.story[model.story.length - 1], {length} = model.story;
    if (this.told?.newest === newest && this.told?.length === length) return;
    this.told = {newest, length};
    byId("story").replaceChildren(...model.story.slice(-STORY).reverse().map(
      ([time, , number, text]) => {
        const item = document.createElement("li");
        item.dataset.node = number;
        item.append(make("time", clock(time).slice(0, 10)), String(text));
        return item;
      }));
  }

  showNode(model, number, sampled) {
    const node = model.nodes.get(number);
    if (!node) return;
    set(byId("chosen-title"), `${node.seed ? "Seed" : "Peer"} ${node.address}`);
    const near = model.links().filter(link => link.includes(number))
      .map(([one, other]) => model.nameOf(one === number ? other : one)).sort();
    const parts = [node.state ?? "not started"];
    if (node.missed > 0 && !node.ended) parts.push(`does not answer (misses: ${node.missed})`);
    if (!node.seed) {
      parts.push(`neighbours: ${near.length}${near.length ? ` (${enumerate(near, 40)})` : ""}`,
        `received: ${amount(model.receivedBy(node))}${sampled ? " of the messages shown" : ""}`);
    }
    set(byId("facts"), parts.join("; "));
  }

  showNothing() {
    set(byId("chosen-title"), "Choose a node");
    set(byId("facts"), "");
    byId("lines").hidden = true;
  }

  showLines(text) {
    const lines = byId("lines"), atEnd = lines.hidden
      || lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 20;
    lines.hidden = false;
    set(lines, text);
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  showTime(player, model, clock) {
    const slider = byId("slider");
    slider.min = model.first() / 1000;
    slider.max = model.head / 1000;
    slider.value = player.at / 1000;
    set(byId("clock"), clock(player.at));
    set(byId("play"), player.running ? "pause" : "play");
    byId("back").setAttribute("aria-pressed", String(player.live));
  }
}

function megabytes(bytes) {
  return bytes < 1e6 ? "less than 1 MB" : `${amount(bytes / 1e6)} MB`;
}

// ---- Stream: one at a time, and none while nobody looks. ----

class Stream {
  constructor(take, fresh, changed) {
    Object.assign(this, {take, fresh, changed, source: null, connected: true});
    document.addEventListener("visibilitychange", () => this.look());
    this.look();
  }

  look() {
    if (document.hidden) this.close(); else this.open();
  }

  open() {
    this.close();
    const source = this.source = new EventSource("stream");
    source.addEventListener("open", () => {
      this.fresh();
      this.tell(true);
    });
    source.addEventListener("message", event => this.take(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      this.tell(false);
      if (source.readyState === EventSource.CLOSED) {  // refused: the browser does not try again
        this.again = setTimeout(() => this.open(), 2000);
      }
    });
  }

  close() {
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
  }

  tell(connected) {
    this.connected = connected;
    this.changed();
  }
}

// ---- The page: joins them. ----

const AGO = 60e6;  // microseconds without a line after which a network is over
const ABREAST = 3e6;  // of what is older than this when it comes, nothing flashes
const FLASHES = 60;  // at the same time
const LOOK = 2000;  // milliseconds after which the last lines of the chosen node are read again
const BUDGET = 8;  // milliseconds of a frame for the layout

class Page {
  constructor() {
    Object.assign(this, {model: new Model(), layout: new Layout(), player: new Player(),
      waves: new Waves(), figures: {}, begin: 0, flashes: [], chosen: null, pointed: null,
      order: "links", begun: false, queued: false, last: 0, looked: 0, revision: null});
    this.picture = new Picture(byId("canvas"));
    this.panels = new Panels(number => this.choose(number));
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.listen();
    this.picture.drawLegend();
    this.stream = new Stream(block => this.take(block), () => this.reset(), () => this.wake());
  }

  clock(time) { return new Date((this.begin + time) / 1000).toISOString().slice(11, 23); }

  // Another network: nothing of the last one is kept.
  startOver(begin) {
    Object.assign(this, {begin, model: new Model(), layout: new Layout(), begun: false,
      flashes: [], chosen: null, pointed: null, revision: null});
    this.player.goLive();
    this.waves.clear();
    this.panels.showNothing();
  }

  // A new stream tells everything again, from the beginning.
  reset() {
    const {head} = this.model;
    this.model = new Model();
    this.model.head = head;
    this.revision = null;
  }

  take({figures, events}) {
    if (figures.begin !== undefined && figures.begin !== this.begin) this.startOver(figures.begin);
    const {model} = this, {now, last = now} = figures, over = now - last > AGO;
    this.figures = figures;
    model.take(events);
    model.head = Math.max(model.head, (over ? last : now) - this.begin);
    if (!this.begun && !figures.toread && model.changes.length) {
      this.begun = true;
      if (over) this.jump(model.first());
    }
    this.wake();
  }

  // -- what the viewer does --

  jump(time) {
    this.player.pauseAt(time);
    this.flashes = [];
    this.model.seek(time);
    this.waves.jump(this.model);
    this.wake();
  }

  next() {
    const time = this.model.nextStep();
    if (time === null) return;
    this.player.pauseAt(time);
    this.model.seek(time, event => this.seen(event));
    const said = this.waves.pending.pop();
    if (said) this.waves.only(said);
    this.stepping = true;
    this.wake();
  }

  toggle() {
    this.player.toggle();
    this.stepping = false;
    this.wake();
  }

  goLive() {
    this.player.goLive();
    this.waves.clear();
    this.wake();
  }

  choose(number) {
    this.chosen = number;
    this.looked = 0;
    this.panels.showNode(this.model, number, this.figures.counted > 0);
    this.panels.showLines("");
    this.wake();
  }

  listen() {
    byId("play").addEventListener("click", () => this.toggle());
    byId("next").addEventListener("click", () => this.next());
    byId("back").addEventListener("click", () => this.goLive());
    byId("slider").addEventListener("input", event => this.jump(Number(event.target.value) * 1000));
    const chosen = (id, act) => byId(id).addEventListener("change", event => {
      act(event.target.value);
      this.wake();
    });
    chosen("speed", value => { this.player.speed = Number(value); });
    chosen("waves", value => { this.waves.slots = Number(value); });
    chosen("order", value => { this.order = value; });
    addEventListener("keydown", event => this.key(event));
    addEventListener("resize", () => this.wake());
    this.listenToCanvas(byId("canvas"));
  }

  listenToCanvas(canvas) {
    const under = event => this.picture.at(event.offsetX, event.offsetY);
    canvas.addEventListener("click", event => under(event) !== null && this.choose(under(event)));
    canvas.addEventListener("pointermove", event => this.point(under(event)));
    canvas.addEventListener("pointerleave", () => this.point(null));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.picture.readColours();
      this.picture.drawLegend();
      this.wake();
    });
  }

  point(number) {
    if (number === this.pointed) return;
    this.pointed = number;
    this.wake();
  }

  key(event) {
    const {tagName} = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey || tagName === "SELECT") return;
    const act = {" ": tagName !== "BUTTON" && (() => this.toggle()), l: () => this.goLive(),
      L: () => this.goLive(), ArrowRight: tagName !== "INPUT" && (() => this.next())}[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // -- a frame: only when something is to be drawn --

  wake() {
    if (this.queued || document.hidden) return;
    this.queued = true;
    requestAnimationFrame(time => this.frame(time));
  }

  frame(time) {
    this.queued = false;
    const passed = Math.min(100, Math.max(0, time - this.last));
    this.last = time;
    const {player, waves, model} = this;
    player.turn(passed, model.head);
    model.seek(player.at, event => this.seen(event));
    if (player.running || this.stepping) waves.turn(passed, player.at, model.head);
    for (const flash of this.flashes) flash.age += passed;
    this.flashes = this.flashes.filter(flash => flash.age < FLASH);
    const moving = this.place();
    this.draw();
    this.show(time);
    const replaying = player.running && !player.live;
    const spreading = (player.running || this.stepping) && waves.busy;
    if (moving || replaying || spreading || this.flashes.length) this.wake();
  }

  // Notes what has just happened, for what is to be seen on its way.
  seen([time, kind, number, other]) {
    if (time < this.player.at - ABREAST) return;
    if (kind === "generated") {
      const message = this.model.messages.get(other);
      if (message) this.waves.offer(message);
    } else if (kind === "late") {
      this.flash("late", other, number);
    } else if (kind === "reported" || kind === "dead" || kind === "removed") {
      this.flash(kind, number, other);
    }
  }

  flash(kind, from, to) {
    if (this.flashes.length < FLASHES) this.flashes.push({kind, from, to, age: 0});
  }

  // Lets the layout work; answers whether somebody still moves.
  place() {
    const {model, layout} = this;
    const shown = model.shown();
    this.nodes = shown.filter(node => !node.seed);
    this.seeds = shown.filter(node => node.seed).sort((a, b) => a.key < b.key ? -1 : 1);
    this.links = model.links();
    const names = this.nodes.map(node => node.number).join();
    if (this.revision !== model.revision + ":" + names) {
      this.revision = model.revision + ":" + names;
      const peers = new Set(this.nodes.map(node => node.number));
      layout.sync([...peers], this.links.filter(link => link.every(end => peers.has(end))));
    }
    const end = performance.now() + BUDGET;
    const calm = this.waves.still = this.calm.matches;
    layout.turn(calm ? 100 : 3, () => performance.now() < end);
    const places = this.order === "ring" ? ring(this.nodes) : layout.places;
    const share = this.picture.fit() ? 1 : !calm ? GLIDE : layout.moving ? 0 : 1;
    return this.picture.aim(this.nodes, places, this.seeds, share) || layout.moving;
  }

  draw() {
    this.picture.draw({model: this.model, nodes: this.nodes, seeds: this.seeds, links: this.links,
      waves: this.waves.active, flashes: this.flashes, pointed: this.pointed, chosen: this.chosen,
      still: this.calm.matches});
  }

  show(time) {
    const {model, panels, player, waves, figures} = this, clock = moment => this.clock(moment);
    panels.showFigures({...(player.live ? figures : model.figures()), model});
    panels.showStatus(figures, this.stream?.connected ?? true);
    panels.showStory(model, clock);
    panels.showTime(player, model, clock);
    const wave = waves.active[waves.active.length - 1];
    set(byId("sentence"), wave ? wave.sentence(model) : "");
    if (this.chosen === null) return;
    panels.showNode(model, this.chosen, figures.counted > 0);
    if (time - this.looked > LOOK || !this.looked) this.look(time);
  }

  // Reads the last lines of the chosen node.
  async look(time) {
    this.looked = time || 1;
    const number = this.chosen;
    let text = "its lines cannot be read now";
    try {
      const answer = await fetch("node/" + number);
      if (answer.ok) text = await answer.text();
    } catch { /* the connection is gone: said above */ }
    if (number === this.chosen) this.panels.showLines(text);
  }
}

const page = typeof document === "undefined" ? null : new Page();
