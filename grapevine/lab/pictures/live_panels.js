// Panels: figures, the sentence, the story, the chosen node, the clock. Texts only.

const byId = id => document.getElementById(id);
const some = value => value === null || value === undefined ? "–"
  : Number(value).toLocaleString("en", {notation: value < 1e6 ? "standard" : "compact",
    maximumFractionDigits: value < 100 || value >= 1e6 ? 1 : 0});
const MISSING = "missing";  // takes the room that is left
// Label (what follows | only where there is room), and the names of the numbers below it.
const FIGURES = [
  ["peers up", "peers"], ["links", "links"], ["pieces", "pieces"],
  ["degrees|: least · median · most", "least", "median", "most"],
  ["messages", "messages"], ["deliveries", "deliveries"], ["deliveries/s", "rate"],
  ["latency, ms|: median · 99 %", "latency", "latency99"], ["late, s", "behind"], [MISSING],
];

// The oldest message that has not reached all, and where it is not.
function whatIsMissing({missing, model}) {
  if (missing === undefined) return "–";
  if (missing === null) return "nothing";
  const names = enumerate(missing.nodes.map(number => model.nameOf(number)), 2, missing.lacking);
  return `“${shortened(String(missing.text), 16)}” at ${names}`;
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
      const [short, more = ""] = label.split("|"), name = make("dt", short);
      const long = make("span", more);
      long.className = "wide";
      name.append(long);
      box.append(name, make("dd", "–"));
      return box;
    });
    byId("figures").append(...this.boxes);
    this.showNothing(null);
    byId("story").addEventListener("click", event => {
      const item = event.target.closest("li");
      if (item) this.choose(Number(item.dataset.node));
    });
  }

  showFigures(figures) {
    FIGURES.forEach(([label, ...names], at) => {
      const text = names.map(name => some(figures[name])).join(" · ");
      set(this.boxes[at].lastChild, label === MISSING ? whatIsMissing(figures) : text);
      const isWrong = label === "pieces" && figures.pieces > 1;
      this.boxes[at].className = label === MISSING ? "long" : isWrong ? "wrong" : "";
    });
  }

  showStatus({toread, counted}, connected, empty, over) {
    const told = !connected ? ["no connection, trying again"]
      : toread > 0 ? [`reading the files: ${megabytes(toread)} to go`]
        : empty ? ["nothing runs here yet"]
          : [over ? "this network has ended" : "",
            counted > 0 ? `${amount(counted)} messages are only counted` : ""];
    set(byId("status"), told.filter(Boolean).join("; "));
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
    const stopped = node.state === "gone" && !node.seed;
    const parts = [stopped ? "stopped" : node.state ?? "not started"];
    if (node.missed > 0 && !node.ended) parts.push(`does not answer (misses: ${node.missed})`);
    if (!node.seed) {
      parts.push(`neighbours: ${near.length}${near.length ? ` (${enumerate(near, 40)})` : ""}`,
        `received: ${amount(model.receivedBy(node))}${sampled ? " of the messages shown" : ""}`);
    }
    set(byId("facts"), parts.join("; "));
  }

  // What is there while no node is chosen: the proof, once the network has ended.
  showNothing(verdict) {
    set(byId("chosen-title"), verdict ? proofOf(verdict) : "Choose a node");
    set(byId("facts"), verdict ? "" : "Click on a peer or a seed, or on a line above.");
    byId("lines").hidden = !verdict;
    byId("lines").className = "proof";
    this.fillLines(verdict ? String(verdict.text) : "");
  }

  showProof({verdict, report}) {
    const button = byId("proof");
    button.hidden = !verdict;
    byId("report").hidden = !report;
    if (report) byId("report").setAttribute("href", report);
    if (!verdict) return;
    button.className = `verdict ${{holds: "holds", FAILS: "fails"}[verdict.is] ?? "none"}`;
    set(button, proofOf(verdict));
  }

  showLines(text) {
    const lines = byId("lines"), atEnd = lines.hidden
      || lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 20;
    lines.hidden = false;
    lines.className = "";
    this.fillLines(text);
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  fillLines(text) {
    if (this.lines === text) return;
    this.lines = text;
    byId("lines").replaceChildren(...text.trimEnd().split("\n").map(line => make("span", line)));
  }

  showSentence(text) {
    const sentence = byId("sentence");
    if (sentence.textContent !== text) sentence.textContent = sentence.title = text;
  }

  showTime(player, model, clock) {
    const slider = byId("slider");
    slider.min = model.first() / 1000;
    slider.max = model.head / 1000;
    slider.value = player.at / 1000;
    set(byId("clock"), clock(player.at));
    set(byId("play"), player.running ? "pause" : "play");
    byId("next").disabled = model.nextStep() === null;
    byId("back").setAttribute("aria-pressed", String(player.live));
  }
}

function proofOf(verdict) {
  const words = {holds: "holds", FAILS: "does not hold"}[verdict.is] ?? "is unclear";
  return `The proof ${words}`;
}

function megabytes(bytes) {
  return bytes < 1e6 ? "less than 1 MB" : `${amount(bytes / 1e6)} MB`;
}
