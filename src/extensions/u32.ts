/** `-m u32`: four bytes at computed places of the packet, masked, shifted and compared. Kernel: net/netfilter/xt_u32.c. */
import { SPECIAL_U32, U32_AND, U32_AT, U32_LEFT, U32_RIGHT } from '../abi/special.ts';
import { u32 as word } from '../packet/bytes.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, hex, option, textOf } from './given.ts';
import { readTests, type U32Operator, U32SyntaxError, type U32Test } from './u32-syntax.ts';

export interface U32Options {
  tests: readonly U32Test[];
  invert: boolean;
}

const CODES: Readonly<Record<U32Operator, number>> = { '&': U32_AND, '<<': U32_LEFT, '>>': U32_RIGHT, '@': U32_AT };
const specs = [option('u32', { invertible: true })];

export const u32: MatchExtension<U32Options> = {
  name: 'u32',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'any bytes of the packet, masked, shifted and compared',

  parse(given, context) {
    const all = new Given('u32', specs, given, context);
    const one = all.need('u32', '--u32 "6 & 0xff = 6"');
    try {
      return { tests: readTests(textOf(one)), invert: one.invert };
    } catch (error) {
      if (error instanceof U32SyntaxError) throw all.complain(one, `--u32: ${error.message}`, 'for example --u32 "6 & 0xff = 6"');
      throw error;
    }
  },

  print({ tests, invert }) {
    const text = tests.map(({ start, steps, ranges }) => {
      const place = hex(start) + steps.map(({ operator, number }) => operator + hex(number)).join('');
      return `${place}=${ranges.map(({ low, high }) => (low === high ? hex(low) : `${hex(low)}:${hex(high)}`)).join(',')}`;
    });
    return `${bang(invert)} --u32 "${text.join('&&')}"`;
  },

  evaluate: ({ tests, invert }, { bytes }) => tests.every((test) => holds(test, bytes)) !== invert,

  lower({ tests, invert }) {
    const parameters = [invert ? 1 : 0, tests.length];
    for (const { start, steps, ranges } of tests) {
      parameters.push(steps.length + 1, ranges.length, 0, start);
      for (const { operator, number } of steps) parameters.push(CODES[operator], number);
      for (const { low, high } of ranges) parameters.push(low, high);
    }
    return [{ kind: 'special', code: SPECIAL_U32, parameters, stateful: false }];
  },

  generate(draw, _, { family }) {
    const pool = family === 4 ? GENERATED4 : GENERATED6;
    const one = (): string =>
      draw.pick([...pool, `${draw.integer(0, 60)}&0x${draw.integer(0, 0xffff).toString(16)}=0:${draw.integer(0, 0xffff)}`]);
    const text = draw.chance(0.3) ? `${one()}&&${one()}` : one();
    return [...(draw.chance(0.25) ? ['!'] : []), '--u32', text];
  },

  show({ tests }, { bytes }) {
    return tests
      .map((test) => numberAt(test, bytes))
      .map((value) => (value === null ? 'behind the end' : hex(value)))
      .join(', ');
  },
};

/** Protocol, ports behind the header, TTL, fragment bits, flags, and jumps that end beyond the packet. */
const GENERATED4 = [
  '6&0xff=6',
  '6&0xff=6,17',
  '0>>22&0x3c@0>>16=22,53,80,443',
  '0>>22&0x3c@0&0xffff=0:1023',
  '0>>22&0x3c@12>>26&0x3c@0=0',
  '0>>22&0x3c@4=0:0x7fffffff',
  '5&0xff=64,63',
  '4&0x3fff=0',
  '0&0xffff=40:60',
  '8>>24=1:63',
  '0>>24=0x45:0x4f',
  '12=0x0a090001:0x0a0900ff',
  '16<<8=0:0xffffffff',
  '0xffffffff=0',
  '12@0=0',
  '36=0:0xffffffff',
];
const GENERATED6 = [
  '4>>8&0xff=6',
  '4>>8&0xff=6,17,58',
  '4&0xff=64,63',
  '0>>28=6',
  '40>>16=22,53,80,443',
  '52>>26&0x3c@40=0',
  '4>>16=0:60',
  '8=0x20010db8',
  '36=1,2',
  '40@0=0',
  '60=0:0xffffffff',
  '0xfffffffc=0',
];

/** The number a test computes, of 32 bits; null where it would lie behind the packet's end. */
function numberAt({ start, steps }: U32Test, bytes: Uint8Array): number | null {
  const { length } = bytes;
  if (length < 4 || start > length - 4) return null;
  let base = 0;
  let value = word(bytes, start);
  for (const { operator, number } of steps) {
    if (operator === '&') value = (value & number) >>> 0;
    else if (operator === '<<') value = (value << number) >>> 0;
    else if (operator === '>>') value >>>= number;
    else {
      base += value;
      if (base + number > length - 4) return null;
      value = word(bytes, base + number);
    }
  }
  return value;
}

function holds(test: U32Test, bytes: Uint8Array): boolean {
  const value = numberAt(test, bytes);
  return value !== null && test.ranges.some(({ low, high }) => low <= value && value <= high);
}
