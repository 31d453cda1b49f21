/** Requests to this replica. */

/** An answer that is no success, with the words of the server. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns the answer's JSON. Throws Refused. */
export async function ask(path, { query = {}, ...options } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
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

/** Proves to have the token. The browser keeps a cookie that no script can read. Throws Refused. */
export function signIn(token) {
  return ask('/session', { method: 'POST', headers: { authorization: `Bearer ${token}` } });
}

export function signOut() {
  return ask('/session', { method: 'DELETE' });
}

/** Calls `signedIn` once a form with a field for the token has proved it. */
export function signInForm(form, signedIn) {
  const error = form.querySelector('.error');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    error.textContent = '';
    const field = form.elements.namedItem('token');
    try {
      await signIn(field.value.trim());
      field.value = '';
      signedIn();
    } catch (problem) {
      error.textContent = problem.status === 401 ? 'This is not the token.' : problem.message;
      field.focus();
    }
  });
}
