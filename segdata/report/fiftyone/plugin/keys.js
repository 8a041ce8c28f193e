// In the page: while a picture is open, a letter does what the button above it does, as in the HTML report, and the
// picture is enlarged around the finding that was selected.
(() => {
  const { Operator, OperatorConfig, executeOperator, registerOperator } = window.__foo__; // @fiftyone/operators
  const PLUGIN = "@segdata/review";
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
        executeOperator(`${PLUGIN}/${operator}`);
      }
    },
    true
  );

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // FiftyOne has no operator that zooms; its button crops to the selected label, and a second click shows all again.
  class Zoom extends Operator {
    get config() {
      return new OperatorConfig({ name: "zoom", label: "segdata: enlarge the selected finding", unlisted: true });
    }
    async execute({ params }) {
      const canvas = () => document.querySelector("[data-cy=modal] [data-cy=looker] canvas");
      const before = params.opens ? canvas() : null; // of the picture that is left, unless the next one was faster
      const wait = async (until, ms) => {
        for (let waited = 0; waited < ms && !until(); waited += 100) await pause(100);
      };
      await wait(() => canvas() && canvas() !== before, 3000);
      await wait(() => canvas()?.getAttribute("canvas-loaded") === "true", 10000);
      await pause(300); // the selection is drawn after the picture
      document.querySelector("[data-cy=modal] [data-cy=looker-controls] [title^='Crop to content']")?.click();
    }
  }
  registerOperator(Zoom, PLUGIN);

  // What a page of FiftyOne shows at first, unless the reviewer has chosen it there: where many segments would cover the
  // picture with their names, only the name under the mouse; in a window as narrow as its sidebar, no sidebar.
  class Arrange extends Operator {
    get config() {
      return new OperatorConfig({ name: "arrange", label: "segdata: what is shown at first", unlisted: true });
    }
    useHooks() {
      const { useRecoilCallback, useRecoilValue } = window.recoil;
      const change = ({ set }) => (state, value) => set(state, value);
      return { id: useRecoilValue(window.__fos__.datasetId), change: useRecoilCallback(change) };
    }
    async execute({ hooks, params }) {
      const { shownLabelAttributes, sidebarVisible } = window.__fos__;
      const chosen = JSON.parse(localStorage.getItem(`shownLabelAttributes-${hooks.id}`) ?? "{}");
      for (const path of params.crowded) if (!(path in chosen)) hooks.change(shownLabelAttributes(path), []);
      if (window.innerWidth >= 700) return; // px; the sidebar takes 300
      for (const modal of [false, true])
        if (localStorage.getItem(`sidebarVisible-modal-${modal}`) === null) hooks.change(sidebarVisible(modal), false);
    }
  }
  registerOperator(Arrange, PLUGIN);
})();
