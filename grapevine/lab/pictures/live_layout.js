// The layout: where nodes stand, in a room of 1.5 by 1. Who stands keeps its place.

const WIDE = 1.5;
const COOLING = 0.985;  // of the heat with which a node moves, each time that it moved
const STILL = 0.02;  // the heat below which it stands
const GRAVITY = 2.4;  // towards the middle
const SPRING = 1.2;  // of links
const NUDGE = 0.03;  // the heat that a neighbour gets of who is new

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

// The places of nodes on a ring, in the order of their addresses.
function ring(nodes) {
  const sorted = [...nodes].sort((one, other) => one.key < other.key ? -1 : 1);
  return new Map(sorted.map((node, at) => {
    const angle = 2 * Math.PI * at / sorted.length - Math.PI / 2;
    return [node.number, {x: WIDE / 2 * (1 + Math.cos(angle)), y: (1 + Math.sin(angle)) / 2}];
  }));
}
