// One task: its facts, its lengths, and its templates beside what a record makes of them.

function drawTask(task) {
  const isAbout = state.part === "about";
  const about = () => element("div", { class: "about" }, factsCard(task), lengthsCard(task));
  return [
    backLink(),
    taskHead(task),
    element(
      "div",
      { class: "head spread controls" },
      partChoice(),
      isAbout ? "" : recordChoices(task),
    ),
    isAbout ? about() : templateCards(task),
    neighbours(),
  ];
}

function backLink() {
  const link = element("a", { href: address({ task: "", template: "", sample: "" }) }, "All tasks");
  return element("p", { class: "back" }, "← ", link);
}

function taskHead(task) {
  const inverted = numInverted(task);
  const split = (name) => task.splits.find((each) => each.name === name);
  const sizes = ["train", "validation", "test"]
    .filter((name) => split(name)?.rows)
    .map((name) => `${number(split(name).rows)} ${name}`);
  return element(
    "div",
    { class: "task-head" },
    element(
      "p",
      { class: "soft" },
      element("a", { href: address({ task: "", cluster: task.cluster }) }, task.cluster),
    ),
    element("h2", { id: "heading", tabindex: -1 }, breakable(task.name)),
    element(
      "p",
      { class: "tags" },
      tag(modeName(task), "held"),
      task.metrics.map((metric) => tag(metric)),
      inverted ? tag(`${inverted} of ${templates(task).length} inverted`) : "",
      task.is_extractive ? tag("extractive") : "",
      task.is_trainable ? "" : tag("no training split: evaluation only", "bad"),
    ),
    element(
      "p",
      { class: "soft" },
      [...sizes, ...(task.missing ? ["data not read"] : [])].join(" · "),
    ),
  );
}

function factsCard(task) {
  const share = shareOf(task);
  const facts = [
    ["source", task.source],
    ["license", task.license],
    ["citation", task.citation],
    ["metrics", links(task.metrics, (metric) => ({ metric }))],
    ["built on", links(task.corpora, (corpus) => ({ q: `"${corpus}"` }))],
    [
      "fields",
      task.fields.map((field) => [
        element("span", { class: `field ${hue(task, field)}` }, field),
        " ",
      ]),
    ],
    ["published", splitFacts(task)],
    ["share", share === null ? "none: not trained on" : shareFact(task, share)],
    [
      "variants",
      links(
        variants(task).map(({ name }) => name),
        (name) => ({ task: name }),
      ),
    ],
    ["version", String(task.version)],
  ];
  const rows = facts
    .filter(([, value]) => value.length)
    .map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  const missing = task.missing
    ? element("p", { class: "missing" }, `Not read: ${task.missing}`)
    : "";
  return element(
    "div",
    { class: "card" },
    element("h3", {}, "About it"),
    element("dl", {}, rows),
    missing,
  );
}

/** Returns values as links to the tasks that share them. */
function links(values, changes) {
  const fresh = {
    task: "",
    q: "",
    cluster: "",
    mode: "",
    metric: "",
    is: "",
    template: "",
    sample: "",
  };
  return values.map((text, place) => [
    place ? ", " : "",
    element("a", { href: address({ ...fresh, ...changes(text) }) }, text),
  ]);
}

function splitFacts(task) {
  return task.splits.map(({ name, rows, cut }, place) => [
    place ? element("br") : "",
    `${name} ${rows === null ? "" : number(rows)}`,
    cut ? element("code", { class: "soft" }, ` ${cut}`) : "",
  ]);
}

function shareFact(task, share) {
  const link = element("a", { href: address({ view: "mixture", task: "" }) }, "whole catalogue");
  const read = task.size.origin === "read" ? ", counted" : "";
  return [`${percent(share)} of the `, link, ` (${number(task.size.examples)} examples${read})`];
}

function lengthsCard(task) {
  const { lengths } = task;
  if (!lengths)
    return element("div", { class: "card" }, element("h3", {}, "Lengths"), "No record is at hand.");
  const unit = state.unit in lengths ? state.unit : DEFAULTS.unit;
  const what = isRead(task) ? `records of ${lengths.origin}` : "hand-written records";
  const remedy = task.missing ? "the data was not read." : "those of the data need --data_dir.";
  const note = isRead(task) ? " Chosen by a hash of their content." : ` They are short; ${remedy}`;
  const records = `${lengths.records} ${what} in ${templates(task).length} templates`;
  const from = `${plural(lengths.renders, "render")}: ${records}.`;
  return element(
    "div",
    { class: "card" },
    element("div", { class: "head spread" }, element("h3", {}, "Lengths"), unitChoice(unit)),
    ["inputs", "targets"].map((side) => [
      element("h4", {}, side === "inputs" ? "prompt" : "target"),
      histogram(lengths, unit, side),
      element("p", { class: "soft" }, told(lengths[unit][side], unit)),
    ]),
    element("p", { class: "soft" }, from, note),
  );
}

