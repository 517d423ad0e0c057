// morph makes one tree of elements like another, and touches only what differs,
// so that focus, scroll positions and open details stay. Elements are told apart
// by id. What has data-keep belongs to the page in the browser.
export function morph(from, to) {
  attributes(from, to);
  let at = from.firstChild;
  for (let want = to.firstChild; want; want = want.nextSibling) {
    const have = find(from, at, want);
    if (!have) {
      from.insertBefore(document.importNode(want, true), at);
      continue;
    }
    if (have === at) at = at.nextSibling;
    else move(from, have, at);
    if (have.nodeType !== Node.ELEMENT_NODE) {
      if (have.data !== want.data) have.data = want.data;
    } else if (!have.hasAttribute('data-keep')) {
      morph(have, want);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// find looks for the node that is to become like want, from at on.
function find(parent, at, want) {
  if (want.nodeType !== Node.ELEMENT_NODE) {
    return at && at.nodeType === want.nodeType ? at : null;
  }
  if (want.id) {
    const have = document.getElementById(want.id);
    return have && have.parentNode === parent && have.nodeName === want.nodeName ? have : null;
  }
  for (; at; at = at.nextSibling) {
    if (at.nodeType !== Node.ELEMENT_NODE) continue;
    if (at.nodeName === want.nodeName && !at.id) return at;
    return null;
  }
  return null;
}

// move puts a node before another, and gives it back the focus that this costs.
function move(parent, node, before) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(node, before);
  if (focused) focused.focus({preventScroll: true});
}

function attributes(from, to) {
  for (const {name, value} of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const name of from.getAttributeNames()) {
    // Whether details are open is the reader's.
    if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name);
  }
}
