/** Formats are functions that throw what was expected; the key is put in front of it. */

export function positiveInteger(value: unknown): void {
  if (!Number.isInteger(value) || Number(value) < 1) throw new Error('must be a whole number above 0');
}

/** Of one of the given schemes, each with its colon, such as `amqp:`. */
export function urlOf(...schemes: string[]): (value: unknown) => void {
  const expected = schemes.map((scheme) => `${scheme}//`).join(' or ');
  return (value) => {
    if (typeof value !== 'string' || value === '')
      throw new Error(`is required: a URL that starts with ${expected}`);
    if (!schemes.includes(URL.parse(value)?.protocol ?? ''))
      throw new Error(`must be a URL that starts with ${expected}`);
  };
}

export function nonEmptyText(value: unknown): void {
  if (typeof value !== 'string' || value === '') throw new Error('must be a text that is not empty');
}
