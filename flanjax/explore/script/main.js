// Puts the parts together, and answers to keys and clicks.

const WIDE = matchMedia("(min-width: 60rem)");

/** Draws what the state asks for; `before` is the state that was shown, if any. */
function show(before = null) {
  const hits = found();
  const isTaskOpen = state.view === "tasks" && state.task !== "";
  byId("layout").dataset.view = isTaskOpen ? "task" : state.view;
  drawControls(hits);
  drawList(hits);
  byId("panel").replaceChildren(...panelParts(hits).flat(Infinity).filter(Boolean));
  document.title = `${isTaskOpen ? state.task : CONTENT.name} · flanjax tasks`;
  byId("said").textContent = state.view === "mixture" ? splitSentence() : "";
  makeScrollable();
  if (before) moveTo(before);
}

function panelParts(hits) {
  if (state.view === "mixture") return drawMixture();
  if (!state.task) return drawOverview(hits);
  const task = BY_NAME.get(state.task);
  if (task) return drawTask(task);
  const heading = element("h2", { id: "heading", tabindex: -1 }, "No such task");
  return [backLink(), heading, element("p", {}, `${CONTENT.name} has no task ${state.task}.`)];
}

/** Where another thing is shown than before, takes the focus and the eye there. */
function moveTo(before) {
  const isOther = before.task !== state.task || before.view !== state.view;
  const isTemplate = state.template !== "" && (isOther || before.template !== state.template);
  if (isTemplate) {
    const card = byId(`template-${state.template}`);
    card?.scrollIntoView({ block: "start" });
    card?.querySelector("a").focus({ preventScroll: true });
  } else if (isOther && !byId("form").contains(document.activeElement)) {
    scrollTo(0, 0);
    byId("heading").focus({ preventScroll: true });
  }
}

/** Lets the keyboard into texts that scroll by themselves. */
function makeScrollable() {
  for (const text of byId("panel").querySelectorAll("pre.prompt, pre.target")) {
    if (text.scrollHeight > text.clientHeight + 1) text.tabIndex = 0;
  }
}

function drawControls(hits) {
  if (byId("q").value !== state.q) byId("q").value = state.q;
  for (const name of ["cluster", "mode", "metric"]) byId(name).value = state[name];
  for (const box of byId("claims").querySelectorAll("input"))
    box.checked = claims().includes(box.value);
  const num = FILTERS.filter((name) => name !== "is" && state[name]).length + claims().length;
  byId("num-filters").textContent = num ? `(${num} on)` : "";
  byId("clear").hidden = !num && !state.q;
  const numTemplates = hits.reduce((sum, { places }) => sum + places.length, 0);
  const tasks =
    hits.length === TASKS.length
      ? plural(hits.length, "task")
      : `${hits.length} of ${plural(TASKS.length, "task")}`;
  byId("hits").textContent = state.q ? `${tasks}, ${plural(numTemplates, "template")}` : tasks;
  const tabs = { "to-tasks": "tasks", "to-mixture": "mixture" };
  for (const [id, view] of Object.entries(tabs)) {
    const link = byId(id);
    link.href = address({
      view,
      hold_out: view === "mixture" ? state.hold_out : "",
      task: view === "mixture" ? "" : state.task,
    });
    if (state.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function setUp() {
  const numTemplates = TASKS.reduce((sum, task) => sum + templates(task).length, 0);
  byId("title").textContent = CONTENT.name;
  const clusters = plural(CONTENT.clusters.length, "cluster");
  byId("subtitle").textContent =
    `${plural(TASKS.length, "task")} in ${clusters}, ${plural(numTemplates, "template")}`;
  const metrics = [...new Set(TASKS.flatMap((task) => task.metrics))].sort();
  fillSelect(
    "cluster",
    CONTENT.clusters.map((name) => [name, name]),
  );
  fillSelect("mode", [
    ["rank", "rank classification"],
    ["generate", "generation"],
  ]);
  fillSelect(
    "metric",
    metrics.map((name) => [name, name]),
  );
  for (const [claim, [text, test]] of Object.entries(CLAIMS)) {
    if (!TASKS.some(test) && !state.is.includes(claim)) continue;
    const box = element("input", { type: "checkbox", value: claim });
    byId("claims").append(element("label", {}, box, ` ${text}`));
  }
  byId("filters").open = WIDE.matches || FILTERS.some((name) => state[name]);
}

function fillSelect(id, options) {
  const entries = options.map(([value, text]) => element("option", { value }, text));
  byId(id).append(element("option", { value: "" }, "any"), ...entries);
  byId(id).addEventListener("change", () => go({ [id]: byId(id).value, task: "", template: "" }));
}

function clearAll() {
  go({ q: "", cluster: "", mode: "", metric: "", is: "" });
  byId("q").focus();
}

function focusSearch() {
  if (byId("finder").offsetParent === null)
    go({ view: "tasks", task: "", template: "", sample: "" });
  byId("q").focus();
  byId("q").select();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const inList = event.target.closest?.("#list a");
  const isTyped = event.target.matches?.("input, select, textarea");
  let isTaken = true;
  if (inList && moveInList(event.key, inList)) isTaken = true;
  else if (event.target === byId("q") && event.key === "ArrowDown") focusLink(listLinks(), 0);
  else if (event.key === "Escape" && (event.target === byId("q") || !isTyped)) clearAll();
  else if (isTyped) isTaken = false;
  else if (event.key === "/") focusSearch();
  else if (event.key === "j" && state.view === "tasks") openNeighbour(1);
  else if (event.key === "k" && state.view === "tasks") openNeighbour(-1);
  else isTaken = false;
  if (isTaken) event.preventDefault();
}

byId("q").addEventListener("input", () => {
  go({ q: byId("q").value, task: "", template: "" }, { replace: !state.task });
});
byId("form").addEventListener("submit", (event) => event.preventDefault());
byId("claims").addEventListener("change", () => {
  const boxes = [...byId("claims").querySelectorAll("input:checked")];
  go({ is: boxes.map((box) => box.value).join(","), task: "", template: "" });
});
byId("clear").addEventListener("click", clearAll);
byId("skip").addEventListener("click", () => byId("heading").focus());
document.addEventListener("keydown", onKey);
addEventListener("hashchange", () => {
  const before = state;
  state = parsed(location.hash);
  show(before);
});
setUp();
show();
if (state.template) moveTo({ ...DEFAULTS });
