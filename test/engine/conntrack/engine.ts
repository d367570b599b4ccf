/** Builds assembly/conntrack-test.ts (debug and release) and drives it: slots filled by hand from IP packets. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TRACKING_SEED, TRACKING_SIZE } from '../../../src/abi/conntrack.ts';
import * as field from '../../../src/abi/fields.ts';
import * as packet from '../../../src/abi/packet.ts';
import { encodeConntrack } from '../../../src/compile/conntrack.ts';
import { DEFAULT_PROFILE, type Profile } from '../../../src/model/profile.ts';
import { INVALID_WORDS } from '../../../src/model/reasons.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const BUILD = join(ROOT, 'build');
export const MODES = ['debug', 'release', 'scalar'] as const;
export type Mode = (typeof MODES)[number];
const MODE_OPTIONS: Record<Mode, string[]> = {
  debug: ['--debug', '--enable', 'simd'],
  release: ['--optimizeLevel', '3', '--noAssert', '--converge', '--enable', 'simd'],
  scalar: ['--optimizeLevel', '3', '--noAssert', '--disable', 'simd'],
};
const STATES = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'] as const;

/** Node's WebAssembly, which the types of Node 20 do not declare. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
}
const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
/** A compiled module. */
export type Module = object;

interface Exports {
  memory: { buffer: ArrayBuffer };
  heapBase(): number;
  conntrackInit(parameters: number, heap: number): void;
  conntrackReserve(packets: number): number;
  conntrackIn(slot: number, prerouting: number): number;
  conntrackConfirm(slot: number): void;
  conntrackForget(slot: number): void;
  conntrackUntrack(slot: number): void;
  conntrackConfirmed(): number;
  conntrackLive(): number;
  natPending(slot: number, source: number): number;
  natDone(slot: number, source: number): void;
  entryAddress(entry: number, direction: number, source: number, word: number): number;
  entryPort(entry: number, direction: number, source: number): number;
  entryProtocol(entry: number): number;
  entryFamily(entry: number): number;
  entryStatus(entry: number): number;
  entryExpires(entry: number, now: bigint): number;
  entryTcpState(entry: number): number;
  slide(entry: number, direction: number, header: number, data: number, beyond: number): number;
  slideTogether(entry: number, direction: number, header: number, data: number): number;
  transition(direction: number, packetClass: number, state: number): number;
  run(slots: number, count: number, stride: number, rounds: number, jiffies: bigint): void;
}

function newest(folder: string): number {
  return Math.max(...readdirSync(folder).map((name) => statSync(join(folder, name)).mtimeMs));
}

/** Compiles unless the module is newer than its sources. */
export function compileEngine(mode: Mode): Module {
  const out = join(BUILD, `conntrack-test.${mode}.wasm`);
  const entry = join(ROOT, 'assembly/conntrack-test.ts');
  const changed = Math.max(newest(join(ROOT, 'assembly/conntrack')), newest(join(ROOT, 'src/abi')), statSync(entry).mtimeMs);
  if (!existsSync(out) || statSync(out).mtimeMs < changed) {
    mkdirSync(BUILD, { recursive: true });
    // The project's own asconfig names other entries.
    const config = join(BUILD, 'conntrack-test.json');
    writeFileSync(config, '{}');
    const fresh = `build/conntrack-test.${mode}.${process.pid}.wasm`;
    const asc = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
    const common = ['--config', 'build/conntrack-test.json', '--runtime', 'stub', '--use', 'abort=', '--enable', 'bulk-memory'];
    const memory = ['--initialMemory', '64', '--maximumMemory', '65536'];
    const args = [asc, 'assembly/conntrack-test.ts', ...common, ...memory, ...MODE_OPTIONS[mode], '-o', fresh];
    execFileSync(process.execPath, args, { cwd: ROOT, stdio: 'pipe' });
    renameSync(join(ROOT, fresh), out);
  }
  return new wasm.Module(readFileSync(out));
}

/** What a slot says after the packet went through. */
export interface Seen {
  state: (typeof STATES)[number];
  direction: number;
  /** IPS_* without the bit that says that there is an entry. */
  status: number;
  entry: number;
  /** Words of model/reasons.ts, '' for none. */
  reason: string;
  /** Before it was confirmed or forgotten. */
  unconfirmed: boolean;
}

export interface SendOptions {
  /** Drop the packet before it is confirmed. */
  drop?: boolean;
  /** Entered by OUTPUT: checksums are not verified. */
  output?: boolean;
  /** How many bytes the IP packet is said to have behind the captured ones. */
  placeAtEnd?: boolean;
  /** Value of the bytes around the packet. */
  around?: number;
  /** Hand the slot over before confirmation. */
  between?: (slot: number) => void;
}

const ROOM = 0x12000;

export class Tracker {
  readonly exports: Exports;
  readonly slot: number;
  private readonly data: number;
  readonly hz: number;

