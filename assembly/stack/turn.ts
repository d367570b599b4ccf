/** Whether rules changed what the routing decision looks at beside its translation: TTL, or the prefix of the destination. */
let turned: bool = false;
let turnedAway: bool = false;

/** A packet begins its way, or a stretch of it. */
export function turnStart(): void {
  turned = false;
  turnedAway = false;
}

/** `away`: its destination is another one. */
export function turn(away: bool): void {
  turned = true;
  if (away) turnedAway = true;
}

export function hasTurned(): bool {
  return turned;
}

export function hasTurnedAway(): bool {
  return turnedAway;
}
