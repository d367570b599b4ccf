/** "Did you mean": the known word a misspelt one is nearest to. */

/** Two words of this length differ by one slip of the keyboard at most, longer ones by two. */
const SHORT = 4;
/** Longer than any word that can be meant. */
const LONGEST = 32;
/** Share of common pairs of letters from which on two words are alike. */
const LIKE = 0.5;

/**
 * The candidate `word` was probably meant to be; undefined when none is near. Letters in the wrong case count less than wrong letters; of equally
 * near ones the first wins.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word === '' || word.length > LONGEST) return undefined;
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    if (name === word || Math.abs(name.length - word.length) > 2) continue;
    const limit = Math.min(word.length, name.length) <= SHORT ? 1 : 2;
    const distance = slips(word.toLowerCase(), name.toLowerCase());
    if (distance <= limit && distance < name.length - 1 && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { name, distance };
  }
  return best?.name;
}

/** A hint with the nearest candidate, or `otherwise`. `mark` stands in front of the word and the candidate: the dashes of an option. */
export function didYouMean(word: string, candidates: Iterable<string>, otherwise?: string, mark = ''): string | undefined {
  const name = nearest(word, candidates);
  return name === undefined ? otherwise : `did you mean ${mark}${name}?`;
}

/** At most `most` candidates that share most pairs of letters with a word, the likest first; one that `nearest` finds stands alone. None where less than half is shared. */
export function likest(word: string, candidates: readonly string[], most: number): string[] {
  const meant = nearest(word, candidates);
  if (meant !== undefined) return [meant];
  const pairs = (text: string): Set<string> => new Set(Array.from(text.slice(1), (_, i) => text.slice(i, i + 2).toLowerCase()));
  const own = pairs(word);
  const likeness = (name: string): number => {
    const other = pairs(name);
    return (2 * [...own].filter((pair) => other.has(pair)).length) / (own.size + other.size);
  };
  return candidates
    .map((name) => ({ name, like: likeness(name) }))
    .filter(({ like }) => like >= LIKE)
    .sort((a, b) => b.like - a.like)
    .slice(0, most)
    .map(({ name }) => name);
}

/** How many letters must be left out, put in, changed or swapped with a neighbour to make `b` of `a`. */
function slips(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