function unitChoice(unit) {
  return choice(
    "Unit",
    "unit",
    [
      ["words", "words"],
      ["bytes", "UTF-8 bytes"],
    ],
    unit,
  );
}

/** Returns buttons of which one is pressed; each changes one part of what is shown. */
function choice(label, key, options, chosen) {
  const buttons = options.map(([value, text]) => {
    const attributes = {
      type: "button",
      "aria-pressed": String(value === chosen),
      "data-key": `${key}=${value}`,
    };
    const button = element("button", attributes, text);
    button.addEventListener("click", () => {
      go({ [key]: value }, { replace: true });
      byId("panel")
        .querySelector(`[data-key="${CSS.escape(`${key}=${value}`)}"]`)
        ?.focus();
    });
    return button;
  });
  return element("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

function partChoice() {
  return choice(
    "Part",
    "part",
    [
      ["", "Templates"],
      ["about", "Facts and lengths"],
    ],
    state.part,
  );
}

function templateCards(task) {
  const sample = task.samples[Number(state.sample)] ?? task.samples[0];
  const cards = templates(task).map((template, place) =>
    templateCard(task, template, place, sample),
  );
  if (!sample)
    return [element("p", { class: "missing" }, `No record to render. ${task.missing}`), cards];
  const isWritten = sample.origin.startsWith("hand-written");
  const from = isWritten ? "--handwritten" : "--data_dir=DIR";
  const command = `flanjax tasks show ${task.name} --catalog=${CONTENT.place} ${from} --all`;
  return [
    cards,
    element("p", { class: "soft command" }, "In a terminal: ", element("code", {}, command)),
  ];
}

/** Returns links to the tasks before and after this one, among those that are left. */
function neighbours() {
  const names = found().map(({ task }) => task.name);
  const place = names.indexOf(state.task);
  const link = (name, text) =>
    name ? element("a", { href: taskAddress(name) }, text(breakable(name))) : "";
  return element(
    "nav",
    { class: "head spread neighbours", "aria-label": "Neighbours" },
    element(
      "span",
      {},
      link(names[place - 1], (name) => ["← ", name]),
    ),
    element("span", {}, place < 0 ? "" : link(names[place + 1], (name) => [name, " →"])),
  );
}

function recordChoices(task) {
  if (!task.samples.length) return "";
  const chosen = task.samples[Number(state.sample)] ? Number(state.sample) : 0;
  const options = task.samples.map(({ origin }, place) =>
    element("option", { value: place, selected: place === chosen }, origin),
  );
  const select = element("select", { "data-key": "sample", "aria-label": "record" }, options);
  select.addEventListener("change", () => {
    go({ sample: select.value === "0" ? "" : select.value }, { replace: true });
    byId("panel").querySelector('[data-key="sample"]').focus();
  });
  const most = Math.max(...task.samples.map(({ shots }) => shots.length));
  const shots = most
    ? choice(
        "Solved examples",
        "shots",
        [
          ["", "zero-shot"],
          [String(most), `${most}-shot`],
        ],
        state.shots,
      )
    : "";
  return element(
    "div",
    { class: "head" },
    element("label", {}, element("span", { class: "label" }, "record "), select),
    shots,
  );
}

function templateCard(task, template, place, sample) {
  const words = searchWords(state.q);
  const isOpen = state.template === String(place);
  const lacksOptions =
    task.mode === "rank" && !template.inputs.some(([, field]) => field === "options");
  const link = element(
    "a",
    { href: taskAddress(task.name, { template: String(place), sample: state.sample }) },
    `Template ${place}`,
  );
  const head = element(
    "div",
    { class: "head" },
    element("h4", { class: "title" }, link),
    template.inverted ? tag("inverted: trained on, never scored") : "",
    lacksOptions && !template.inverted ? tag("options are not listed") : "",
  );
  const wording = element(
    "div",
    {},
    element("h5", {}, "prompt"),
    element("pre", {}, wordingNodes(task, template.inputs, words)),
    element("h5", {}, "target"),
    element("pre", {}, wordingNodes(task, template.targets, words)),
  );
  const attributes = {
    class: isOpen ? "card template open" : "card template",
    id: `template-${place}`,
  };
  const filled = sample ? filledColumn(task, template, sample, place) : "";
  return element("article", attributes, head, element("div", { class: "pair" }, wording, filled));
}

function filledColumn(task, template, sample, place) {
  const numShots = Number(state.shots) || 0;
  const label = `Template ${place}, rendered prompt`;
  return element(
    "div",
    { class: "filled" },
    element("h5", {}, "rendered prompt"),
    element(
      "pre",
      { class: "prompt", "aria-label": label, role: "group" },
      promptNodes(task, template, sample, numShots),
    ),
    element("h5", {}, "rendered target"),
    element("pre", { class: "target" }, filledNodes(task, template.targets, sample)),
    alternatives(task, template, sample),
  );
}
