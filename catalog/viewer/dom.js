// Making elements; text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children (elements or texts). */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (![false, null, undefined].includes(value)) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => ![false, null, undefined].includes(child)));
  return element;
}

export const find = (id) => document.getElementById(id);

/** Tell screen readers. */
export function announce(text) {
  find("live").textContent = text;
}

/** A message in place of what could not be had. */
export const trouble = (error) => make("p", { class: "trouble", role: "alert" }, error.message);
