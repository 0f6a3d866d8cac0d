'use strict';
(() => {
  const $ = id => document.getElementById(id);
  if (!$('data')) return;
  const data = JSON.parse($('data').textContent);
  const rows = data.rows.map(([name, score, flags = [], path = null, thumbnail = null, map = null], number) => ({
    number, name, score, path, thumbnail, map, mark: '',
    flags: flags.map(i => data.flags[i]).join('; '),
    folder: name.slice(0, Math.max(0, name.lastIndexOf('/'))),
  }));
  for (const row of rows) row.text = (row.name + ' ' + row.flags).toLowerCase();
  const list = $('list'), space = $('space'), viewer = $('viewer');
  const narrow = matchMedia('(max-width: 760px)');
  const height = () => narrow.matches ? 88 : 72;  // of a row, as in the style

  // Links: path segments as they are on disk. Lone surrogates stand for bytes that are not UTF-8.
  const encoded = text => Array.from(text, c => {
    const code = c.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return '%' + (code - 0xdc00).toString(16).toUpperCase();
    return code >= 0xd800 && code <= 0xdfff ? '%EF%BF%BD' : encodeURIComponent(c);
  }).join('');
  const url_of = (base, path) => path === null ? null : base + path.split('/').map(encoded).join('/');
  const link = row => url_of(data.base_url, row.path);

  // Marks, kept by the browser where it lets pages from disk do so.
  const KEY = 'mmqpt-report-' + data.id;
  try {
    for (const [number, mark] of Object.entries(JSON.parse(localStorage.getItem(KEY)) || {}))
      if (rows[number] && (mark === 'keep' || mark === 'reject')) rows[number].mark = mark;
  } catch { /* none kept */ }
  const remember = () => {
    try {
      localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(rows.filter(r => r.mark).map(r => [r.number, r.mark]))));
    } catch { /* they last as long as the page */ }
  };
  let undone = [];
  const mark = (some, value) => {
    undone = some.map(row => [row, row.mark]);
    for (const row of some) row.mark = value;
    remember();
    refresh();
  };

  // Filter and order.
  const filter = {text: '', low: 0, high: 1, folder: null, flag: null, mark: ''};
  const compare = new Intl.Collator(undefined, {numeric: true}).compare;
  const order = {
    score: (a, b) => a.score - b.score, name: (a, b) => compare(a.name, b.name),
    flags: (a, b) => compare(a.flags, b.flags), mark: (a, b) => compare(a.mark, b.mark),
  };
  let column = 'score', up = false, sorted = rows.slice(), shown = rows, here = 0;
  const passes = row =>
    row.score >= filter.low && row.score <= filter.high && (!filter.text || row.text.includes(filter.text)) &&
    (filter.folder === null || row.folder === filter.folder || row.folder.startsWith(filter.folder && filter.folder + '/')) &&
    (filter.flag === null || (filter.flag === -1 ? !row.flags : filter.flag === -2 ? row.flags : row.flags.split('; ').includes(data.flags[filter.flag]))) &&
    (!filter.mark || (row.mark || 'none') === filter.mark);
  const bars = Array.from(document.querySelectorAll('svg rect'));
  const spans = bars.map(bar => bar.textContent.split(':')[0].split(' to ').map(Number));
  const refresh = () => {
    shown = sorted.filter(passes);
    here = Math.max(0, Math.min(here, shown.length - 1));
    space.style.height = shown.length * height() + 'px';
    list.setAttribute('aria-rowcount', shown.length);
    const kept = rows.filter(r => r.mark === 'keep').length, rejected = rows.filter(r => r.mark === 'reject').length;
    $('shown').textContent = `${shown.length} of ${rows.length} shown; ${kept} to keep, ${rejected} to reject`;
    for (const name of ['keep-all', 'reject-all', 'clear-all']) $(name).disabled = !shown.length;
    $('save-csv').disabled = !(kept + rejected);
    $('save-script').disabled = !rejected;
    $('undo').disabled = !undone.length;
    bars.forEach((bar, i) => bar.classList.toggle('out', spans[i][1] < filter.low || spans[i][0] > filter.high));
    draw();
  };

  // The rows in sight, and no others.
  const made = new Map();
  const make = row => {
    const line = document.createElement('div');
    line.className = 'line row';
    line.setAttribute('role', 'row');
    const cell = (kind, parent = line) => {
      const found = document.createElement('div');
      found.className = kind;
      found.setAttribute('role', 'gridcell');
      parent.append(found);
      return found;
    };
    const frame = document.createElement('button');
    frame.className = 'frame';
    frame.tabIndex = -1;
    frame.setAttribute('aria-label', 'Show ' + row.name + ' large');
    if (row.thumbnail || row.path !== null) {
      const image = document.createElement('img');
      image.alt = '';
      image.decoding = 'async';
      image.loading = 'lazy';
      image.onerror = () => frame.replaceChildren('no photo here');
      image.src = row.thumbnail || link(row);
      frame.append(image);
    } else frame.append('no photo here');
    frame.onclick = () => open(row);
    line.append(frame);
    cell('score').textContent = row.score.toFixed(4);
    const text = document.createElement('div');
    text.className = 'text';
    text.setAttribute('role', 'presentation');
    line.append(text);
    const name = cell('name', text);
    name.title = row.name;
    if (row.path === null) name.textContent = row.name;
    else {
      const anchor = document.createElement('a');
      anchor.href = link(row);
      anchor.target = '_blank';
      anchor.rel = 'noopener noreferrer';
      anchor.tabIndex = -1;
      anchor.textContent = row.name;
      name.append(anchor);
    }
    cell('flags', text).textContent = row.flags;
    const marks = cell('marks');
    for (const value of ['keep', 'reject']) {
      const button = document.createElement('button');
      button.dataset.mark = value;
      button.tabIndex = -1;
      button.textContent = value;
      button.onclick = () => { mark([row], row.mark === value ? '' : value); list.focus({preventScroll: true}); };
      marks.append(button);
    }
    line.onmousedown = () => { here = shown.indexOf(row); draw(); };
    return line;
  };
  const press = (parent, row) => {
    for (const button of parent.querySelectorAll('button[data-mark]')) button.setAttribute('aria-pressed', String(button.dataset.mark === row.mark));
  };
  const draw = () => {
    const tall = height(), first = Math.max(0, Math.floor(list.scrollTop / tall) - 4);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / tall) + 4);
    const wanted = [], seen = new Set();
    for (let i = first; i < last; i++) {
      const row = shown[i];
      seen.add(row.number);
      if (!made.has(row.number)) made.set(row.number, make(row));
      const line = made.get(row.number);
      line.style.top = i * tall + 'px';
      line.id = 'row-' + i;
      line.setAttribute('aria-rowindex', i + 1);
      line.setAttribute('aria-selected', String(i === here));
      line.classList.toggle('here', i === here);
      press(line, row);
      wanted.push(line);
    }
    for (const number of made.keys()) if (!seen.has(number)) made.delete(number);
    if (wanted.length !== space.children.length || wanted.some((line, i) => line !== space.children[i])) space.replaceChildren(...wanted);
    list.setAttribute('aria-activedescendant', shown.length ? 'row-' + here : '');
  };
  const go = place => {
    here = Math.max(0, Math.min(place, shown.length - 1));
    const tall = height(), top = here * tall;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + tall > list.scrollTop + list.clientHeight) list.scrollTop = top + tall - list.clientHeight;
    draw();
  };
  list.addEventListener('scroll', () => requestAnimationFrame(draw));
  addEventListener('resize', refresh);

  // One photo, large.
  let large = null, mapped = false;
  const open = row => {
    large = row;
    const place = shown.indexOf(row), image = $('viewer-image');
    if (place >= 0) go(place);
    const url = link(row);
    const target = mapped && row.map !== null ? url_of(data.maps_url, row.map) : url;
    $('viewer-map').hidden = !data.maps_url;
    $('viewer-map').disabled = row.map === null;
    $('viewer-map').setAttribute('aria-pressed', String(mapped));
    $('viewer-score').textContent = row.score.toFixed(4);
    $('viewer-name').textContent = row.name;
    if (url) $('viewer-name').href = url; else $('viewer-name').removeAttribute('href');
    $('viewer-flags').textContent = row.flags;
    $('viewer-note').textContent = url ? '' : 'The photo was not found on this disk.';
    image.classList.remove('small');
    image.onerror = () => {
      if (image.classList.contains('small')) return image.removeAttribute('src');
      image.classList.add('small');
      if (row.thumbnail) image.src = row.thumbnail; else image.removeAttribute('src');
      if (url) $('viewer-note').textContent = 'This browser can not show the file, or it is no longer there; its name is a link to it.';
    };
    if (target) image.src = target; else image.onerror();
    $('previous').disabled = place <= 0;
    $('next').disabled = place < 0 || place >= shown.length - 1;
    press(viewer, row);
    if (!viewer.open) viewer.showModal();
  };
  const step = by => { const place = shown.indexOf(large) + by; if (shown[place]) open(shown[place]); };
  const decide = value => {
    const row = viewer.open ? large : shown[here];
    if (!row) return;
    const place = shown.indexOf(row);
    mark([row], value);
    const next = shown.indexOf(row) < 0 ? place : place + (value ? 1 : 0);  // it may be filtered out now
    if (!viewer.open) go(next);
    else if (shown[next]) open(shown[next]);
    else press(viewer, row);
  };
  $('previous').onclick = () => step(-1);
  $('next').onclick = () => step(1);
  const toggle = () => { if (viewer.open && data.maps_url) { mapped = !mapped; open(large); } };
  $('viewer-map').onclick = toggle;
  $('close').onclick = () => viewer.close();
  viewer.addEventListener('close', () => list.focus());
  for (const button of viewer.querySelectorAll('button[data-mark]')) button.onclick = () => decide(large.mark === button.dataset.mark ? '' : button.dataset.mark);
  for (const card of document.querySelectorAll('.cards .frame')) card.onclick = () => open(rows[card.dataset.number]);

  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, select, textarea')) return;
    const page = Math.max(1, Math.floor(list.clientHeight / height()) - 1);
    const moves = {ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!viewer.open && !list.contains(document.activeElement)) return;  // the page scrolls
    if (key in moves) {
      if (!viewer.open) go(here + moves[key]);
      else if (Number.isFinite(moves[key])) step(Math.sign(moves[key]));
    } else if (key === 'k') decide('keep');
    else if (key === 'r') decide('reject');
    else if (key === 'u') decide('');
    else if (key === 'm') toggle();
    else if (key === 'Enter' && document.activeElement === list && shown[here]) open(shown[here]);
    else return;
    event.preventDefault();
  });

  // What can be asked for.
  const choose = (select, choices) => {
    for (const [value, text] of choices) {
      const option = document.createElement('option');
      option.value = value;
      option.textContent = text;
      select.append(option);
    }
  };
  const counts = new Map();
  for (const row of rows) {
    const parts = row.folder.split('/');
    for (const folder of new Set(['', ...parts.map((_, n) => parts.slice(0, n + 1).join('/'))])) counts.set(folder, (counts.get(folder) || 0) + 1);
  }
  const own = new Set(rows.map(row => row.folder));
  const folders = [...counts.keys()].filter(f => own.has(f) || [...counts].every(([g, n]) => n !== counts.get(f) || g === f || !g.startsWith(f + '/'))).sort(compare);
  choose($('folder'), [['all', 'all'], ...folders.map((f, i) => [i, `${f || '.'} (${counts.get(f)})`])]);
  choose($('flag'), [['all', 'any or none'], [-1, 'none'], [-2, 'any'], ...data.flags.map((f, i) => [i, f])]);
  const asked = (id, event, set) => $(id).addEventListener(event, () => { set($(id).value); list.scrollTop = 0; here = 0; refresh(); });
  asked('text', 'input', value => { filter.text = value.toLowerCase(); });
  asked('folder', 'change', value => { filter.folder = value === 'all' ? null : folders[value]; });
  asked('flag', 'change', value => { filter.flag = value === 'all' ? null : Number(value); });
  asked('mark', 'change', value => { filter.mark = value; });
  for (const name of ['low', 'high']) {
    asked(name, 'input', value => {
      filter[name] = Number(value);
      const other = name === 'low' ? 'high' : 'low';
      if (filter.low > filter.high) { filter[other] = filter[name]; $(other).value = value; }
      for (const end of ['low', 'high']) $(end + '-value').textContent = filter[end].toFixed(2);
    });
  }
  const heads = Array.from(document.querySelectorAll('.head button'));
  const titles = {score: 'Score', name: 'Photo', flags: 'Flags', mark: 'Mark'};
  const label = () => { for (const head of heads) head.textContent = titles[head.dataset.column] + (head.dataset.column === column ? (up ? ' ▲' : ' ▼') : ''); };
  for (const head of heads) head.onclick = () => {
    up = head.dataset.column === column ? !up : head.dataset.column === 'name';
    column = head.dataset.column;
    sorted = rows.slice().sort((a, b) => (up ? 1 : -1) * order[column](a, b));
    label();
    list.scrollTop = 0;
    here = 0;
    refresh();
  };
  $('keep-all').onclick = () => mark(shown.slice(), 'keep');
  $('reject-all').onclick = () => mark(shown.slice(), 'reject');
  $('clear-all').onclick = () => mark(shown.slice(), '');
  $('undo').onclick = () => {
    for (const [row, value] of undone) row.mark = value;
    undone = [];
    remember();
    refresh();
  };

  // What can be taken away.
  const save = (name, text, type) => {
    const anchor = document.createElement('a');
    anchor.href = URL.createObjectURL(new Blob([text], {type}));
    anchor.download = name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
  };
  const cell = text => '"' + String(text).replace(/"/g, '""') + '"';
  $('save-csv').onclick = () => {
    const lines = rows.filter(row => row.mark).map(row => [cell(row.name), cell(row.mark), row.score, cell(row.flags)].join(','));
    save('marks.csv', ['path,mark,score,flags', ...lines, ''].join('\n'), 'text/csv');
  };
  const quoted = text => {  // for bash; control characters and bytes that are not UTF-8 as $'\ooo'
    const characters = Array.from(text);
    const odd = c => c < ' ' || c === '\x7f' || (c >= '\ud800' && c <= '\udfff' && c.length === 1);
    if (!characters.some(odd)) return "'" + text.replace(/'/g, "'\\''") + "'";
    const octal = number => '\\' + number.toString(8).padStart(3, '0');
    return "$'" + characters.map(c => odd(c) ? octal(c.codePointAt(0) & 0xff) : c.replace(/[\\']/, '\\$&')).join('') + "'";
  };
  $('save-script').onclick = () => {
    const rejected = rows.filter(row => row.mark === 'reject');
    const there = rejected.filter(row => row.path !== null);
    const lines = [
      '#!/usr/bin/env bash',
      `# Moves ${there.length} photos that were marked "reject". Subfolders are kept, nothing is replaced.`,
      ...(there.length < rejected.length ? [`# ${rejected.length - there.length} more were not found when the page was made.`] : []),
      '# Usage: bash reject.sh [FOLDER TO MOVE THEM TO]',
      'set -u',
      `base=${quoted(data.base)}`,
      'to=${1-}',
      '[ -n "$to" ] || to="${base%/}-rejected"',
      'case $to in /* | [A-Za-z]:*) ;; *) to=$PWD/$to ;; esac',
      'cd -- "$base" || exit 1',
      'moved=0 left=0',
      'move() {',
      '  if [ ! -f "$1" ]; then echo "not there: $1" >&2; left=$((left + 1)); return; fi',
      '  if [ -e "$to/$1" ]; then echo "in $to already: $1" >&2; left=$((left + 1)); return; fi',
      '  if mkdir -p -- "$(dirname -- "$to/$1")" && mv -- "$1" "$to/$1"; then moved=$((moved + 1)); else left=$((left + 1)); fi',
      '}',
      ...there.map(row => 'move ' + quoted('./' + row.path)),
      'echo "$moved moved to $to, $left left"',
      '[ "$left" -eq 0 ]',
      '',
    ];
    save('reject.sh', lines.join('\n'), 'text/x-shellscript');
  };

  label();
  refresh();
})();
