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

/** One more of a kind: its count at `offset`, and behind it the packet that was the first. */
export function tallyFirst(offset: usize, packet: u64): void {
  if (load<u64>(control + offset) === 0) tell(offset + 8, packet);
  addTo(offset, 1);
}

/** A u64 of the control block is raised to a value. */
export function raise(offset: usize, value: u64): void {
  if (load<u64>(control + offset) < value) tell(offset, value);
}
