// Shapes: how a node looks in each state.

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
    stroke(brush, ink.bad, 1.5);
    brush.setLineDash([]);
    for (const side of [x - wide, x + wide]) cross(brush, side, y, r * 0.4, ink.bad);
  },
  late(brush, x, y, r, ink) { diamond(brush, x, y, r * 0.7, ink); },
};

function stroke(brush, colour, width) {
  brush.strokeStyle = colour;
  brush.lineWidth = width;
  brush.stroke();
}

function disc(brush, x, y, r, colour) {
  brush.beginPath();
  brush.arc(x, y, r, 0, 2 * Math.PI);
  brush.fillStyle = colour;
  brush.fill();
}

function circle(brush, x, y, r, colour, inside) {
  const width = Math.max(1.5, r / 6);
  disc(brush, x, y, r - width / 2, inside);
  stroke(brush, colour, width);
}

function cross(brush, x, y, r, colour) {
  brush.beginPath();
  brush.moveTo(x - r, y - r);
  brush.lineTo(x + r, y + r);
  brush.moveTo(x + r, y - r);
  brush.lineTo(x - r, y + r);
  stroke(brush, colour, Math.max(1.5, r / 3));
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
  stroke(brush, ink.ink, 1.5);
}

// A ring around a node, one third for each miss.
function thirds(brush, x, y, r, count, ink) {
  const width = Math.max(2, r / 3.5);
  for (let third = 0; third < 3; third++) {
    const from = (third / 3 - 0.25) * 2 * Math.PI + 0.15;
    brush.beginPath();
    brush.arc(x, y, r + 1 + width, from, from + 2 * Math.PI / 3 - 0.3);
    stroke(brush, third < count ? ink.amber : ink.pale, width);
  }
}

function between(one, other, share) {
  return [one.x + (other.x - one.x) * share, one.y + (other.y - one.y) * share];
}

function line(brush, one, other, share = 1) {
  brush.moveTo(one.x, one.y);
  brush.lineTo(...between(one, other, share));
}
