/** Ranges of security parameter indices, as `esp` and `ah` read, print and compare them. */
import type { Draw, GivenOption } from './extension.ts';
import { bang, type Given } from './given.ts';

export interface SpiRange {
  low: number;
  high: number;
  invert: boolean;
}

const MAX = 0xffffffff;

/** Without the option any SPI will do. */
export function readSpis(all: Given, one: GivenOption | undefined): SpiRange {
  return one === undefined ? { low: 0, high: MAX, invert: false } : { ...all.numberRange(one, MAX), invert: one.invert };
}

/** A range of everything is not printed, inverted or not. */
export function printSpis(option: string, { low, high, invert }: SpiRange): string {
  if (low === 0 && high === MAX) return '';
  return `${bang(invert)} --${option} ${low === high ? low : `${low}:${high}`}`;
}

export function spiMatches({ low, high, invert }: SpiRange, spi: number): boolean {
  return (spi >= low && spi <= high) !== invert;
}

export function generateSpis(draw: Draw, option: string): string[] {
  const low = draw.pick([0, 1, 256, 0x10000, 0xffffffff, draw.integer(0, MAX)]);
  const high = Math.min(MAX, low + draw.pick([0, 1, 1000]));
  const text = draw.pick([`${low}`, `${low}:${high}`, `:${high}`, `${low}:`]);
  return [...(draw.chance(0.25) ? ['!'] : []), `--${option}`, text];
}
