/** A neighbour sends packets with the host's own or a loopback source (spoofed/record.sh): in an Ethernet capture, which tells no directions, MACs say that they came from outside. */
import { expect, test } from 'vitest';
import { Recorded } from './recorded.ts';

const RECORDED = new Recorded('spoofed/', 'eth0.pcap');
const ADDRESSES = RECORDED.json('addr.json');

test('the counters of the real host', async () => {
  for (const report of await RECORDED.reports({ addresses: ADDRESSES })) {
    expect(RECORDED.tables(report)).toEqual(RECORDED.counted());
    expect(report.stack['martian source']).toBe(4);
    expect(report.notes).toEqual([]);
  }
});

test('where --addr has no MACs they are taken for its own, as before', async () => {
  const nameless = ADDRESSES.map(({ address: _, ...rest }) => rest);
  for (const report of await RECORDED.reports({ addresses: nameless })) expect(report.stack['martian source']).toBeUndefined();
});
