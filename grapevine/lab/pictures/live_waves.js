// Time and waves: the moment that is shown, and the messages that run through it.

const STRETCH = 1600;  // milliseconds for which a wave is shown
const HOLD = 900;  // milliseconds for which it stays, at least, when all have it
const QUIET = 250e3;  // without a delivery: the message has arrived where it will for now
const ARRIVAL_LIMIT = 1e6;  // after which a message is shown although it still arrives
const STALE = 5e6;  // older messages are not begun
const TEXT = 30;  // letters of a message in the sentence

class Player {
  constructor() {
    this.live = true;
    this.running = true;
    this.at = 0;
    this.speed = 1;
  }

  turn(passed, head) {
    if (this.running) this.at = Math.min(head, this.at + passed * 1000 * this.speed);
    if (this.running && this.at >= head && this.speed >= 1) this.live = true;
    if (this.live) this.at = head;
  }

  toggle() {
    this.running = !this.running;
    this.live = false;
  }

  // What is slower than it happens falls behind.
  setSpeed(speed) {
    this.speed = speed;
    if (speed < 1) this.live = false;
  }

  pauseAt(time) {
    Object.assign(this, {live: false, running: false, at: time});
  }

  goLive() {
    Object.assign(this, {live: true, running: true});
  }
}

class Wave {
  // One that stands still is shown as it ended.
  constructor(message, colour, still = false) {
    Object.assign(this, {message, colour, still, known: -1, had: null});
    this.elapsed = still ? STRETCH : 0;
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
    return this.done ? Infinity : this.message.at + this.span * this.elapsed / STRETCH;
  }

  // One sentence about it. Who was up when it was said counts, unless it has ended since.
  sentence(model) {
    const {message} = this, moment = this.moment();
    const fetched = message.fetched.filter(([time]) => time <= model.at);
    const had = new Map([...fetched.map(([time, number]) => [number, time]), ...this.carriers()]);
    const waited = [...message.up ?? []].filter(number => had.has(number)
      || model.nodes.get(number)?.state === "up");
    const have = waited.filter(number => had.get(number) <= moment).length;
    const lacking = waited.filter(number => !had.has(number)).map(one => model.nameOf(one));
    const last = Math.max(...waited.map(number => had.get(number) ?? message.at), message.at);
    const rest = lacking.length ? `not yet: ${enumerate(lacking)}`
      : `all in ${milliseconds(last - message.at)} ms`;
    const times = STRETCH * 1000 / this.span, even = Math.max(times, 1 / times) < 1.5;
    const slower = this.still || this.span === 0 || fetched.length ? ""
      : even ? ", shown as fast as it was" : times > 1 ? `, shown ${amount(times)} times slower`
        : `, shown ${amount(1 / times)} times faster`;
    return `“${shortened(message.text, TEXT)}” from ${model.nameOf(message.origin)}: `
      + `${amount(have)} of ${amount(waited.length)} have it; ${rest}${slower}`;
  }
}

class Waves {
  constructor() {
    this.slots = 1;  // how many may run at the same time
    this.begun = 0;
    this.still = false;  // without motion: whoever gets a message takes its colour at once
    this.wish = null;  // a message that the viewer has let a peer say: origin, text
    this.clear();
  }

  clear() {
    this.active = [];
    this.pending = [];
  }

  isWished({origin, text}) {
    return this.wish?.origin === origin && this.wish.text.startsWith(text);
  }

  // Begins the newest messages that are complete, as far as there is room; first what is wished.
  turn(passed, at, head) {
    for (const wave of this.active) wave.elapsed += passed;
    const over = this.active.filter(wave => wave.elapsed >= STRETCH + HOLD);
    this.pending = this.pending.filter(message => at - message.at < STALE);
    for (let room = this.slots - this.active.length + over.length; room > 0; room--) {
      const ready = this.pending.filter(message => isComplete(message, head));
      const next = ready.find(message => this.isWished(message)) ?? ready[ready.length - 1];
      if (!next) break;
      this.begin(next);
      if (this.isWished(next)) this.wish = null;
      this.pending = this.pending.filter(message => message !== next
        && (this.slots > 1 || message.at > next.at || this.isWished(message)));
    }
    const spare = this.active.length - 1;  // the last one stays until there is another
    this.active = this.active.filter((wave, i) => i === spare || !over.includes(wave));
  }

  begin(message) {
    this.active.push(new Wave(message, this.begun++, this.still));
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
    || head - message.last >= QUIET || head - message.at >= ARRIVAL_LIMIT;
}

function shortened(text, most) {
  const letters = [...text];  // an emoji is one, although a string counts two
  return letters.length > most ? letters.slice(0, most).join("") + "…" : text;
}

function amount(value) { return Math.round(value).toLocaleString("en"); }

function milliseconds(micros) {
  return micros < 99950 ? (micros / 1000).toFixed(1) : amount(micros / 1000);
}

function enumerate(names, most = 5, count = names.length) {
  const rest = count - most;
  return names.slice(0, most).join(", ") + (rest > 0 ? ` and ${amount(rest)} more` : "");
}
