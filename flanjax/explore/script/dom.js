// Elements from data. Text becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined)
      node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter(Boolean));
  return node;
}

function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function drawn(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function byId(id) {
  return document.getElementById(id);
}

function hidden(text) {
  return element("span", { class: "hidden" }, text);
}

function tag(text, kind = "") {
  return element("span", { class: `tag ${kind}`.trim() }, text);
}

function number(value) {
  return value === null ? "–" : value.toLocaleString("en-US");
}

function plural(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function percent(share) {
  return `${(100 * share).toFixed(2)}\u00a0%`;
}

/** Returns a number in at most four characters: 950, 2.3k, 67k, 1.2M. */
function short(value) {
  if (value === null) return "–";
  const [size, unit] = value < 1e3 ? [1, ""] : value < 1e6 ? [1e3, "k"] : [1e6, "M"];
  const scaled = value / size;
  return (unit && scaled < 10 ? scaled.toFixed(1).replace(".0", "") : Math.floor(scaled)) + unit;
}

/** Returns a name that may break after its underscores. */
function breakable(name) {
  return name.split(/(?<=_)/).map((part, place) => [place ? element("wbr") : "", part]);
}

/** Returns a text in pieces, those that are one of the words marked. */
function marked(text, words) {
  if (!words.length) return [text];
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return text
    .split(new RegExp(`(${escaped.join("|")})`, "gi"))
    .map((piece, place) => (place % 2 ? element("mark", {}, piece) : piece));
}
