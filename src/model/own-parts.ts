/** Fragments of a host's own datagrams that a capture does not hold all of. */

/** Notes of a result. `fragments`: how many wait for others at the end, or waited for longer than fragments do. */
export function partsNotes(fragments: number): string[] {
  if (fragments === 0) return [];
  const what = fragments === 1 ? '1 fragment' : `${fragments} fragments`;
  return [
    `the capture does not hold all of some datagrams that this host sent in parts (it holds ${what} of them): they met OUTPUT and POSTROUTING whole, but no rule counts them here`,
  ];
}
