// log lists events as they come.
const most = 200;

export function log(page) {
  const list = document.getElementById('stream');
  if (!list) return;
  page.read((kind, event) => {
    const line = document.createElement('li');
    const time = document.createElement('time');
    time.textContent = event.at ? event.at.slice(11, 19) : '';
    time.dateTime = event.at ?? '';
    const text = document.createElement('div');
    text.append(pill(event.phase || kind, event.phase), ' ', subject(event), ' ', event.text ?? '');
    if (event.lost) text.append(` (${event.lost} events before this one were missed)`);
    line.append(time, text);
    list.prepend(line);
    while (list.children.length > most) list.lastChild.remove();
    document.getElementById('stream-empty').hidden = true;
  });
}

function pill(text, phase) {
  const e = document.createElement('span');
  e.className = 'pill' + (phase ? ' p-' + phase : '');
  e.textContent = text.replaceAll('_', ' ');
  return e;
}

function subject(event) {
  if (!event.service) return '';
  const e = document.createElement('a');
  e.href = event.rollout ? '/rollouts/' + encodeURIComponent(event.rollout) : '/services/' + encodeURIComponent(event.service);
  e.textContent = event.service;
  return e;
}
