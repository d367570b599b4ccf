/** Numbers of a seed: the same for the same one. */

/** Out: a function that draws a whole number from 0 to before its argument. */
export function randomOf(seed: number): (below: number) => number {
  let state = (seed * 0x9e3779b1) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
