// Elements of a page.

export function html(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// All that a view holds on to, let go in one call of end(): listeners, observers, workers.
export function makeLife() {
  const ends = [];
  const life = {
    over: false,
    listen(target, name, listener, options) {
      target.addEventListener(name, listener, options);
      ends.push(() => target.removeEventListener(name, listener, options));
    },
    follow(model, name, listener) {
      model.on(name, listener);
      ends.push(() => model.off(name, listener));
    },
    watchSize(element, work) {
      const observer = new ResizeObserver(work);
      observer.observe(element);
      ends.push(() => observer.disconnect());
    },
    owes: (end) => ends.push(end),
    end() {
      life.over = true;
      for (const end of ends.splice(0).reverse()) end();
    },
  };
  return life;
}

// Notebook hosts take keys for themselves: "a" inserts a cell, "dd" deletes one. Keys pressed inside a lab belong to the lab,
// but for those that save, run or leave.
const forHost = ({ key, ctrlKey, metaKey, altKey, shiftKey }) => ctrlKey || metaKey || altKey || key === "Escape" || (shiftKey && key === "Enter");

export function keepKeys(el, life) {
  for (const name of ["keydown", "keyup", "keypress"]) life.listen(el, name, (event) => forHost(event) || event.stopPropagation());
}

// Text in which "_{…}" is a subscript, as nodes of HTML.
export function rich(text) {
  const [head, ...rest] = text.split("_{");
  return [head, ...rest.flatMap((piece) => {
    const end = piece.indexOf("}");
    return [html("sub", {}, piece.slice(0, end)), piece.slice(end + 1)];
  })];
}
