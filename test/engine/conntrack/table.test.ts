/** The table: growth, removal, reuse, collisions; against a Map. */
import { beforeAll, describe, expect, it } from 'vitest';
import { compileEngine, MODES, type Module, Tracker } from './engine.ts';
import { udp } from './packets.ts';

const name = (n: number): string => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;

describe.each(MODES)('table (%s)', (mode) => {
  let module: Module;
  beforeAll(() => {
    module = compileEngine(mode);
  });

  it('keeps 200,000 flows and finds each from both sides', () => {
    const flows = mode === 'debug' ? 20_000 : 200_000;
    const t = new Tracker(module);
    const forth = udp(name(1), '192.168.0.1', 1, 53);
    const back = udp('192.168.0.1', name(1), 53, 1);
    // No checksum, so that addresses can be put in by hand.
    forth.fill(0, 26, 28);
    back.fill(0, 26, 28);
    for (let flow = 0; flow < flows; flow++) {
      if (flow % 256 === 0) expect(t.exports.conntrackReserve(256)).toBe(1);
      set(forth, 12, flow);
      const seen = t.send(forth, 1);
      if (seen.state !== 'NEW' || !seen.unconfirmed) throw new Error(`flow ${flow}: ${seen.state}`);
    }
    expect(t.exports.conntrackLive()).toBe(flows);
    for (let flow = flows - 1; flow >= 0; flow--) {
      set(back, 16, flow);
      const seen = t.send(back, 1);
      if (seen.state !== 'ESTABLISHED' || seen.direction !== 1) throw new Error(`flow ${flow}: ${seen.state}`);
    }
    set(back, 16, flows);
    expect(t.send(back, 1).state).toBe('NEW');
  });

  it('behaves as a Map does, with flows that come and go', () => {
    const t = new Tracker(module, {}, false, 7n);
    const known = new Map<number, number>();
    let random = 12345;
    const next = (limit: number): number => {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      return (random >>> 8) % limit;
    };
    const bytes = udp(name(1), '192.168.0.1', 1, 53);
    bytes.fill(0, 26, 28);
    let now = 0;
    for (let step = 0; step < 60_000; step++) {
      if (step % 256 === 0) t.exports.conntrackReserve(256);
      now += next(8);
      const flow = next(6000);
      set(bytes, 12, flow);
      const drop = next(4) === 0;
      const seen = t.send(bytes, 0, { drop }, now);
      const expires = known.get(flow);
      const alive = expires !== undefined && expires > now;
      if (seen.unconfirmed === alive) throw new Error(`step ${step}`);
      if (alive || !drop) known.set(flow, now + 30 * 250);
      else known.delete(flow);
    }
    expect(t.exports.conntrackLive()).toBe([...known.values()].filter((expires) => expires > now).length);
  });

  it('does not grow when flows die', () => {
    const t = new Tracker(module);
    const bytes = udp(name(1), '192.168.0.1', 1, 53);
    bytes.fill(0, 26, 28);
    let size = 0;
    for (let flow = 0; flow < 60_000; flow++) {
      if (flow % 256 === 0) t.exports.conntrackReserve(256);
      set(bytes, 12, flow);
      // 10 a second, 30 seconds each, a minute of grace: about 900 at a time.
      t.send(bytes, flow / 10);
      if (flow === 5000) size = t.exports.memory.buffer.byteLength;
    }
    expect(t.exports.memory.buffer.byteLength).toBe(size);
    expect(t.exports.conntrackConfirmed()).toBe(60_000);
    expect(t.exports.conntrackLive()).toBe(300);
  });

  it('gives every entry back when all packets are dropped', () => {
    const t = new Tracker(module);
    const bytes = udp(name(1), '192.168.0.1', 1, 53);
    bytes.fill(0, 26, 28);
    const size = t.exports.memory.buffer.byteLength;
    const entries = new Set<number>();
    for (let flow = 0; flow < 100_000; flow++) {
      set(bytes, 12, flow);
      entries.add(t.send(bytes, 0, { drop: true }).entry);
    }
    expect(entries.size).toBe(1);
    expect(t.exports.memory.buffer.byteLength).toBe(size);
    expect(t.exports.conntrackConfirmed()).toBe(0);
  });

  it('answers the same whatever the key of the hash', () => {
    const run = (seed: bigint): string => {
      const t = new Tracker(module, {}, false, seed);
      let states = '';
      for (let flow = 0; flow < 300; flow++) {
        if (flow % 100 === 0) t.exports.conntrackReserve(256);
        states += t.send(udp(name((flow * 31) % 97), '192.168.0.1', 7, 53), flow).state[0];
      }
      return states;
    };
    expect(run(0n)).toBe(run(0xffffffffffffffffn));
  });
});

/** Puts an address into an IP header without a checksum that anybody verifies here. */
function set(bytes: Uint8Array, at: number, flow: number): void {
  bytes[at + 1] = (flow >> 16) & 255;
  bytes[at + 2] = (flow >> 8) & 255;
  bytes[at + 3] = flow & 255;
}
