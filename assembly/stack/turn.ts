/** Whether rules changed what the routing decision looks at beside its translation: TTL, the prefix of the destination, or whose the packet is. */
let turned: bool = false;
let turnedAway: bool = false;
/** It was given to a socket of this host: nobody forwards it. */
let given: bool = false;

/** A packet begins its way, or a stretch of it. */
export function turnStart(): void {
  turned = false;
  turnedAway = false;
  given = false;
}

/** `away`: its destination is another one. */
export function turn(away: bool): void {
  turned = true;
  if (away) turnedAway = true;
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
