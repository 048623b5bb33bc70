// The list of tasks by cluster, and how keys move in it.

function drawList(hits) {
  const links = [];
  const parts = CONTENT.clusters.flatMap((cluster) => {
    const held = hits.filter(({ task }) => task.cluster === cluster);
    if (!held.length) return [];
    const items = held.map((hit) => listItem(hit, links));
    const heading = element(
      "h2",
      {},
      breakable(cluster),
      element("span", { class: "soft" }, ` ${held.length}`),
    );
    return [heading, element("ul", {}, items)];
  });
  if (!parts.length) parts.push(element("p", { class: "empty" }, "No task is left."));
  byId("list").replaceChildren(...parts);
  const current = links.find((link) => link.hasAttribute("aria-current")) ?? links[0];
  if (current) current.tabIndex = 0;
  if (current?.hasAttribute("aria-current")) keepInSight(current);
}

function listItem({ task, places }, links) {
  const [count, noun] = state.q
    ? [places.length || "", places.length ? " templates found" : ""]
    : [short(task.size.examples), " training examples"];
  const attributes = { href: taskAddress(task.name), tabindex: -1 };
  if (state.task === task.name) attributes["aria-current"] = "page";
  const name = element("span", { class: "name" }, marked(task.name, searchWords(state.q)));
  const link = element(
    "a",
    attributes,
    name,
    element("span", { class: "count" }, String(count), hidden(noun)),
  );
  links.push(link);
  return element("li", {}, link);
}

function listLinks() {
  return [...byId("list").querySelectorAll("a")];
}

/** Scrolls the list alone, never the page, until a link of it can be seen. */
function keepInSight(link) {
  const list = byId("list");
  const [inner, outer] = [link.getBoundingClientRect(), list.getBoundingClientRect()];
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top + 40;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom + 40;
}

/** Moves the focus in the list as arrow keys, Home and End ask; true where it did. */
function moveInList(key, from) {
  const links = listLinks();
  const place = links.indexOf(from);
  const last = links.length - 1;
  const wanted = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: last }[key];
  if (wanted === undefined) return false;
  if (wanted < 0) byId("q").focus();
  else focusLink(links, Math.min(wanted, last));
  return true;
}

function focusLink(links, place) {
  if (!links.length) return;
  for (const link of links) link.tabIndex = -1;
  links[place].tabIndex = 0;
  links[place].focus();
}

/** Opens the task that stands so many places further among those that are left. */
function openNeighbour(step) {
  const names = found().map(({ task }) => task.name);
  if (!names.length) return;
  const place = names.indexOf(state.task);
  const next = place < 0 ? 0 : Math.max(0, Math.min(names.length - 1, place + step));
  go({ task: names[next], template: "", sample: "" });
}
