/** `-m bpf --bytecode`: a classic BPF program over the IP packet. Kernel: net/netfilter/xt_bpf.c. What a file system holds (--object-pinned) no rule tells, so it is refused. */
import { SPECIAL_BPF } from '../abi/special.ts';
import { type Instruction, readProgram, refusal, runProgram } from './bpf-program.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

const EXAMPLE = '--bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0" (nfbpf_compile writes it)';
const specs = [option('bytecode'), option('object-pinned')];

export const bpf: MatchExtension<readonly Instruction[]> = {
  name: 'bpf',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'a classic BPF program (`--bytecode`)',

  parse(given, context) {
    const all = new Given('bpf', specs, given, context);
    all.exclusive(['bytecode', 'object-pinned']);
    const pinned = all.get('object-pinned');
    if (pinned !== undefined)
      throw context.error('bpf: --object-pinned names a program that the rule does not hold', {
        at: pinned.position,
        kind: 'unsupported',
      });
    const one = all.need('bytecode', EXAMPLE);
    const program = readProgram(textOf(one));
    if (typeof program === 'string') throw all.wants(one, program, `for example ${EXAMPLE}`);
    const wrong = refusal(program);
    if (wrong !== undefined) throw all.complain(one, `--bytecode: ${wrong}`);
    return program;
  },

  print: (program) =>
    ` --bytecode "${[program.length, ...program.map(({ code, jt, jf, k }) => `${code} ${jt} ${jf} ${k}`)].join(',')}"`,

  evaluate: (program, { bytes, length }) => runProgram(program, bytes, length) !== 0,

  lower(program) {
    const words = program.flatMap(({ code, jt, jf, k }) => [(code | (jt << 16) | (jf << 24)) >>> 0, k]);
    return [{ kind: 'special', code: SPECIAL_BPF, parameters: [program.length, ...words], stateful: false }];
  },

  generate(draw, _, { family }) {
    if (draw.chance(0.3)) return ['--bytecode', draw.pick(family === 4 ? FILTERS4 : FILTERS6)];
    return ['--bytecode', randomProgram(draw.integer(1, 12), (low, high) => draw.integer(low, high))];
  },

  show: (program, { bytes, length }) => `returns ${runProgram(program, bytes, length)}`,
};

/** Protocol TCP; a port behind the header; length; TTL. */
const FILTERS4 = [
  '4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0',
  '6,177 0 0 0,72 0 0 2,21 1 0 80,21 0 1 443,6 0 0 65535,6 0 0 0',
  '4,128 0 0 0,53 0 1 60,6 0 0 1,22 0 0 0',
  '5,48 0 0 8,20 0 0 63,21 0 1 0,6 0 0 1,6 0 0 0',
];
const FILTERS6 = ['4,48 0 0 6,21 0 1 6,6 0 0 1,6 0 0 0', '5,40 0 0 42,21 1 0 80,21 0 1 443,6 0 0 1,6 0 0 0'];

/** Instructions that do anything with both registers, two cells that are written first, and conditions that jump forward. */
function randomProgram(length: number, integer: (low: number, high: number) => number): string {
  const CODES = [0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03, 0x07, 0x87, 0x84]
    .concat([0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0].flatMap((op) => [0x04 | op, 0x0c | op]))
    .concat([0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d]);
  const body = Array.from({ length }, (_, index) => {
    const code = CODES[integer(0, CODES.length - 1)]!;
    const left = length - index;
    const isCell = [0x60, 0x61, 0x02, 0x03].includes(code);
    const k = isCell ? integer(0, 1) : code === 0x05 ? integer(0, left) : (code & 7) === 4 ? integer(1, 31) : integer(0, 60);
    const over = (code & 7) === 5 && code !== 0x05 ? [integer(0, left), integer(0, left)] : [0, 0];
    return `${code} ${over.join(' ')} ${k}`;
  });
  const all = ['2 0 0 0', '3 0 0 1', '48 0 0 9', ...body, '22 0 0 0', '6 0 0 0'];
  return [all.length, ...all].join(',');
}
