/** How an error line quotes a name from the configuration, and the known name that it suggests. */

/**
 * A name as an error line shows it. Without a space after its colon a key runs into its value (`password:hunter2`), so the quote ends
 * with the first character that no name has.
 */
export function shown(name: string): string {
  const [word = ''] = /^[\p{L}\p{N}_.-]*/u.exec(name) ?? [];
  return word === name ? name : `${word}…`;
}

/** `; did you mean workers?`, or an empty text if no name is near. */
export function suggestion(written: string, names: Iterable<string>): string {
  const near = [...names]
    .map((name) => ({ name, distance: distanceOf(written.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.min(name.length, written.length) / 4))
    .sort((a, b) => a.distance - b.distance);
  return near[0] === undefined ? '' : `; did you mean ${near[0].name}?`;
}

/** The Damerau-Levenshtein distance of two words. */
function distanceOf(one: string, other: string): number {
  // Bounds the work: a key may be a text of megabytes.
  if (Math.abs(one.length - other.length) > other.length) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    before = last;
    last = row;
  }
  return last[other.length] ?? 0;
}
