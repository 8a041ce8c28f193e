"use strict";
// Decisions on findings: buttons and keys, kept by the browser, and exported as a file for `segdata review pull`.
function decisions({ data, cell, element, list, section, refresh }) {
  const KEYS = { a: "accept", r: "reject", f: "fix", v: "void", u: "unsure" };
  const MEANING = {
    accept: "The finding is right: apply its proposal",
    reject: "False alarm: the label is right",
    fix: "The finding is right: redraw the label by hand",
    void: "Ignore these pixels in training",
    unsure: "Leave the decision to someone else",
  };
  const bar = section.querySelector(".review");
  const who = bar.querySelector("input");
  const button = bar.querySelector("button");
  const told = bar.querySelector("output");
  const fields = data.columns.slice(1).filter((name) => name !== "imprint");
  const decidable = (row) => cell(row, "state") !== "fixed";
  const store = `segdata decisions: ${data.dataset}`;
  const id = (row) => JSON.stringify([
    ...["code", "image", "annotator", "segments", "category", "bbox", "pixels", "file", "place", "imprint"]
      .map((name) => cell(row, name)), cell(row, "bbox") ? "" : cell(row, "message")]);
  const ids = data.rows.map((_, row) => id(row));
  let kept = { reviewer: "", said: {} };
  let lasting = true;
  function load() {
    try {
      if (lasting) kept = { reviewer: "", said: {}, ...JSON.parse(localStorage.getItem(store) || "{}") };
    } catch {
      lasting = false;
    }
  }
  // Another report of the same dataset may be open: whatever it kept meanwhile stays.
  function keep(change) {
    load();
    change(kept);
    try {
      if (lasting) localStorage.setItem(store, JSON.stringify(kept));
    } catch {
      lasting = false;
    }
    count();
  }
  load();
  const all = data.rows.map((_, row) => row).filter(decidable);
  function count() {
    const n = all.filter((row) => kept.said[ids[row]]).length;
    told.textContent = `${n.toLocaleString("en")} of ${all.length.toLocaleString("en")} decided`
      + (lasting ? "" : "; this browser forgets them with the page: export before you leave");
    button.disabled = !n;
  }

  function decide(row, verdict) {
    const before = kept.said[ids[row]];
    const now = {
      verdict,
      comment: before ? before.comment : "",
      time: `${new Date().toISOString().slice(0, 19)}Z`,
      reviewer: who.value.trim(),
    };
    keep(({ said }) => {
      if (before && before.verdict === verdict) delete said[ids[row]];
      else said[ids[row]] = now;
    });
  }
  function paint(card, row) {
    const said = kept.said[ids[row]];
    card.dataset.verdict = said ? said.verdict : "";
    for (const each of card.querySelectorAll(".verdicts button")) {
      each.setAttribute("aria-pressed", String(Boolean(said) && each.value === said.verdict));
    }
    const comment = card.querySelector(".comment");
    comment.hidden = !said;
    comment.value = said ? said.comment : "";
  }
  function controls(card, row) {
    if (!decidable(row)) return;
    const buttons = element("div", "verdicts");
    for (const [key, verdict] of Object.entries(KEYS)) {
      const made = element("button", "", verdict);
      made.type = "button";
      made.value = verdict;
      made.title = `${MEANING[verdict]} (key ${key})`;
      made.addEventListener("click", () => {
        decide(row, verdict);
        paint(card, row);
      });
      buttons.append(made);
    }
    const comment = element("input", "comment");
    comment.placeholder = "comment";
    comment.addEventListener("input", () => {
      const now = { ...kept.said[ids[row]], comment: comment.value };
      keep(({ said }) => { said[ids[row]] = now; });
    });
    buttons.append(comment);
    card.append(buttons);
    card.dataset.row = row;
    card.tabIndex = -1;
    paint(card, row);
  }

  // j and k go on and back, a verdict's key decides and goes on.
  const cards = () => [...list.querySelectorAll("article[data-row]")];
  function go(step) {
    const every = cards();
    const now = every.indexOf(document.activeElement.closest("article[data-row]"));
    const next = every[now < 0 ? 0 : Math.min(Math.max(now + step, 0), every.length - 1)];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "center" });
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape" || (event.key === "Enter" && event.target.matches(".comment"))) {
        (event.target.closest("article[data-row]") || event.target).focus();
        if (!event.target.closest("article[data-row]")) event.target.blur();
      }
      return;
    }
    if (event.key === "j" || event.key === "k") go(event.key === "j" ? 1 : -1);
    else if (event.key in KEYS) {
      const card = document.activeElement.closest("article[data-row]");
      if (!card) return go(1);
      decide(Number(card.dataset.row), KEYS[event.key]);
      paint(card, Number(card.dataset.row));
      if (card.dataset.verdict) go(1);
    } else return;
    event.preventDefault();
  });

  function exported() {
    return {
      version: 1,
      kind: "segdata decisions",
      dataset: data.dataset,
      decisions: all.filter((row) => kept.said[ids[row]]).map((row) => {
        const said = kept.said[ids[row]];
        return {
          verdict: said.verdict,
          reviewer: said.reviewer || who.value.trim(),
          time: said.time,
          via: "html",
          image: cell(row, "image"),
          annotator: cell(row, "annotator"),
          segment: null,
          finding: Object.fromEntries(fields.map((name) => [name, cell(row, name)])),
          imprint: cell(row, "imprint"),
          comment: said.comment,
        };
      }),
    };
  }
  button.addEventListener("click", () => {
    const name = who.value.trim();
    if (!name) {
      told.textContent = "Enter your name first; it is recorded with each decision.";
      who.focus();
      return;
    }
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(exported(), null, 1)], { type: "application/json" }));
    link.download = `decisions-${name.replace(/[^\p{L}\p{N}]+/gu, "-")}-${new Date().toISOString().slice(0, 10)}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
    told.textContent = `${link.download} is in your downloads; next: segdata review pull`;
  });
  who.value = kept.reviewer;
  who.addEventListener("input", () => {
    keep((now) => { now.reviewer = who.value; });
  });
  for (const select of bar.querySelectorAll("select")) select.addEventListener("input", refresh);
  bar.hidden = !all.length;
  count();
  const wanted = bar.querySelector("select");
  const passes = (row) => !wanted.value || (kept.said[ids[row]]?.verdict ?? "none") === wanted.value;
  return { controls, passes, exported };
}
