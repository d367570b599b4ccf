/** The control block: what happened to packets, in numbers. Offsets: abi/control.ts. */

/** Address of the control block. */
export let control: usize = 0;

export function setControl(at: usize): void {
  control = at;
}

/** A u64 of the control block. */
export function tell(offset: usize, value: u64): void {
  store<u64>(control + offset, value);
}

/** One more at a u64 of the control block, or at entry `index` of a row of them. */
export function tally(row: usize, index: u32): void {
  addTo(row + ((index as usize) << 3), 1);
}

export function addTo(offset: usize, amount: u64): void {
  const at = control + offset;
  store<u64>(at, load<u64>(at) + amount);
}
