/** Options of pcapng blocks: code and length (two bytes each), value, padding to four bytes. */
import { half } from './state.ts';

/**
 * The value of the first option `code` in the options from `at` to `end`, 0 without one or when it is shorter than `least`. An
 * option that does not fit ends the search.
 */
export function findOption(at: usize, end: usize, code: u32, least: u32): usize {
  while (end - at >= 4) {
    const found = half(at);
    const length = half(at + 2);
    if (found === 0 || end - at - 4 < <usize>length) return 0;
    if (found === code) return length >= least ? at + 4 : 0;
    const step = 4 + ((length + 3) & ~3);
    if (end - at < <usize>step) return 0;
    at += step;
  }
  return 0;
}

/** The length of the option whose value findOption gave. */
export function optionLength(value: usize): u32 {
  return half(value - 2);
}
