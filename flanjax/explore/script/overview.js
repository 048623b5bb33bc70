// What stands beside the list where no task is open: the hits, and every task in a table.

const MOST_FOUND = 40;

/** Columns of the table: key, title, kind, what is shown, what is sorted by. */
const COLUMNS = [
  ["task", "task", "text", (task) => task.name],
  ["cluster", "cluster", "text", (task) => task.cluster],
  ["mode", "mode", "text", (task) => task.mode],
  ["metric", "metrics", "text", (task) => task.metrics.join(", ")],
  ["examples", "train examples", "number", (task) => task.size.examples],
  ["share", "share %", "number", (task) => shareOf(task)],
  ["words", "prompt words", "number", (task) => task.lengths?.words.inputs.median ?? null],
  ["inverted", "inverted", "number", (task) => numInverted(task)],
];

function shareOf(task) {
  return CONTENT.hold_outs[0].shares?.[task.name] ?? null;
}

function drawOverview(hits) {
  const words = searchWords(state.q);
  return [
    element("h2", { id: "heading", tabindex: -1 }, words.length ? "What was found" : "At a glance"),
    words.length ? foundTemplates(hits, words) : tiles(),
    element(
      "div",
      { class: "wide" },
      element("h3", {}, hits.length < TASKS.length ? "Tasks that are left" : "Every task"),
      taskTable(hits),
    ),
  ];
}

function tiles() {
  const count = (test) => TASKS.filter(test).length;
  const facts = [
    [TASKS.length, "tasks"],
    [CONTENT.clusters.length, "clusters"],
    [TASKS.reduce((sum, task) => sum + templates(task).length, 0), "templates"],
    [CONTENT.wordings.length, "sets of templates"],
    [count((task) => task.mode === "rank"), "rank classification"],
    [count((task) => task.mode === "generate"), "generation"],
  ];
  const items = facts.map(([value, what]) =>
    element("div", {}, element("dd", { class: "big" }, number(value)), element("dt", {}, what)),
  );
  return element("dl", { class: "tiles wide" }, items);
}

function foundTemplates(hits, words) {
  const places = hits.flatMap(({ task, places: held }) => held.map((place) => [task, place]));
  if (!places.length) {
    const what = hits.length
      ? "No template holds these words; the names and facts of tasks do."
      : "";
    return element("p", {}, what || "Nothing. Fewer words or filters find more.");
  }
  const wordings = [...Map.groupBy(places, ([task, place]) => templates(task)[place])];
  const items = wordings.slice(0, MOST_FOUND).map((entry) => foundTemplate(...entry, words));
  const rest = wordings.length - MOST_FOUND;
  const more = rest > 0 ? element("p", { class: "soft" }, `${plural(rest, "template")} more.`) : "";
  return [element("ol", { class: "found" }, items), more];
}

/** Returns a template that was found, under the names of all tasks that share it. */
function foundTemplate(template, places, words) {
  const names = places.map(([task, place], number_) => [
    number_ ? ", " : "",
    element(
      "a",
      { href: taskAddress(task.name, { template: String(place), part: "" }) },
      breakable(task.name),
    ),
  ]);
  const [task, place] = places[0];
  const target = templateText(template.targets);
  return element(
    "li",
    {},
    element("p", {}, names, element("span", { class: "soft" }, ` template ${place}`)),
    element("pre", {}, wordingNodes(task, template.inputs, words)),
    target === "{answer}"
      ? ""
      : element("pre", { class: "to" }, wordingNodes(task, template.targets, words)),
  );
}

function taskTable(hits) {
  const [key, isDescending] = state.sort.startsWith("-")
    ? [state.sort.slice(1), true]
    : [state.sort, false];
  const column = COLUMNS.find(([name]) => name === key);
  const rows = hits.map(({ task }) => task);
  if (column) rows.sort((a, b) => compared(column[3](a), column[3](b)) * (isDescending ? -1 : 1));
  const heads = COLUMNS.map((each) => tableHead(each, key, isDescending));
  const region = { class: "scroll", role: "region", tabindex: 0, "aria-label": "Tasks" };
  const head = element("thead", {}, element("tr", {}, heads));
  const body = element("tbody", {}, rows.map(tableRow));
  return element("div", region, element("table", { class: "tasks" }, head, body));
}

function compared(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" ? a - b : a.localeCompare(b, "en");
}

function tableHead([key, title, kind], sorted, isDescending) {
  const isSorted = key === sorted;
  const next = isSorted ? (isDescending ? "" : `-${key}`) : key;
  const attributes = { scope: "col", class: kind };
  if (isSorted) attributes["aria-sort"] = isDescending ? "descending" : "ascending";
  const arrow = isSorted ? (isDescending ? " ↓" : " ↑") : "";
  const button = element("button", { type: "button" }, title, arrow);
  button.addEventListener("click", () => sortBy(key, next));
  button.dataset.sort = key;
  return element("th", attributes, button);
}

function sortBy(key, next) {
  go({ sort: next }, { replace: true });
  byId("panel").querySelector(`[data-sort="${key}"]`)?.focus();
}

function tableRow(task) {
  const cells = COLUMNS.slice(1).map(([key, , kind, of]) => {
    const value = of(task);
    if (kind === "text") return element("td", { class: kind }, breakable(value));
    const text = key === "share" && value !== null ? (100 * value).toFixed(2) : number(value);
    return element("td", { class: kind }, text);
  });
  const link = element("a", { href: taskAddress(task.name) }, breakable(task.name));
  return element("tr", {}, element("th", { scope: "row" }, link), cells);
}
