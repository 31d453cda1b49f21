/** Makes and changes elements. Texts of guests become text only, never markup. */

/** A cell of a table. @typedef {{ text: string, class?: string, title?: string, link?: string, tone?: string }} Cell */

/** @typedef {{ key: string, cells: ReadonlyArray<string | Cell> }} Row */

/** @typedef {Readonly<Record<string, string | undefined>>} Attributes */

/**
 * The element with this id, which page.html has. An HTMLElement unless told.
 *
 * @overload
 * @param {string} id
 * @returns {HTMLElement}
 */
/**
 * @template {Element} Type
 * @overload
 * @param {string} id
 * @param {new () => Type} type
 * @returns {Type}
 */
/**
 * @param {string} id
 * @param {new () => Element} type
 */
export function byId(id, type = HTMLElement) {
  return checked(document.getElementById(id), id, type);
}

/**
 * The first element within another one that a selector finds. An HTMLElement unless told.
 *
 * @overload
 * @param {Element} whole
 * @param {string} selector
 * @returns {HTMLElement}
 */
/**
 * @template {Element} Type
 * @overload
 * @param {Element} whole
 * @param {string} selector
 * @param {new () => Type} type
 * @returns {Type}
 */
/**
 * @param {Element} whole
 * @param {string} selector
 * @param {new () => Element} type
 */
export function part(whole, selector, type = HTMLElement) {
  return checked(whole.querySelector(selector), selector, type);
}

/**
 * @param {Element | null} found
 * @param {string} name
 * @param {new () => Element} type
 */
function checked(found, name, type) {
  if (!(found instanceof type)) throw new Error(`the page has no ${name}`);
  return found;
}

/**
 * A new element. A child that is undefined is left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {ReadonlyArray<Node | string | undefined>} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/**
 * A new element of SVG.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string | number>>} attributes
 * @param {ReadonlyArray<Node | string>} children
 */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Sets a text if it has changed, so that a selection stays.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | undefined} value undefined: the attribute goes.
 */
function setAttribute(element, name, value) {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Fills the body of a table. A row whose key was there already is changed in place, so that the focus and a selection stay.
 *
 * @param {HTMLTableSectionElement} body
 * @param {ReadonlyArray<Row>} rows
 * @param {string} empty the text of a table without rows.
 */
export function fillTable(body, rows, empty) {
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  /** @type {ReadonlyArray<Row>} */
  const shown = rows.length > 0 ? rows : [{ key: 'empty', cells: [{ text: empty, class: 'empty' }] }];
  let at = 0;
  for (const { key, cells } of shown) {
    let row = known.get(key);
    if (row === undefined) {
      row = make('tr', { 'data-key': key });
      // The first cell names the row.
      for (const index of cells.keys())
        row.append(index === 0 && rows.length > 0 ? make('th', { scope: 'row' }) : make('td'));
      const [only] = row.cells;
      const table = body.closest('table');
      if (rows.length === 0 && only !== undefined) only.colSpan = table?.tHead?.rows[0]?.cells.length ?? 1;
    }
    known.delete(key);
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
    at += 1;
    for (const [index, place] of [...row.cells].entries()) {
      const cell = cells[index];
      if (cell !== undefined) fillCell(place, typeof cell === 'object' ? cell : { text: cell });
    }
  }
  for (const row of known.values()) row.remove();
}

/**
 * @param {HTMLTableCellElement} cell
 * @param {Cell} content
 */
function fillCell(cell, { text, class: names, title, link, tone }) {
  setAttribute(cell, 'class', names);
  setAttribute(cell, 'title', title);
  if (link === undefined && tone === undefined) return setText(cell, text);
  const tag = link === undefined ? 'SPAN' : 'A';
  let inner = cell.lastElementChild;
  if (inner === null || inner.tagName !== tag || !inner.hasAttribute('data-inner')) {
    inner = make(link === undefined ? 'span' : 'a', { 'data-inner': '' });
    cell.replaceChildren(...(tone === undefined ? [] : [make('span', { 'aria-hidden': 'true' })]), inner);
  }
  const [dot] = cell.children;
  if (tone !== undefined && dot !== undefined) setAttribute(dot, 'class', `dot tone-${tone}`);
  if (link !== undefined) setAttribute(inner, 'href', link);
  setText(inner, text);
}

/** Says something to users who do not see the page. @param {string} text */
export function announce(text) {
  setText(byId('announce'), text);
}
