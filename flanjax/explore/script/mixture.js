// What a run draws, tests and leaves out under a hold-out.

function drawMixture() {
  const split = CONTENT.hold_outs.find(({ rule }) => rule === state.hold_out);
  const isDrawn = split && !split.error;
  return [
    element("h2", { id: "heading", tabindex: -1 }, "What a run draws"),
    element(
      "div",
      { class: "mixture" },
      element(
        "div",
        {},
        element(
          "div",
          { class: "card chooser" },
          holdOutChoice(),
          split ? splitSummary(split) : unknownRule(),
        ),
        isDrawn ? clusterShares(split) : "",
      ),
      isDrawn ? taskShares(split) : "",
    ),
  ];
}

/** Returns what a change of the hold-out is announced with. */
function splitSentence() {
  const split = CONTENT.hold_outs.find(({ rule }) => rule === state.hold_out);
  if (!split || split.error) return "";
  const numTrained = Object.keys(split.shares).length + split.unsized.length;
  const numDropped = Object.keys(split.dropped).length;
  const tasks = `${plural(numTrained, "task")} trained on, ${split.tested.length} tested`;
  return `Held out ${split.rule || "nothing"}: ${tasks}, ${numDropped} left out.`;
}

function holdOutChoice() {
  const groups = [
    ["nothing", null],
    ["cluster", "A cluster"],
    ["intra", "One dataset of each larger cluster"],
  ];
  const options = groups.map(([kind, title]) => {
    const held = CONTENT.hold_outs.filter((split) => split.kind === kind);
    const entries = held.map(({ rule }) =>
      element("option", { value: rule, selected: rule === state.hold_out }, rule || "nothing"),
    );
    return title && entries.length ? element("optgroup", { label: title }, entries) : entries;
  });
  const select = element("select", { id: "hold-out" }, options);
  select.addEventListener("change", () => {
    go({ hold_out: select.value });
    byId("hold-out").focus();
  });
  return element("label", { class: "hold-out" }, "Held out ", select);
}

function unknownRule() {
  return element("p", {}, `This page has no hold-out ${state.hold_out}; choose one.`);
}

function splitSummary(split) {
  if (split.error) return element("p", { class: "missing" }, split.error);
  const numTrained = Object.keys(split.shares).length + split.unsized.length;
  const numDropped = Object.keys(split.dropped).length;
  const facts = [
    [numTrained, "trained on"],
    [split.tested.length, "tested"],
    [numDropped, "left out of both"],
  ];
  const items = facts.map(([value, what]) =>
    element("div", {}, element("dd", { class: "big" }, number(value)), element("dt", {}, what)),
  );
  const unsized = split.unsized.length
    ? element(
        "p",
        { class: "missing" },
        `Of unknown size, and without a share here: ${split.unsized.join(", ")}.`,
      )
    : "";
  return [
    element("dl", { class: "tiles" }, items),
    element("p", { class: "soft" }, ratesNote()),
    unsized,
  ];
}

/** Returns how shares follow from sizes, and where the sizes are from. */
function ratesNote() {
  const { rate_cap: cap, max_examples: most, temperature } = CONTENT.mixture;
  const isRead = TASKS.some((task) => task.size.origin === "read");
  const published = "those that TFDS publishes, before the tasks' own filters.";
  return [
    "A task is drawn in proportion to its training examples. ",
    `At most ${number(most)} of them are used and ${number(cap)} counted (the rate cap)`,
    temperature === 1 ? ", at temperature 1. " : `, to the power of 1 / ${temperature}. `,
    isRead
      ? `Sizes are counted where the data was read, else ${published}`
      : `Sizes are ${published}`,
  ];
}

function sumOfShares(split, cluster) {
  const held = TASKS.filter((task) => task.cluster === cluster);
  return held.reduce((sum, { name }) => sum + (split.shares[name] ?? 0), 0);
}

function clusterShares(split) {
  const sums = CONTENT.clusters.map((cluster) => [cluster, sumOfShares(split, cluster)]);
  const before = CONTENT.clusters.map((cluster) =>
    CONTENT.hold_outs[0].shares ? sumOfShares(CONTENT.hold_outs[0], cluster) : 0,
  );
  const largest = Math.max(...sums.map(([, sum]) => sum), ...before);
  const rows = sums.map(([cluster, sum], place) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, breakable(cluster)),
      element("td", { class: "bars" }, bar(sum, largest, before[place])),
      element("td", { class: "number" }, sum ? percent(sum) : clusterFate(split, cluster)),
      element("td", { class: "number soft was" }, split.rule ? percent(before[place]) : ""),
    ),
  );
  const heads = [
    ["cluster"],
    ["share of draws", "bars"],
    ["", "number"],
    [split.rule ? "nothing held out" : "", "number was"],
  ];
  return shareTable("By cluster", heads, rows);
}

/** Returns why a cluster has no share. */
function clusterFate(split, cluster) {
  const held = TASKS.filter((task) => task.cluster === cluster).map(({ name }) => name);
  if (held.every((name) => split.tested.includes(name))) return tag("held out", "held");
  return held.some((name) => split.unsized.includes(name)) ? "unknown" : tag("left out");
}

function taskShares(split) {
  const largest = Math.max(...Object.values(split.shares));
  const rows = TASKS.map((task) =>
    element(
      "tr",
      { class: task.name in split.shares ? false : "out" },
      element(
        "th",
        { scope: "row" },
        element("a", { href: taskAddress(task.name) }, breakable(task.name)),
      ),
      fateCells(split, task, largest),
      element("td", { class: "number" }, number(task.size.examples)),
    ),
  );
  return shareTable(
    "By task",
    [["task"], ["share of draws", "bars"], ["", "number"], ["examples", "number"]],
    rows,
  );
}

/** Returns a task's share, or what became of it instead. */
function fateCells(split, task, largest) {
  const share = split.shares[task.name];
  if (share !== undefined) {
    const cell = element("td", { class: "bars" }, bar(share, largest));
    return [cell, element("td", { class: "number" }, percent(share))];
  }
  const reason = split.dropped[task.name];
  const fate = split.tested.includes(task.name)
    ? tag("held out", "held")
    : reason
      ? [tag("left out"), ` ${reason}`]
      : tag("size unknown");
  return element("td", { colspan: 2, class: "fate" }, fate);
}

function bar(share, largest, before = null) {
  const width = (value) => `${(100 * value) / (largest || 1)}%`;
  const mark = width(before ?? 0);
  return drawn(
    "svg",
    { width: "100%", height: 14, "aria-hidden": "true" },
    before === null ? "" : drawn("rect", { class: "ghost", x: 0, y: 5, height: 4, width: mark }),
    drawn("rect", { class: "bar last", x: 0, y: 2, height: 10, rx: 2, width: width(share) }),
  );
}

function shareTable(title, heads, rows) {
  const cells = heads.map(([text, kind]) =>
    element(text ? "th" : "td", { scope: text ? "col" : null, class: kind }, text),
  );
  const head = element("thead", {}, element("tr", {}, cells));
  const region = { class: "scroll", role: "region", tabindex: 0, "aria-label": title };
  const table = element("table", { class: "shares" }, head, element("tbody", {}, rows));
  return element(
    "section",
    { class: "card" },
    element("h3", {}, title),
    element("div", region, table),
  );
}
