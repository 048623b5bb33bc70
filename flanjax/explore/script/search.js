// Which tasks and templates a search and the filters leave.

const CONTENT = JSON.parse(byId("content").textContent, (key, value) => bare(value));
const TASKS = CONTENT.tasks;
const BY_NAME = new Map(TASKS.map((task) => [task.name, task]));

/** Returns an object without a prototype, so that a task may be named "constructor". */
function bare(value) {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? Object.assign(Object.create(null), value) : value;
}

/** What a task may be asked to be, each with its words and its test. */
const CLAIMS = bare({
  inverted: ["has inverted", (task) => numInverted(task) > 0],
  variant: ["has variants", (task) => variants(task).length > 0],
  extractive: ["extractive", (task) => task.is_extractive],
  evaluation: ["evaluation only", (task) => !task.is_trainable],
  read: ["data at hand", (task) => isRead(task)],
});

function templates(task) {
  return CONTENT.wordings[task.wording];
}

function modeName(task) {
  return task.mode === "rank" ? "rank classification" : "generation";
}

function numInverted(task) {
  return templates(task).filter((template) => template.inverted).length;
}

function variants(task) {
  return TASKS.filter((other) => other !== task && other.wording === task.wording);
}

function isRead(task) {
  return task.lengths !== null && task.lengths.origin !== "hand-written";
}

/** Returns a template's side as its author wrote it, with {field} names. */
function templateText(pieces) {
  return pieces.map(([text, field]) => text + (field === undefined ? "" : `{${field}}`)).join("");
}

const INDEX = new Map(
  TASKS.map((task) => {
    const facts = [task.name, task.name.replaceAll("_", " "), task.cluster, task.mode];
    facts.push(...task.metrics, ...task.corpora, task.source);
    const texts = templates(task).map(({ inputs, targets }) =>
      `${templateText(inputs)}\n${templateText(targets)}`.toLowerCase(),
    );
    return [task, { facts: facts.join("\n").toLowerCase(), texts }];
  }),
);

/** Returns what is looked for: words, and phrases between quotation marks. */
function searchWords(text) {
  const found = text.toLowerCase().match(/"[^"]+"|[^\s"]+/g) ?? [];
  return found.map((word) => word.replaceAll('"', "").trim()).filter(Boolean);
}

/** Returns the places of the templates that a search finds; null where it finds nothing. */
function searched(task, words) {
  const { facts, texts } = INDEX.get(task);
  const places = texts.flatMap((text, place) => {
    const isFound = words.every((word) => text.includes(word) || facts.includes(word));
    return isFound && words.some((word) => text.includes(word)) ? [place] : [];
  });
  return places.length || words.every((word) => facts.includes(word)) ? places : null;
}

function isWanted(task) {
  return (
    (!state.cluster || task.cluster === state.cluster) &&
    (!state.mode || task.mode === state.mode) &&
    (!state.metric || task.metrics.includes(state.metric)) &&
    claims().every((claim) => CLAIMS[claim]?.[1](task))
  );
}

/** Returns {task, places} of each task that is left, in the catalogue's order. */
function found() {
  const words = searchWords(state.q);
  return TASKS.filter(isWanted)
    .map((task) => ({ task, places: words.length ? searched(task, words) : [] }))
    .filter(({ places }) => places !== null);
}
