/** Captures that have what a router sent on once more, as it went out: random rules that translate, by reference and engine. What they are told of copies must not change what becomes of all others. */
import { expect, test } from 'vitest';
import { CaptureReader } from '../../src/capture/frames.ts';
import { writePcap } from '../../src/capture/writer.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../src/fuzz/case.ts';
import { ask, differences, jobOf } from '../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { formatAddress } from '../../src/model/address.ts';
import type { Frame } from '../../src/model/witness.ts';
import * as ipv4 from '../../src/packet/ipv4.ts';
import * as ipv6 from '../../src/packet/ipv6.ts';
import { carriedBytes, readLink } from '../../src/packet/link.ts';
import { SEED } from '../seed.ts';

const SLL = 113;
const IN = 0;
const OUT = 4;
const COPY = 'outgoing copy of a forwarded packet';

interface Packet {
  time: bigint;
  ip: Uint8Array;
}

function packetsOf(capture: Uint8Array): Packet[] {
  const packets: Packet[] = [];
  const reader = new CaptureReader((frame: Frame) => {
    const link = readLink(frame);
    if (link.kind === 'ip') packets.push({ time: frame.time, ip: carriedBytes(frame.bytes, link) });
  });
  reader.push(capture);
  return packets;
}

const sourceOf = (ip: Uint8Array): string =>
  ip[0]! >> 4 === 6 ? formatAddress(ipv6.source(ip)) : ip.length < 20 ? '' : formatAddress(ipv4.source(ip));

/** From no address yet: what goes out so is the host's own. */
const isUnspecified = (ip: Uint8Array): boolean => /^(::|0\.0\.0\.0)$/.test(sourceOf(ip));

/** In a cooked capture of Linux. */
function cooked(type: number, { time, ip }: Packet): { time: bigint; bytes: Uint8Array } {
  const protocol = ip[0]! >> 4 === 6 ? [0x86, 0xdd] : [8, 0];
  return { time, bytes: Uint8Array.of(0, type, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, ...protocol, ...ip) };
}

const CASES = 40;

test(`reference and engine tell copies alike, and nothing else changes (seed ${SEED})`, { timeout: 300_000 }, async () => {
  const only = ['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT', 'NETMAP'];
  let met = 0;
  for (const [index, one] of casesOf({ packets: 100, judge: 'software', only, silent: true }, SEED, CASES).entries()) {
    if (one.host.forward) continue;
    const where = `case ${index} of seed ${SEED}`;
    const own = new Set(one.host.interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => formatAddress(address))));
    const came = packetsOf(captureOf(one)).map(({ time, ip }) => cooked(own.has(sourceOf(ip)) ? OUT : IN, { time, ip }));
    const alone = await ask(PROGRAMS.reference!, jobOf(one), writePcap(came, SLL));
    const frames = came.flatMap((frame, at) => {
      const outcome = alone.packets[at]!;
      const left =
        outcome.hook === 'FORWARD' && outcome.verdict === 'ACCEPT' && !isUnspecified(outcome.rewritten!)
          ? outcome.rewritten
          : undefined;
      return [frame, ...(left === undefined ? [] : [cooked(OUT, { time: frame.time, ip: left })])];
    });
    const copies = frames.length - came.length;
    const capture = writePcap(frames, SLL);
    const twice = await ask(PROGRAMS.reference!, jobOf(one), capture);
    for (const name of ['debug', 'linear']) {
      const engine = await ask(PROGRAMS[name]!, jobOf(one), capture);
      expect(differences(twice, engine), `${where}, ${name}`).toEqual([]);
    }
    const known = (twice.result.unseen[COPY] ?? 0) - (alone.result.unseen[COPY] ?? 0);
    expect({ known, counters: twice.result.counters }, where).toEqual({ known: copies, counters: alone.result.counters });
    met += copies;
  }
  expect(met).toBeGreaterThan(0);
});
