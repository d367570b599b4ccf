/** Whether rules changed what the routing decision looks at beside its translation: TTL, the prefix of the destination, or whose the packet is. */
let turned: bool = false;
/** The prefix of its destination was changed; where it was to go first. */
let moved: bool = false;
let firstHigh: u64 = 0;
let firstLow: u64 = 0;
/** It is to go somewhere else than first. */
let turnedAway: bool = false;
/** It was given to a socket of this host: nobody forwards it. */
let given: bool = false;

/** A packet begins its way, or a stretch of it. */
export function turnStart(): void {
  turned = false;
  moved = false;
  turnedAway = false;
  given = false;
}

export function turn(): void {
  turned = true;
}

/** The halves of its destination, before and now, in any byte order. A change may come to nothing, and a second may take the first back: what counts is where it goes at last. */
export function turnAway(beforeHigh: u64, beforeLow: u64, high: u64, low: u64): void {
  turned = true;
  if (!moved) {
    moved = true;
    firstHigh = beforeHigh;
    firstLow = beforeLow;
  }
  turnedAway = high !== firstHigh || low !== firstLow;
}

export function giveSocket(): void {
  turned = true;
  given = true;
}

export function hasSocket(): bool {
  return given;
}

export function hasTurned(): bool {
  return turned;
}

export function hasTurnedAway(): bool {
  return turnedAway;
}
