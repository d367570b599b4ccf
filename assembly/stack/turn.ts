/** Whether rules changed what the routing decision of an arriving packet looks at beside its translation: TTL, or the prefix of its destination. */
let turned: bool = false;

/** A packet begins its way, or a stretch of it. */
export function keepWay(): void {
  turned = false;
}

export function turn(): void {
  turned = true;
}

export function hasTurned(): bool {
  return turned;
}
