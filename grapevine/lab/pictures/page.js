// Lists the events of a chosen node. Everything in the files is set as text, never as markup.
"use strict";
(() => {
  const PORTION = 200;  // rows that are added at a time
  const names = JSON.parse(document.getElementById("names").textContent);
  const [find, node, text, kinds, rows, count, more] =
    ["find", "node", "text", "kinds", "rows", "count", "more"]
      .map(id => document.getElementById(id));
  let events = [], matching = [], shown = 0, shownNode = -1;

  async function inflate(number) {
    const data = atob(document.getElementById("file-" + number).textContent);
    const bytes = Uint8Array.from(data, letter => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).text();
  }

  function parse(line) {
    const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{6}):([^:]{1,40})(?::(.*))?$/s.exec(line);
    return match ? {date: match[1], clock: match[2], kind: match[3], rest: match[4] || ""}
      : {date: "", clock: "", kind: "damaged line", rest: line};
  }

  function make(name, content, style) {
    const element = document.createElement(name);
    element.textContent = content;
    if (style) element.className = style;
    return element;
  }

  function listNodes() {
    const wanted = find.value.trim().toLowerCase();
    node.replaceChildren();
    names.forEach(([name], number) => {
      const label = name.replace("_", " ").replace(/_(?=\d+$)/, ":");
      if (label.toLowerCase().includes(wanted) || number === shownNode) {
        node.append(new Option(label, name, false, number === shownNode));
      }
    });
  }

  function listKinds() {
    const counts = new Map();
    for (const event of events) counts.set(event.kind, (counts.get(event.kind) || 0) + 1);
    for (const label of kinds.querySelectorAll("label")) label.remove();
    for (const kind of [...counts.keys()].sort()) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.value = kind;
      label.append(box, `${kind} (${counts.get(kind).toLocaleString("en")})`);
      kinds.append(label);
    }
  }

  function filter() {
    const wanted = text.value.toLowerCase();
    const on = new Set([...kinds.querySelectorAll("input:checked")].map(box => box.value));
    matching = events.filter(event => on.has(event.kind) && (!wanted
      || `${event.kind}:${event.rest}`.toLowerCase().includes(wanted)));
    shown = 0;
    rows.replaceChildren();
    showMore();
  }

  function showMore() {
    const portion = matching.slice(shown, shown + PORTION);
    rows.append(...portion.map(event => {
      const row = document.createElement("tr"), time = document.createElement("td");
      time.append(make("span", event.date + " ", "date"), event.clock);
      row.append(time, make("td", event.kind), make("td", event.rest));
      return row;
    }));
    shown += portion.length;
    more.hidden = shown === matching.length;
    const left = names[shownNode][1];
    count.textContent = `${matching.length.toLocaleString("en")} of `
      + `${events.length.toLocaleString("en")} events match, ${shown.toLocaleString("en")} shown`
      + (left ? `; ${left.toLocaleString("en")} earlier lines are left out of this page` : "");
  }

  async function show(number) {
    shownNode = number;
    listNodes();
    try {
      const lines = (await inflate(number)).split("\n");
      if (number !== shownNode) return;  // another was chosen meanwhile
      if (lines[lines.length - 1] === "") lines.pop();
      events = lines.map(parse);
    } catch (error) {
      const why = "this browser cannot inflate: " + error;
      events = [{date: "", clock: "", kind: "error", rest: why}];
    }
    listKinds();
    filter();
  }

  function numberInAddress() {
    const hash = location.hash.slice(1);
    return names.findIndex(([name]) => name === hash || encodeURIComponent(name) === hash);
  }

  const choose = name => location.replace("#" + encodeURIComponent(name));
  find.addEventListener("input", listNodes);
  find.addEventListener("keydown", event => {
    const found = [...node.options].find(option => !option.selected);
    if (event.key === "Enter" && found) choose(found.value);
  });
  node.addEventListener("change", () => choose(node.value));
  text.addEventListener("input", filter);
  kinds.addEventListener("change", filter);
  more.addEventListener("click", showMore);
  for (const [id, checked] of [["all", true], ["none", false]]) {
    document.getElementById(id).addEventListener("click", () => {
      for (const box of kinds.querySelectorAll("input")) box.checked = checked;
      filter();
    });
  }
  for (const circle of document.querySelectorAll("circle[data-node]")) {
    circle.addEventListener("click", () => {
      choose(circle.dataset.node);
      document.getElementById("events").scrollIntoView();
    });
  }
  addEventListener("hashchange", () => {
    const number = numberInAddress();
    if (number >= 0 && number !== shownNode) show(number);
  });
  if (numberInAddress() >= 0) document.getElementById("events").scrollIntoView();
  if (names.length) show(Math.max(0, numberInAddress()));
})();
