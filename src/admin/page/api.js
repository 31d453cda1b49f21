/** Requests to this replica. @import {Answers} from '../../core/page-answers.ts' */

import { part } from './dom.js';

/** An answer that is no success, with the words of the server. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Resolves with the answer's JSON. Throws Refused.
 *
 * @template {keyof Answers} Path
 * @param {Path} path
 * @param {RequestInit & { query?: Readonly<Record<string, string | undefined>> }} [options]
 * @returns {Promise<Answers[Path]>}
 */
export async function ask(path, { query = {}, ...options } = {}) {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, value]],
  );
  const search = given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
  let response;
  try {
    response = await fetch(`${path}${search}`, { credentials: 'same-origin', ...options });
  } catch {
    throw new Refused(0, 'the replica does not answer');
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok)
    throw new Refused(response.status, answer.error ?? `the replica answers ${response.status}`);
  return answer;
}

/** The text of any thrown value. @param {unknown} problem */
export function textOf(problem) {
  return problem instanceof Error ? problem.message : String(problem);
}

/** Whether the reader has to sign in first. @param {unknown} problem */
export function needsToken(problem) {
  return problem instanceof Refused && problem.status === 401;
}

/** Proves to have the token. The browser keeps a cookie that no script can read. Throws Refused. @param {string} token */
export function signIn(token) {
  return ask('/session', { method: 'POST', headers: { authorization: `Bearer ${token}` } });
}

export function signOut() {
  return ask('/session', { method: 'DELETE' });
}

/**
 * Calls `signedIn` once a form with a field for the token has proved it.
 *
 * @param {HTMLFormElement} form
 * @param {() => void} signedIn
 */
export function signInForm(form, signedIn) {
  const error = part(form, '.error');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    error.textContent = '';
    const field = part(form, 'input', HTMLInputElement);
    try {
      await signIn(field.value.trim());
      field.value = '';
      signedIn();
    } catch (problem) {
      error.textContent = needsToken(problem) ? 'This is not the token.' : textOf(problem);
      field.focus();
    }
  });
}
