/** Classic BPF programs in the text form of `--bytecode`, checked as the kernel checks them (net/core/filter.c, bpf_check_classic), and run. */
import { u8, u16, u32 } from '../packet/bytes.ts';

export interface Instruction {
  code: number;
  /** How many instructions are left out when a condition holds, and when not. */
  jt: number;
  jf: number;
  k: number;
}

const MOST = 64;
const CELLS = 16;
const FIELD = /^\s*\+?(\d+)\s+\+?(\d+)\s+\+?(\d+)\s+\+?(\d+)/;
/** Offsets from here on are of what the kernel knows about a packet, or of headers before IP. */
const FIRST_NEGATIVE = 0x80000000;

const LOADS = [0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x01, 0x61, 0x81, 0xb1];
const ARITHMETIC = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0].flatMap((op) => [0x04 | op, 0x0c | op]);
const CONDITIONS = [0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d];
const [JUMP, NEGATE, STORE, STORE_X, RETURN_K, RETURN_A, TAX, TXA] = [0x05, 0x84, 0x02, 0x03, 0x06, 0x16, 0x07, 0x87];
const KNOWN = new Set([...LOADS, ...ARITHMETIC, ...CONDITIONS, JUMP, NEGATE, STORE, STORE_X, RETURN_K, RETURN_A, TAX, TXA]);
const [DIVIDE_K, MODULO_K, LEFT_K, RIGHT_K] = [0x34, 0x94, 0x64, 0x74];
const MEMORY_LOADS = [0x60, 0x61];
const STORES = [STORE, STORE_X];

/** `COUNT,CODE JT JF K,...` -> instructions, or what is wrong. What stands behind the four numbers of an instruction is not looked at. */
export function readProgram(text: string): Instruction[] | string {
  const [count = '', ...parts] = text.split(',');
  if (parts.at(-1)?.trim() === '') parts.pop();
  const wanted = /^\s*\d+\s*$/.test(count) ? Number(count) : 0;
  if (wanted < 1 || wanted > MOST) return `the number of instructions, from 1 to ${MOST}, in front`;
  if (parts.length !== wanted) return `${wanted} instructions, not ${parts.length}`;
  const program: Instruction[] = [];
  for (const [index, part] of parts.entries()) {
    const found = FIELD.exec(part);
    if (found === null) return `four numbers for instruction ${index}: CODE JT JF K`;
    const [code = 0, jt = 0, jf = 0, k = 0] = found.slice(1).map(Number);
    program.push({ code: code & 0xffff, jt: jt & 255, jf: jf & 255, k: Number(BigInt(k) & 0xffffffffn) });
  }
  return program;
}

/** Why the kernel, or wasmtables, does not take a program; undefined when it is fine. */
export function refusal(program: readonly Instruction[]): string | undefined {
  const { length } = program;
  for (const [pc, { code, jt, jf, k }] of program.entries()) {
    const left = length - pc - 1;
    if (!KNOWN.has(code)) return `instruction ${pc}: code ${code} does not exist`;
    if ((code === DIVIDE_K || code === MODULO_K) && k === 0) return `instruction ${pc}: division by zero`;
    if ((code === LEFT_K || code === RIGHT_K) && k > 31) return `instruction ${pc}: shift by ${k}`;
    if ([...MEMORY_LOADS, ...STORES].includes(code) && k >= CELLS) return `instruction ${pc}: memory cell ${k}`;
    if (code === JUMP && k >= left) return `instruction ${pc}: jumps behind the end`;
    if (CONDITIONS.includes(code) && (jt >= left || jf >= left)) return `instruction ${pc}: jumps behind the end`;
    if ([0x20, 0x28, 0x30].includes(code) && k >= FIRST_NEGATIVE)
      return `instruction ${pc}: loads of what is no byte of the IP packet are not supported`;
  }
  if (![RETURN_K, RETURN_A].includes(program[length - 1]?.code ?? 0)) return 'the last instruction does not return';
  return readsUnwritten(program) ? 'a memory cell is read before it is written' : undefined;
}

function readsUnwritten(program: readonly Instruction[]): boolean {
  const written = program.map(() => 0xffff);
  let now = 0;
  for (const [pc, { code, jt, jf, k }] of program.entries()) {
    now &= written[pc]!;
    if (STORES.includes(code)) now |= 1 << k;
    if (MEMORY_LOADS.includes(code) && (now & (1 << k)) === 0) return true;
    if (code !== JUMP && !CONDITIONS.includes(code)) continue;
    for (const over of code === JUMP ? [k] : [jt, jf]) written[pc + 1 + over]! &= now;
    now = 0xffff;
  }
  return false;
}

/** What a program returns; a load beyond the packet and a division by zero end it with 0. `length` is that of the packet as the kernel has it. */
export function runProgram(program: readonly Instruction[], bytes: Uint8Array, length: number): number {
  const cells = new Array<number>(CELLS).fill(0);
  let [a, x, pc] = [0, 0, 0];
  for (;;) {
    const { code, jt, jf, k } = program[pc++]!;
    const operand = (code & 8) === 0 ? k : x;
    switch (code & 7) {
      case 0:
      case 1: {
        const value = loaded(code, k, x, cells, bytes, length);
        if (value === undefined) return 0;
        if ((code & 7) === 0) a = value;
        else x = value;
        break;
      }
      case 2:
        cells[k] = a;
        break;
      case 3:
        cells[k] = x;
        break;
      case 4: {
        const value = computed(code & 0xf0, a, operand);
        if (value === undefined) return 0;
        a = value >>> 0;
        break;
      }
      case 5:
        pc += code === JUMP ? k : holds(code & 0xf0, a, operand) ? jt : jf;
        break;
      case 6:
        return code === RETURN_K ? k : a;
      default:
        if (code === TAX) x = a;
        else a = x;
    }
  }
}

/** Modes 0x00 immediate, 0x20 absolute, 0x40 behind X, 0x60 memory, 0x80 length, 0xa0 header length; sizes 0x00 word, 0x08 half, 0x10 byte. */
function loaded(
  code: number,
  k: number,
  x: number,
  cells: readonly number[],
  bytes: Uint8Array,
  length: number,
): number | undefined {
  const mode = code & 0xe0;
  if (mode === 0x00) return k;
  if (mode === 0x60) return cells[k];
  if (mode === 0x80) return length;
  const at = mode === 0x40 ? (x + k) >>> 0 : k;
  const size = (code & 0x18) === 0 ? 4 : (code & 0x18) === 0x08 ? 2 : 1;
  if (at + size > bytes.length) return undefined;
  if (mode === 0xa0) return (u8(bytes, at) & 15) * 4;
  return size === 4 ? u32(bytes, at) : size === 2 ? u16(bytes, at) : u8(bytes, at);
}

function computed(operation: number, a: number, operand: number): number | undefined {
  switch (operation) {
    case 0x00:
      return a + operand;
    case 0x10:
      return a - operand;
    case 0x20:
      return Math.imul(a, operand);
    case 0x30:
      return operand === 0 ? undefined : Math.floor(a / operand);
    case 0x40:
      return a | operand;
    case 0x50:
      return a & operand;
    case 0x60:
      return a << (operand & 31);
    case 0x70:
      return a >>> (operand & 31);
    case 0x80:
      return -a;
    case 0x90:
      return operand === 0 ? undefined : a % operand;
    default:
      return a ^ operand;
  }
}

function holds(condition: number, a: number, operand: number): boolean {
  if (condition === 0x10) return a === operand;
  if (condition === 0x20) return a > operand;
  return condition === 0x30 ? a >= operand : (a & operand) !== 0;
}
