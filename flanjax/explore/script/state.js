// What is shown, as the part of the address behind "#": a view can be linked, Back goes back.

const DEFAULTS = {
  view: "tasks",
  q: "",
  cluster: "",
  mode: "",
  metric: "",
  is: "",
  task: "",
  part: "",
  template: "",
  sample: "",
  shots: "",
  unit: "words",
  sort: "",
  hold_out: "",
};
const FILTERS = ["cluster", "mode", "metric", "is"];

let state = parsed(location.hash);

function parsed(hash) {
  const found = new URLSearchParams(hash.replace(/^#/, ""));
  const entries = Object.entries(DEFAULTS);
  return Object.fromEntries(entries.map(([name, value]) => [name, found.get(name) ?? value]));
}

function written(values) {
  const given = Object.entries(values).filter(([name, value]) => value !== DEFAULTS[name]);
  return `#${new URLSearchParams(given)}`;
}

/** Returns the address of what is shown with some of it changed. */
function address(changes) {
  return written({ ...state, ...changes });
}

function taskAddress(name, changes = {}) {
  const fresh = { view: "tasks", task: name, template: "", sample: "", hold_out: "" };
  return address({ ...fresh, ...changes });
}

/** Changes what is shown; `replace` leaves no step for Back, as while one types. */
function go(changes, { replace = false } = {}) {
  const before = state;
  const hash = address(changes);
  if (hash === written(before)) return;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  state = parsed(hash);
  show(before);
}

function claims() {
  return state.is ? state.is.split(",") : [];
}
