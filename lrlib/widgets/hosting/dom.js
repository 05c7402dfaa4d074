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

// Notebook hosts take keys for themselves; keys pressed inside a lab belong to the lab.
export function keepKeys(el) {
  for (const name of ["keydown", "keyup", "keypress"]) el.addEventListener(name, (event) => event.stopPropagation());
}

// Text in which "_{…}" is a subscript, as nodes of HTML.
export function rich(text) {
  const [head, ...rest] = text.split("_{");
  return [head, ...rest.flatMap((piece) => {
    const end = piece.indexOf("}");
    return [html("sub", {}, piece.slice(0, end)), piece.slice(end + 1)];
  })];
}
