// Stands in for a kernel: gives a lab in a static page the model interface that anywidget gives it beside one.
// An expression: the page calls it with its own script element, the lab's state and the lab's module as text.
(async (script, state, source) => {
  const host = script.closest(".lrlab-host");
  const listeners = new Map();
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of listeners.get(`change:${name}`) ?? []) listener();
    },
    save_changes() {},
    send() {},
    on(name, listener) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener]);
    },
    off(name, listener) {
      listeners.set(name, (listeners.get(name) ?? []).filter((other) => other !== listener));
    },
  };
  // A module made from text loads from file:// too, where browsers refuse to import files.
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const lab = (await import(url)).default;
  const el = document.createElement("div");
  host.append(el);
  const close = await lab.render({ model, el });
  host.closeLab = () => {
    close();
    el.remove();
    URL.revokeObjectURL(url);
  };
  host.querySelector(".lrlab-still")?.remove(); // kept to here: what fails above leaves the still figure standing
  host.dataset.ready = "true";
})
