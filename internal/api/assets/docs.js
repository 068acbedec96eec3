"use strict";
// The page works without this: it adds the search and opens what a link leads to.
const filter = document.getElementById("filter");
const found = document.getElementById("found");
const operations = [...document.querySelectorAll("details.operation")];

function search() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const operation of operations) {
    const text = operation.textContent.toLowerCase();
    operation.hidden = !words.every((word) => text.includes(word));
    shown += operation.hidden ? 0 : 1;
  }
  for (const group of document.querySelectorAll("section.group")) {
    group.hidden = group.querySelector("details.operation:not([hidden])") === null;
  }
  found.textContent = words.length ? `${shown} of ${operations.length}` : "";
}

function open() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

document.getElementById("search").hidden = false;
filter.addEventListener("input", search);
addEventListener("hashchange", open);
open();
