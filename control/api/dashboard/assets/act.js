// act asks before it does anything, and then asks the API. A button says what:
// data-post is where to, data-effect what will happen.
const patience = 30_000; // milliseconds

export function act(done) {
  const dialog = document.getElementById('confirm');
  const part = name => document.getElementById('confirm-' + name);
  let wanted = null, opener = '';

  document.addEventListener('click', e => {
    const button = e.target.closest('button[data-post]');
    if (!button) return;
    wanted = {...button.dataset};
    opener = button.id;
    part('title').textContent = wanted.title;
    part('effect').textContent = wanted.effect;
    part('yes').textContent = wanted.yes;
    part('yes').className = wanted.tone === 'grave' ? 'solid-grave' : 'main';
    part('full').checked = false;
    part('full-row').hidden = !wanted.full;
    part('reason').value = '';
    part('reason-row').hidden = !wanted.reason;
    part('problem').replaceChildren();
    part('yes').disabled = false;
    dialog.showModal();
    part(wanted.reason ? 'reason' : 'yes').focus();
  });

  part('no').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    if (dialog.open) return; // this is told late: it is open for something else by now
    // The button may be gone: what it did was done.
    (document.getElementById(opener) ?? document.getElementById('main')).focus();
  });

  dialog.querySelector('form').addEventListener('submit', async e => {
    e.preventDefault();
    const asked = wanted;
    part('yes').disabled = true;
    part('problem').replaceChildren();
    try {
      const result = await post(asked, part('reason').value, part('full').checked);
      if (wanted === asked) dialog.close();
      tell([result.text, ...(result.warnings ?? [])].join('. '));
    } catch (problem) {
      if (wanted === asked && dialog.open) show(problem);
      else tell(asked.title + ' ' + (problem.detail ?? problem));
    } finally {
      if (wanted === asked) part('yes').disabled = false;
      done();
    }
  });

  function show(problem) {
    const lines = [problem.detail ?? String(problem), problem.hint].filter(Boolean);
    part('problem').replaceChildren(...lines.map(text => element('p', text)));
    if (problem.problems?.length) {
      const list = document.createElement('ul');
      list.append(...problem.problems.map(text => element('li', text)));
      part('problem').append(list);
    }
    if (problem.allowed?.length) part('problem').append(element('p', 'Allowed now: ' + problem.allowed.join(', ')));
  }
}

async function post({post: path, match, reason: asks, full: mayFull}, reason, full) {
  const body = {};
  if (asks && reason) body.reason = reason;
  if (mayFull && full) body.full = true;
  const headers = {'Content-Type': 'application/json'};
  if (match) headers['If-Match'] = `"${match}"`;
  const answer = await fetch(path, {method: 'POST', headers, body: JSON.stringify(body), redirect: 'error', signal: AbortSignal.timeout(patience)});
  const result = await answer.json();
  if (!answer.ok) throw result;
  return result;
}

function element(name, text) {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

let telling = 0;

// tell says what was done, aloud too, and not for ever.
export function tell(text) {
  const line = document.getElementById('told');
  line.textContent = text;
  line.hidden = false;
  clearTimeout(telling);
  telling = setTimeout(() => { line.hidden = true; }, 8000);
}
