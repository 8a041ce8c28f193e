"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.rows.length) return;
  const at = Object.fromEntries(data.columns.map((name, number) => [name, number]));
  const section = document.getElementById("findings");
  const form = section.querySelector("form");
  const list = section.querySelector(".list");
  const end = section.querySelector(".end");
  const STEP = 50;
  const cell = (row, name) => data.rows[row][at[name]];
  const number = (value) => value.toLocaleString("en");

  // Everything that comes from the data becomes text, never markup.
  function element(tag, style, ...content) {
    const made = document.createElement(tag);
    if (style) made.className = style;
    made.append(...content.filter((each) => each !== null && each !== ""));
    return made;
  }
  // Lines of a command break between its words alone, never after the dashes of an option.
  function code(text) {
    return element("code", "", ...text.split(" ").flatMap((word, place) => [place ? " " : "", element("span", "", word)]));
  }
  // What stands between backticks is code.
  function written(text) {
    return text.split("`").map((part, place) => (place % 2 ? code(part) : part));
  }
  function picture(row) {
    const place = data.picture_of[row];
    if (place === undefined) return null;
    const image = element("img");
    image.src = data.pictures[place];
    image.alt = `${cell(row, "code")} in ${cell(row, "image")}`;
    image.decoding = "async";
    return image;
  }

  // The order of the list: new findings first, rules as in the overview, and within a rule those with a picture first.
  const states = ["new", "fixed", "unchanged"];
  const ranks = new Map(data.order.map((key, rank) => [key.join(" "), rank]));
  const key = (row) => `${cell(row, "severity")} ${cell(row, "code")}`;
  for (const row of data.rows.keys()) if (!ranks.has(key(row))) ranks.set(key(row), ranks.size);
  const order = [...data.rows.keys()]
    .map((row) => [states.indexOf(cell(row, "state")), ranks.get(key(row)), data.picture_of[row] ?? data.rows.length, row])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3])
    .map((each) => each[3]);
  const line = (text) => text.replace(/[\r\n]/g, "").toLowerCase();
  const images = data.rows.map((row) => line(row[at.image] || ""));
  const texts = data.rows.map((row) => line(
    ["message", "file", "place", "rule", "image", "category", "annotator"].map((name) => row[at[name]] || "").join(" ")
      + " " + row[at.segments].join(" ")));

  // Filters.
  const selects = ["state", "severity", "code", "category", "annotator"];
  for (const name of selects) {
    const counts = new Map();
    for (const row of data.rows) {
      const value = row[at[name]];
      if (value !== null) counts.set(value, (counts.get(value) || 0) + 1);
    }
    const select = form.elements[name];
    const byRank = { state: states, severity: ["error", "warning", "info"] }[name];
    const values = [...counts.keys()].sort((a, b) =>
      byRank ? byRank.indexOf(a) - byRank.indexOf(b) : a < b ? -1 : 1);
    select.append(new Option("all", ""));
    for (const value of values) {
      const label = name === "code" ? `${value} ${data.rows.find((row) => row[at.code] === value)[at.rule]}` : value;
      select.append(new Option(`${label} (${number(counts.get(value))})`, value));
    }
    const single = counts.size < 2 && (name !== "state" || !data.baseline);
    form.querySelector(`[data-for=${name}]`).hidden = single;
  }
  if (images.every((each) => !each)) form.querySelector("[data-for=image]").hidden = true;

  const review = at.imprint === undefined ? null : decisions({ data, cell, element, list, section, refresh: () => filter() });

  let found = [];
  let drawn = 0;
  let head = null;
  function filter() {
    const wanted = selects.map((name) => [at[name], form.elements[name].value]).filter((each) => each[1]);
    const image = line(form.elements.image.value.trim());
    const words = line(form.elements.text.value).split(" ").filter(Boolean);
    found = order.filter((row) => {
      const values = data.rows[row];
      return (!review || review.passes(row)) && wanted.every(([column, value]) => values[column] === value)
        && (!image || images[row].includes(image))
        && words.every((word) => texts[row].includes(word));
    });
    form.querySelector("output").textContent = `${number(found.length)} of ${number(order.length)}`;
    list.replaceChildren();
    drawn = 0;
    head = null;
    more(STEP);
  }
  function more(count) {
    const fragment = document.createDocumentFragment();
    for (const row of found.slice(drawn, drawn + count)) {
      if (head !== `${cell(row, "state")} ${key(row)}`) fragment.append(heading(row));
      head = `${cell(row, "state")} ${key(row)}`;
      fragment.append(card(row));
    }
    drawn = Math.min(drawn + count, found.length);
    list.append(fragment);
    const rest = found.length - drawn;
    end.textContent = !found.length ? "No findings." : rest ? `${number(rest)} more below` : "";
  }
  function heading(row) {
    const said = data.rules[cell(row, "code")];
    const mine = found.filter((each) => key(each) === key(row) && cell(each, "state") === cell(row, "state")).length;
    const made = element("div", "group",
      element("h3", "", element("b", `dot ${cell(row, "severity")}`), element("span", "code", cell(row, "code")), " ",
        cell(row, "rule"), element("span", "much", ` ${number(mine)} ${data.baseline ? cell(row, "state") : ""}`)),
      element("p", "", ...written(said.summary)));
    for (const name of ["why", "remedy"]) {
      if (said[name]) made.append(element("p", "small",
        element("em", "", `${name[0].toUpperCase()}${name.slice(1)}: `), ...written(said[name])));
    }
    return made;
  }
  function card(row) {
    const box = cell(row, "bbox");
    const pixels = cell(row, "pixels");
    // What the message says is not said again.
    const unsaid = (text) => (text && !cell(row, "message").includes(text) ? text : null);
    const where = [
      unsaid(cell(row, "category")),
      cell(row, "annotator") && `by ${cell(row, "annotator")}`,
      box && `at x ${box[0]}, y ${box[1]}, ${box[2]} × ${box[3]} px`,
      pixels && unsaid(`${number(pixels)} px`),
    ].filter(Boolean).join(" · ");
    const text = element("div", "text",
      element("p", "message", ...written(cell(row, "message"))),
      element("p", "where", element("strong", "", cell(row, "image") || ""), where ? (cell(row, "image") ? " · " : "") + where : ""),
      details(row));
    const made = element("article", `${cell(row, "severity")} ${cell(row, "state")}`, picture(row), text);
    if (review) review.controls(made, row);
    return made;
  }
  function details(row) {
    const made = element("details", "", element("summary", "", "Details"));
    made.addEventListener("toggle", () => {
      if (made.children.length > 1) return;
      const terms = element("dl");
      const state = data.baseline ? cell(row, "state") : null;
      const facts = [["state", state], ...["severity", "segments", "images", "categories", "file", "line", "place", "score", "fix"]
        .map((name) => [name, cell(row, name)])];
      const range = cell(row, "score_range");  // where the score is no better known
      if (range) facts.find(([name]) => name === "score")[1] = `${range[0].toFixed(2)} to ${range[1].toFixed(2)}`;
      for (const [name, value] of facts) {
        if (value === null || value.length === 0) continue;
        terms.append(element("dt", "", name), element("dd", "", Array.isArray(value) ? value.join(", ") : String(value)));
      }
      if (data.show && cell(row, "image") !== null && cell(row, "state") !== "fixed") {
        const quoted = `'${cell(row, "image").replaceAll("'", "'\\''")}'`;
        terms.append(element("dt", "", "see it"), element("dd", "", code(`${data.show} ${quoted} --findings`)));
      }
      made.append(terms);
    }, { once: true });
    return made;
  }

  // Links of the overview set one filter; the address keeps what is chosen, so that it can be passed on.
  const names = [...selects, "image", "text"];
  function chosen() {
    const said = new URLSearchParams();
    for (const name of names) if (form.elements[name].value) said.set(name, form.elements[name].value);
    return said.toString();
  }
  function choose(values) {
    for (const name of names) form.elements[name].value = values[name] || "";
    for (const name of selects) if (form.elements[name].selectedIndex < 0) form.elements[name].value = "";
  }
  function changed() {
    filter();
    try {
      history.replaceState(null, "", `#${chosen()}`);
    } catch { /* Some viewers of files have no history. */ }
  }
  const usual = data.baseline ? { state: "new" } : {};
  for (const link of document.querySelectorAll("[data-filter]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      choose({ ...usual, [link.dataset.filter]: JSON.parse(link.dataset.value) });
      changed();
      section.scrollIntoView();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    choose({});
    changed();
  });
  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(changed, event.target.tagName === "INPUT" ? 150 : 0);
  });

  for (const strip of document.querySelectorAll("[data-strip]")) {
    const mine = order.filter((row) => row in data.picture_of && cell(row, "state") === "new" && key(row) === strip.dataset.strip);
    strip.append(...mine.slice(0, 4).map(picture));
  }
  section.hidden = false;
  const asked = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const linked = names.some((name) => name in asked);
  choose(linked ? asked : usual);
  filter();
  if (linked) section.scrollIntoView();
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && drawn < found.length) more(STEP);
  }, { rootMargin: "1000px" }).observe(end);
  addEventListener("beforeprint", () => more(500));
})();
