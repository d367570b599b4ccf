/** The host's own TCP in packets larger than the MTU: exact where the device cuts them (TSO), and segment by segment where the kernel does it behind POSTROUTING. Recorded from real iptables (large-tcp/record.sh). */
import { expect, test } from 'vitest';
import { Recorded } from './recorded.ts';

const RECORDED = new Recorded('large-tcp/', 'any.pcap');
/** Of IPv4, and of TCP with timestamps. */
const HEADERS = 20 + 32;

/** Packets and bytes of the rules of a device: of all its packets, and of the large ones. */
const counted = (tables: readonly string[], device: string): number[][] =>
  [...tables.join('\n').matchAll(/^\[(\d+):(\d+)\] -A OUTPUT -o (\S+)/gm)].flatMap(([, packets, bytes, name]) =>
    name === device ? [[Number(packets), Number(bytes)]] : [],
  );

test('a device with TSO, and one without', async () => {
  const kernel = RECORDED.counted();
  const [all, large] = counted(kernel, 'eth1');
  expect(large![0]).toBeGreaterThan(0);
  for (const report of await RECORDED.reports({ addresses: RECORDED.json('addr.json') })) {
    const told = RECORDED.tables(report);
    expect(counted(told, 'eth0')).toEqual(counted(kernel, 'eth0'));
    // The same bytes in more packets, each with headers of its own; none is large.
    const [segments, none] = counted(told, 'eth1');
    const more = segments![0]! - all![0]!;
    expect(more).toBeGreaterThan(10);
    expect(segments![1]! - all![1]!).toBe(more * HEADERS);
    expect(none).toEqual([0, 0]);
  }
});
