// Keys: while a picture is open, a letter does what the button above it does, as in the HTML report.
(() => {
  const OPERATORS = { a: "accept", r: "reject", f: "fix", v: "void", u: "unsure", n: "next" };

  // The buttons are there for datasets of segdata alone; on all others the letters are FiftyOne's.
  const isOpen = () =>
    [...document.querySelectorAll("[data-cy=modal] span, [data-cy=modal] i")].some(
      (each) => !each.children.length && each.textContent === "skip_next"
    );

  const isTyping = (target) => target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);

  // Before FiftyOne hears of it, which would go to the full screen on "f".
  window.addEventListener(
    "keydown",
    (event) => {
      const operator = OPERATORS[event.key];
      const isPlain = !(event.ctrlKey || event.altKey || event.metaKey || event.repeat);
      if (operator && isPlain && !isTyping(event.target) && isOpen()) {
        event.preventDefault();
        event.stopImmediatePropagation();
        window.__foo__.executeOperator(`@segdata/review/${operator}`); // what plugins know as @fiftyone/operators
      }
    },
    true
  );
})();
