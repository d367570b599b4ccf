/** The front half of the engine, built by asc from assembly/front-test.ts, as a test drives it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import * as capture from '../../../src/abi/capture.ts';
import * as packet from '../../../src/abi/packet.ts';

/** Node's WebAssembly, which the types of Node 20 do not declare. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
}
const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

export const BUILDS = ['debug', 'release'] as const;
export type Build = (typeof BUILDS)[number];

interface Exports {
  memory: { buffer: ArrayBuffer };
  captureReset(state: number): void;
  captureFeed(pointer: number, length: number, last: number): void;
  captureNext(slot: number): number;
  captureBatch(slot: number, most: number): number;
  captureConsumed(): number;
  decodeLink(slot: number): void;
  decodeIp(slot: number): void;
  decodePlain(slot: number, end: number): number;
  routePacket(slot: number): void;
  routePlain(slot: number, end: number): void;
  segmentInit(): void;
  segmentAt(frame: number, captured: number): number;
  stackInit(block: number): number;
  addressTypeOnDevice(slot: number, ofDestination: number, device: number): number;
  interfaceId(table: number, name: number, length: number): number;
  route4(address: number): number;
  route6(words: number): number;
}

export interface Captured {
  time: bigint;
  jiffies: bigint;
  data: Uint8Array;
  wire: number;
  linktype: number;
  interface: number;
  direction: number;
}

export interface Reading {
  records: Captured[];
  answer: number;
  offset: number;
  reason: number;
}

const FLAGS: Readonly<Record<Build, readonly string[]>> = {
  debug: ['--debug'],
  release: ['-O3', '--noAssert'],
};
const SLOT = 1024;
const STATE = 4096;
const BLOCKS = 1 << 16;
const CHUNK = 1 << 21;

/** Compiles the module, or takes what an earlier run made of the same sources; no imports, so that it runs anywhere. */
export function compile(build: Build): object {
  const file = `build/front/${build}-${fingerprint()}.wasm`;
  if (!existsSync(file)) {
    mkdirSync('build/front', { recursive: true });
    const made = `${file}.${process.pid}`;
    const features = ['--enable', 'simd', '--enable', 'bulk-memory', '--initialMemory', '64', '--maximumMemory', '64'];
    const options = ['--config', 'none', '--runtime', 'stub', '--use', 'abort=', ...features, ...FLAGS[build], '-o', made];
    execFileSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', 'assembly/front-test.ts', ...options]);
    renameSync(made, file);
  }
  return new wasm.Module(readFileSync(file));
}

/** Of everything the module is made of, and of the flags. */
function fingerprint(): string {
  const hash = createHash('sha256').update(JSON.stringify(FLAGS));
  for (const folder of ['src/abi', 'assembly/capture', 'assembly/packet', 'assembly/stack']) {
    for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(`${folder}/${name}`));
  }
  return hash.update(readFileSync('assembly/front-test.ts')).digest('hex').slice(0, 16);
}

/** One instance with its memory. */
export class Front {
  readonly exports: Exports;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private used = BLOCKS;

  constructor(module: object) {
    this.exports = new wasm.Instance(module, {}).exports as Exports;
    this.bytes = new Uint8Array(this.exports.memory.buffer);
    this.view = new DataView(this.exports.memory.buffer);
  }

  /** Copies a block to its place; the address. */
  place(block: Uint8Array): number {
    const at = this.used;
    this.bytes.set(block, at);
    this.used = (at + block.length + 7) & ~7;
    return at;
  }

  host(block: Uint8Array): void {
    this.used = BLOCKS;
    if (this.exports.stackInit(this.place(block)) !== 1) throw new Error('not a host block');
  }

