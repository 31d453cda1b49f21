/** Makes and changes elements. Texts of guests become text only, never markup. */

/** The element with this id, which page.html has. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/** A new element. A child that is undefined is left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** A new element of SVG. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets a text if it has changed, so that a selection stays. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setAttribute(element, name, value) {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Fills the body of a table. A row whose key was there already is changed in place, so that the focus and a selection stay.
 *
 * @param rows each `{ key, cells }`. A cell is a text, or `{ text, class, title, link, tone }`.
 * @param empty the text of a table without rows.
 */
export function fillTable(body, rows, empty) {
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const shown = rows.length > 0 ? rows : [{ key: 'empty', cells: [{ text: empty, class: 'empty' }] }];
  let at = 0;
  for (const { key, cells } of shown) {
    let row = known.get(key);
    if (row === undefined) {
      row = make('tr', { 'data-key': key });
      // The first cell names the row.
      for (const index of cells.keys())
        row.append(index === 0 && rows.length > 0 ? make('th', { scope: 'row' }) : make('td'));
      if (rows.length === 0) row.cells[0].colSpan = body.parentElement?.tHead?.rows[0]?.cells.length ?? 1;
    }
    known.delete(key);
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
    at += 1;
    for (const [index, cell] of cells.entries())
      fillCell(row.cells[index], typeof cell === 'object' ? cell : { text: cell });
  }
  for (const row of known.values()) row.remove();
}

function fillCell(cell, { text, class: names, title, link, tone }) {
  setAttribute(cell, 'class', names);
  setAttribute(cell, 'title', title);
  if (link === undefined && tone === undefined) return setText(cell, text);
  const tag = link === undefined ? 'SPAN' : 'A';
  let inner = cell.lastElementChild;
  if (inner?.tagName !== tag || inner.dataset.inner === undefined) {
    inner = make(tag, { 'data-inner': '' });
    cell.replaceChildren(...(tone === undefined ? [] : [make('span', { 'aria-hidden': 'true' })]), inner);
  }
  if (tone !== undefined) setAttribute(cell.firstElementChild, 'class', `dot tone-${tone}`);
  if (link !== undefined) setAttribute(inner, 'href', link);
  setText(inner, text);
}

/** Says something to users who do not see the page. */
export function announce(text) {
  setText(byId('announce'), text);
}
