// The picture: the network on a canvas.

const TOP = 72, BOTTOM = 40, SIDE = 40;  // pixels around the peers: seeds above, names below
const NAMED = 60;  // peers up to which all have their names
const HUBS = 8;  // of more peers, so many of the best linked have theirs
const LETTER = 7.5;  // pixels of a letter of a seed's name
const FLASH = 900;  // milliseconds
const GLIDE = 0.25;  // the share of its way that a node moves in a frame

class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.brush = canvas.getContext("2d");
    this.spots = new Map();  // number -> where it is drawn
    this.wide = this.high = 0;
    this.seedName = 0;  // letters of the longest name of a seed
    this.signs = new Map();  // number of a seed -> half the width and height of its sign
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
    const zoom = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    Object.assign(this, {wide, high, scale, zoom});
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
    const step = Math.min(150, this.wide / (seeds.length + 1));
    const tight = this.seedName * LETTER * this.zoom + 24 > step;  // then they stand in two rows
    seeds.forEach((seed, at) => put(seed.number,
      this.wide / 2 + (at - (seeds.length - 1) / 2) * step, !tight ? 28 : at % 2 ? 43 : 17));
    for (const {number} of nodes) {
      const place = places.get(number);
      put(number, SIDE + place.x / WIDE * (this.wide - 2 * SIDE),
        TOP + place.y * (this.high - TOP - BOTTOM));
    }
    this.spots = spots;
    const room = 0.13 * Math.sqrt(this.wide * this.high / nodes.length);
    this.radius = Math.max(4, Math.min(16 * this.zoom, room));
    return moving;
  }

  draw(scene) {
    const {brush, scale} = this;
    brush.setTransform(scale, 0, 0, scale, 0, 0);
    brush.clearRect(0, 0, this.wide, this.high);
    this.drawLinks(scene.links, scene.nodes.length);
    const fills = new Map();
    for (const wave of scene.waves) this.drawWave(wave, fills);
    for (const flash of scene.flashes) this.drawFlash(flash, scene.still);
    for (const node of scene.nodes) this.drawNode(node, fills.get(node.number));
    for (const seed of scene.seeds) this.drawSeed(seed, scene);
    for (const node of scene.nodes) if (isMarked(node, scene)) this.drawChoice(node.number);
    this.drawNames(scene);
  }

  drawLinks(links, count) {
    const {brush} = this;
    brush.beginPath();
    for (const [one, other] of links) line(brush, this.spots.get(one), this.spots.get(other));
    stroke(brush, this.ink.edge, count > 150 ? 0.6 : 1.2);
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
    brush.globalAlpha = hops.length > 450 ? 0.45 : 0.6;
    stroke(brush, colour, hops.length > 450 ? 0.8 : 1.6);
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
    stroke(brush, ink.bad, 2);
  }

  drawNode(node, fill) {
    const {brush, ink, radius} = this, {x, y} = this.spots.get(node.number);
    SHAPES[node.state]?.(brush, x, y, radius, ink, fill);
    if (!node.ended && node.missed > 0) thirds(brush, x, y, radius, node.missed, ink);
  }

  drawSeed(seed, scene) {
    const {brush, ink} = this, {x, y} = this.spots.get(seed.number);
    const name = scene.model.nameOf(seed.number), high = 11 * this.zoom;
    brush.font = `bold ${12 * this.zoom}px system-ui, sans-serif`;
    const wide = brush.measureText(name).width / 2 + 9;
    this.signs.set(seed.number, [wide, high]);
    SHAPES[seed.ended ? "seedGone" : "seed"](brush, x, y, high, ink, null, wide);
    if (isMarked(seed, scene)) {
      box(brush, x, y, wide + 4, high + 4);
      stroke(brush, ink.ink, 1.5);
    }
    this.write(name, x, y, seed.ended ? ink.muted : ink.on, false);
  }

  drawChoice(number) {
    const spot = this.spots.get(number);
    this.brush.beginPath();
    this.brush.arc(spot.x, spot.y, this.radius + 3, 0, 2 * Math.PI);
    stroke(this.brush, this.ink.ink, 1.5);
  }

  // Names stand below their nodes, with a border of the background.
  drawNames({model, nodes, links, pointed, chosen}) {
    const named = nodes.length <= NAMED ? nodes : [...hubs(nodes, links),
      ...nodes.filter(node => isMarked(node, {pointed, chosen}))];
    this.brush.font = `${12 * this.zoom}px system-ui, sans-serif`;
    for (const node of named) {
      const {x, y} = this.spots.get(node.number);
      const low = y + this.radius + (node.missed > 0 && !node.ended ? 17 : 11) * this.zoom;
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
      const [wide, high] = this.signs.get(number) ?? [0, 0];
      if (Math.abs(spot.x - x) < wide && Math.abs(spot.y - y) < high) return number;
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

function isMarked({number}, {pointed, chosen}) { return number === pointed || number === chosen; }

function hubs(nodes, links) {
  const degree = new Map(nodes.map(node => [node.number, 0]));
  for (const ends of links) for (const end of ends) degree.set(end, degree.get(end) + 1);
  return [...nodes].sort((a, b) => degree.get(b.number) - degree.get(a.number)).slice(0, HUBS);
}