  /** Reads a whole file in chunks that grow by `step` bytes. */
  read(file: Uint8Array, options: { step?: number; hz?: number; names?: Uint8Array } = {}): Reading {
    const { step = file.length || 1, hz = 250, names } = options;
    const { exports, view } = this;
    this.used = BLOCKS;
    view.setUint32(STATE + capture.CAPTURE_HZ, hz, true);
    view.setUint32(STATE + capture.CAPTURE_NAMES, names === undefined ? 0 : this.place(names), true);
    exports.captureReset(STATE);
    const records: Captured[] = [];
    let start = 0;
    let end = 0;
    for (;;) {
      end = Math.min(file.length, end + step);
      this.bytes.fill(0xee, CHUNK, CHUNK + end - start + 64);
      this.bytes.set(file.subarray(start, end), CHUNK);
      exports.captureFeed(CHUNK, end - start, end === file.length ? 1 : 0);
      const answer = this.drain(records);
      const consumed = exports.captureConsumed();
      if (consumed > end - start) throw new Error('consumed more than was fed');
      start += consumed;
      if (answer === capture.CAPTURE_MORE && end < file.length) continue;
      return {
        records,
        answer,
        offset: Number(view.getBigUint64(STATE + capture.CAPTURE_DAMAGE_OFFSET, true)),
        reason: view.getUint32(STATE + capture.CAPTURE_REASON, true),
      };
    }
  }

  /** The link types that were announced. */
  linktypes(): number[] {
    const count = this.view.getUint32(STATE + capture.CAPTURE_LINKTYPE_COUNT, true);
    return Array.from({ length: count }, (_, i) => this.view.getUint32(STATE + capture.CAPTURE_LINKTYPES + 4 * i, true));
  }

  private drain(records: Captured[]): number {
    for (;;) {
      this.bytes.fill(0xcc, SLOT, SLOT + packet.PACKET_SIZE);
      const answer = this.exports.captureNext(SLOT);
      if (answer !== capture.CAPTURE_RECORD) return answer;
      const data = this.get(packet.PACKET_DATA);
      records.push({
        time: this.view.getBigUint64(SLOT + packet.PACKET_TIME, true),
        jiffies: this.view.getBigUint64(SLOT + packet.PACKET_JIFFIES, true),
        data: this.bytes.slice(data, data + this.get(packet.PACKET_CAPTURED)),
        wire: this.get(packet.PACKET_WIRE),
        linktype: this.get(packet.PACKET_LINKTYPE),
        interface: this.get(packet.PACKET_INTERFACE),
        direction: this.get(packet.PACKET_DIRECTION),
      });
    }
  }

  get(offset: number): number {
    return this.view.getUint32(SLOT + offset, true);
  }

  field(field: number): number {
    return this.get(field * 4);
  }

  /** Puts a frame where `end` is its end (the end of memory: a read behind it traps) and sets the record's part of the slot. */
  frame(
    data: Uint8Array,
    linktype: number,
    more: { wire?: number; direction?: number; interface?: number; end?: number } = {},
  ): void {
    const at = (more.end ?? this.bytes.length) - data.length;
    this.bytes.set(data, at);
    this.bytes.fill(0xcc, SLOT, SLOT + packet.PACKET_SIZE);
    const put = (offset: number, value: number): void => this.view.setUint32(SLOT + offset, value, true);
    put(packet.PACKET_DATA, at);
    put(packet.PACKET_CAPTURED, data.length);
    put(packet.PACKET_WIRE, more.wire ?? data.length);
    put(packet.PACKET_LINKTYPE, linktype);
    put(packet.PACKET_DIRECTION, more.direction ?? 0);
    put(packet.PACKET_INTERFACE, more.interface ?? 0);
  }

  /** Link layer, IP and stack of the frame placed last. */
  decode(): { unseen: number; way: number; stack: number } {
    this.exports.decodeLink(SLOT);
    this.exports.decodeIp(SLOT);
    this.exports.routePacket(SLOT);
    return { unseen: this.get(packet.PACKET_UNSEEN), way: this.get(packet.PACKET_WAY), stack: this.get(packet.PACKET_STACK) };
  }

  /** The same on the short way; false when the packet is not for it. */
  decodePlain(): boolean {
    if (this.exports.decodePlain(SLOT, SLOT + packet.PACKET_SIZE) === SLOT) return false;
    this.exports.routePlain(SLOT, SLOT + packet.PACKET_SIZE);
    return true;
  }

  typeOnDevice(ofDestination: boolean, device: number): number {
    return this.exports.addressTypeOnDevice(SLOT, ofDestination ? 1 : 0, device);
  }
}
