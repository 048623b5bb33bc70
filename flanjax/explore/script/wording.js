// A template as it is written, and as a record fills it.

const NUM_HUES = 4;
const MOST_OPTIONS = 12;

/** Returns the class of a field's colour: the same in the wording and in the text. */
function hue(task, field) {
  if (field === "answer" || field === "options") return field;
  const others = task.fields.filter((name) => name !== "answer" && name !== "options");
  return `hue-${others.indexOf(field) % NUM_HUES}`;
}

function wordingNodes(task, pieces, words = []) {
  return pieces.map(([text, field]) => [
    marked(text, words),
    field === undefined
      ? ""
      : element("span", { class: `field ${hue(task, field)}` }, marked(`{${field}}`, words)),
  ]);
}

function filledNodes(task, pieces, sample) {
  return pieces.map(([text, field]) => [
    text,
    field === undefined ? "" : value(task, field, sample),
  ]);
}

function value(task, field, sample) {
  const more = sample.cut[field];
  const attributes = { class: `value ${hue(task, field)}`, title: field };
  const rest = more ? element("em", {}, ` … (${number(more)} characters more)`) : "";
  return element("span", attributes, sample.values[field], rest);
}

/** Returns the prompt: solved examples first, as flanjax puts them before a query. */
function promptNodes(task, template, sample, numShots) {
  const { shot, answer } = CONTENT.separators;
  const solved = sample.shots.slice(0, numShots).map((place) => {
    const other = task.samples[place];
    const text = [filledNodes(task, template.inputs, other), answer];
    return element(
      "span",
      { class: "shot" },
      text,
      filledNodes(task, template.targets, other),
      shot,
    );
  });
  return [solved, filledNodes(task, template.inputs, sample)];
}

/** Returns a target with another answer in it. */
function targetText(template, sample, answer) {
  const values = { ...sample.values, answer };
  return template.targets
    .map(([text, field]) => text + (field === undefined ? "" : values[field]))
    .join("");
}

/** Returns what a target is ranked against or compared with, null where it stands alone. */
function alternatives(task, template, sample) {
  if (template.inverted) return null;
  const isRanked = task.mode === "rank";
  const answers = isRanked ? sample.options : (sample.references ?? []);
  if (!isRanked && answers.length < 2) return null;
  const right = targetText(template, sample, sample.values.answer);
  const items = answers.slice(0, MOST_OPTIONS).map((answer) => {
    const text = targetText(template, sample, answer);
    const isRight = isRanked && text === right;
    return element("li", { class: isRight ? "right" : false }, text, isRight && hidden(" (right)"));
  });
  const rest = answers.length - MOST_OPTIONS;
  if (rest > 0) items.push(element("li", { class: "rest" }, `${number(rest)} more`));
  const title = isRanked ? "ranked options" : "also right";
  return [element("h4", {}, title), element("ul", { class: "options" }, items)];
}