  constructor(module: Module, profile: Partial<Profile> = {}, nat = false, seed = 0n) {
    const full = { ...DEFAULT_PROFILE, ...profile };
    this.hz = full.hz;
    this.exports = new wasm.Instance(module, {}).exports as Exports;
    const base = (this.exports.heapBase() + 255) & ~255;
    this.slot = base + 256;
    // Slots are read four at a time (conntrack/ahead.ts).
    this.data = this.slot + 4 * 256;
    const bytes = encodeConntrack(full, { nat });
    new DataView(bytes.buffer).setBigUint64(TRACKING_SEED, seed, true);
    new Uint8Array(this.exports.memory.buffer).set(bytes, base);
    if (bytes.length !== TRACKING_SIZE) throw new Error('parameter block');
    this.exports.conntrackInit(base, this.data + ROOM);
    if (!this.exports.conntrackReserve(256)) throw new Error('no memory');
  }

  /** Sends an IP packet at a time in seconds (a whole number of jiffies is taken) plus jiffies. */
  send(bytes: Uint8Array, seconds: number, options: SendOptions = {}, jiffies = 0): Seen {
    const now = BigInt(Math.round(seconds * this.hz) + jiffies) + 1_000_000_000n;
    this.place(bytes, now, options);
    const accepted = this.exports.conntrackIn(this.slot, options.output ? 0 : 1);
    if (!accepted) throw new Error('dropped by connection tracking');
    const seen = this.seen();
    options.between?.(this.slot);
    if (options.drop) this.exports.conntrackForget(this.slot);
    else this.exports.conntrackConfirm(this.slot);
    return seen;
  }

  /** Jiffies as `send` counts them. */
  jiffies(seconds: number): bigint {
    return BigInt(Math.round(seconds * this.hz)) + 1_000_000_000n;
  }

  seen(): Seen {
    const view = new DataView(this.exports.memory.buffer);
    const word = (at: number): number => view.getUint32(this.slot + at, true);
    return {
      state: STATES[word(field.FIELD_CT_STATE * 4)]!,
      direction: word(field.FIELD_CT_DIRECTION * 4),
      status: word(field.FIELD_CT_STATUS * 4) & 0x7fffffff,
      entry: word(packet.PACKET_CT_ENTRY),
      reason: INVALID_WORDS[word(packet.PACKET_INVALID)]!,
      unconfirmed: word(packet.PACKET_CT_UNCONFIRMED) === 1,
    };
  }

  /** The entry of the only connection there is, 0 without one; nothing changes by looking. */
  onlyEntry(): number {
    const all = this.entries();
    return all.length === 1 ? all[0]! : 0;
  }

  /** The entries in the table while it has not grown: 256 buckets of 64 bytes with seven tags, a count, seven references. */
  entries(): number[] {
    const view = new DataView(this.exports.memory.buffer);
    const first = (this.data + ROOM + 127) & ~127;
    const found: number[] = [];
    for (let bucket = first; bucket < first + 256 * 64; bucket += 64) {
      for (let slot = 0; slot < 7; slot++) {
        const entry = view.getUint32(bucket + 32 + slot * 4, true);
        if (entry !== 0) found.push(entry);
      }
    }
    return found;
  }

  /** Fills the slot as the decoder would. */
  place(bytes: Uint8Array, now: bigint, options: SendOptions = {}): void {
    const buffer = this.exports.memory.buffer;
    const memory = new Uint8Array(buffer);
    const at = options.placeAtEnd ? buffer.byteLength - bytes.length : this.data + 64;
    if (options.around !== undefined) memory.fill(options.around, this.data, this.data + 128 + bytes.length);
    memory.set(bytes, at);
    memory.fill(0, this.slot, this.slot + packet.PACKET_SIZE);
    const view = new DataView(buffer, this.slot);
    const wire = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const six = (bytes[0]! & 0xf0) === 0x60;
    const offset = six ? 40 : (bytes[0]! & 15) * 4;
    const present = bytes.length - offset;
    const set = (index: number, value: number): void => view.setUint32(index * 4, value, true);
    set(field.FIELD_FAMILY, six ? 6 : 4);
    set(field.FIELD_PROTOCOL, bytes[six ? 6 : 9]!);
    set(field.FIELD_TTL, bytes[six ? 7 : 8]!);
    set(field.FIELD_LENGTH, bytes.length);
    set(field.FIELD_FRAGMENT, six ? 0 : wire.getUint16(6) & 0x1fff);
    set(field.FIELD_L4_LENGTH, present);
    set(field.FIELD_SPORT, present >= 2 ? wire.getUint16(offset) : 0);
    set(field.FIELD_DPORT, present >= 4 ? wire.getUint16(offset + 2) : 0);
    set(field.FIELD_TCP_FLAGS, present >= 14 ? bytes[offset + 13]! & 0x3f : 0);
    set(field.FIELD_ICMP_TYPE, present >= 2 ? bytes[offset]! : 0);
    set(field.FIELD_ICMP_CODE, present >= 2 ? bytes[offset + 1]! : 0);
    for (let word = 0; word < (six ? 4 : 1); word++) {
      set(field.FIELD_SOURCE + word, wire.getUint32((six ? 8 : 12) + word * 4));
      set(field.FIELD_DESTINATION + word, wire.getUint32((six ? 24 : 16) + word * 4));
    }
    view.setUint32(packet.PACKET_IP, at, true);
    view.setUint32(packet.PACKET_IP_CAPTURED, bytes.length, true);
    view.setUint32(packet.PACKET_L4_OFFSET, offset, true);
    view.setBigInt64(packet.PACKET_JIFFIES, now, true);
  }
}
