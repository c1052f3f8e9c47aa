// Orders: the buttons, and what they ask the runner to do. Only the page of a network that the
// runner has started has them.

// Order -> to whom it may be given; null: nobody is chosen. Who is called dead may only be frozen,
// and who is lost or does not answer may have been killed: the runner knows.
const MAY = {
  kill: node => node?.runs || node?.state === "dead",
  freeze: node => node?.runs && !node.seed,
  thaw: node => (node?.runs || node?.state === "dead") && !node.seed,
  start: node => node && (!node.runs || node.state === "lost" || node.missed > 0),
  say: node => node?.runs && !node.seed,
  add: () => true,
};

class Orders {
  // `chosen` answers who is chosen, or null; `said` is told of what a peer was let say.
  constructor(chosen, said) {
    Object.assign(this, {chosen, said});
    const words = document.body.dataset.orders.split(" ");
    this.any = words.includes("add");
    this.buttons = [...byId("orders").querySelectorAll("button")];
    for (const button of this.buttons) {
      button.hidden = !words.includes(button.dataset.order);
      button.addEventListener("click", () => this.give(button.dataset.order));
    }
    byId("text").addEventListener("keydown", event => {
      if (event.key === "Enter") this.give("say");
    });
  }

  // What was done to a node of the past would surprise: there all buttons are free, and the runner
  // tells what it cannot do. Once there is a verdict, the network has ended.
  show(live, verdict) {
    byId("orders").hidden = !this.any || Boolean(verdict);
    const node = this.chosen();
    for (const button of this.buttons) {
      const may = live || !node ? MAY[button.dataset.order](node) : true;
      if (button.disabled !== !may) button.disabled = !may;
    }
  }

  async give(order) {
    const node = this.chosen(), text = byId("text");
    if (!node && order !== "add") return;
    const body = JSON.stringify({do: order, node: node?.address ?? "", text: text.value});
    let line = "the runner does not answer";
    try {
      const headers = {"Content-Type": "application/json"};
      const answer = await fetch("do", {method: "POST", headers, body});
      line = (await answer.text()).trim();
      if (answer.ok && order === "say") {
        this.said({origin: node.number, text: text.value});
        text.value = "";
      }
    } catch { /* the connection is gone: said in the line */ }
    set(byId("answer"), line);
  }
}
