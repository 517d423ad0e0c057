// live asks for the page again, now and then and when something happened, and
// changes what differs.
import {morph} from './morph.js';

const kinds = ['rollout', 'service', 'node', 'cut', 'endpoint', 'state', 'missed'];
const least = 400; // milliseconds between two looks
const patience = 10_000;

export function live({every, events}) {
  const readers = [];
  let asking = false, timer = 0, last = 0, failures = 0, source = null;

  function soon(wait) {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.max(wait, last + least - Date.now()));
  }

  function ask() {
    if (document.hidden) return;
    if (asking) return soon(least);
    asking = true;
    last = Date.now();
    // An XMLHttpRequest parses a document by itself: no text becomes HTML here.
    const x = new XMLHttpRequest();
    x.open('GET', location.href);
    x.setRequestHeader('Accept', 'text/html'); // GET / has another answer for scripts
    x.responseType = 'document';
    x.timeout = patience;
    x.onloadend = () => {
      asking = false;
      if (x.status && x.response) show(x);
      else state('off', 'Not connected. Figures are old.');
      failures = x.status && x.response ? 0 : failures + 1;
      soon(Math.min(every * 2 ** failures, 15_000));
    };
    x.send();
  }

  function show(x) {
    const next = x.response;
    const style = d => d.querySelector('link[rel=stylesheet]')?.getAttribute('href');
    // Logged out meanwhile, or another build of weir: begin anew.
    if (!next.getElementById('live') || style(next) !== style(document)) return location.reload();
    document.title = next.title;
    for (const id of ['alerts', 'main', 'foot']) morph(document.getElementById(id), next.getElementById(id));
    state('on', next.getElementById('live-text').textContent);
  }

  function state(name, text) {
    const line = document.getElementById('live');
    line.dataset.state = name;
    // Ticking is not worth saying aloud; a lost connection is.
    line.setAttribute('aria-live', name === 'on' ? 'off' : 'polite');
    document.getElementById('live-text').textContent = text;
  }

  // Browsers open few connections to one address, and a stream holds one: a page
  // that nobody sees gives it back.
  function listen() {
    if (document.hidden) {
      source?.close();
      source = null;
      return clearTimeout(timer);
    }
    if (!source) {
      source = new EventSource(events);
      for (const kind of kinds) {
        source.addEventListener(kind, e => {
          for (const read of readers) read(kind, JSON.parse(e.data));
          soon(0);
        });
      }
    }
    soon(0);
  }

  document.addEventListener('visibilitychange', listen);
  addEventListener('pageshow', e => e.persisted && listen());
  addEventListener('pagehide', () => { source?.close(); source = null; });
  search(() => soon(0));
  listen();
  return {now: () => soon(0), read: f => readers.push(f)};
}

// search narrows a list while somebody types.
function search(now) {
  const form = document.querySelector('form.find');
  if (!form) return;
  let timer = 0;
  const go = () => {
    const url = new URL(form.action);
    for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
    history.replaceState(null, '', url);
    now();
  };
  form.addEventListener('submit', e => { e.preventDefault(); go(); });
  form.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(go, 200); });
}
