// The page: joins model, layout, waves, picture, panels and stream.

const AGO = 60e6;  // microseconds without a line after which a network is over, too
const ABREAST = 3e6;  // of what is older than this when it comes, nothing flashes
const FLASHES = 60;  // at the same time
const EVENTS_POLL = 2000;  // milliseconds until the last lines of the chosen node are read again
const BUDGET = 8;  // milliseconds of a frame for the layout

class Page {
  constructor() {
    Object.assign(this, {model: new Model(), layout: new Layout(), player: new Player(),
      waves: new Waves(), figures: {}, begin: 0, flashes: [], chosen: null, pointed: null,
      order: "links", begun: false, over: false, queued: false, last: 0, looked: 0,
      revision: null});
    this.picture = new Picture(byId("canvas"));
    this.panels = new Panels(number => this.choose(number));
    this.orders = new Orders(() => this.model.nodes.get(this.chosen) ?? null,
      message => { this.waves.wish = message; });
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
    this.picture.signs.clear();
    this.player.goLive();
    this.waves.clear();
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
    const {model} = this, {now, last = now} = figures;
    this.figures = figures;
    model.take(events);
    const allEnded = model.nodes.size > 0 && !figures.peers && !figures.seeds;
    const over = this.over = allEnded || now - last > AGO;
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
    this.stepping = false;
    this.waves.clear();
    this.wake();
  }

  choose(number) {
    this.chosen = number;
    this.looked = 0;
    if (number !== null) this.panels.showLines("");
    this.wake();
  }

  listen() {
    byId("play").addEventListener("click", () => this.toggle());
    byId("next").addEventListener("click", () => this.next());
    byId("back").addEventListener("click", () => this.goLive());
    byId("proof").addEventListener("click", () => this.choose(null));
    byId("slider").addEventListener("input", event => this.jump(Number(event.target.value) * 1000));
    const chosen = (id, act) => byId(id).addEventListener("change", event => {
      act(event.target.value);
      this.wake();
    });
    chosen("speed", value => this.player.setSpeed(Number(value)));
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
    const {tagName, type} = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (tagName === "SELECT" || type === "text") return;
    const act = {" ": tagName !== "BUTTON" && (() => this.toggle()), l: () => this.goLive(),
      L: () => this.goLive(), ArrowRight: () => this.next()}[event.key];
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
      if (message) this.waves.pending.push(message);
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
    this.picture.seedName = Math.max(0, ...this.seeds.map(
      seed => model.nameOf(seed.number).length));
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
    panels.showStatus(figures, this.stream?.connected ?? true, model.nodes.size === 0, this.over);
    panels.showStory(model, clock);
    panels.showTime(player, model, clock);
    panels.showProof(figures);
    this.orders.show(player.live, figures.verdict);
    const wave = waves.active[waves.active.length - 1];
    panels.showSentence(wave ? wave.sentence(model) : "");
    if (this.chosen === null) panels.showNothing(figures.verdict);
    else panels.showNode(model, this.chosen, figures.counted > 0);
    if (this.chosen !== null && (time - this.looked > EVENTS_POLL || !this.looked)) this.look(time);
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
