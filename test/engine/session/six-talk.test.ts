/** Plain segments over IPv6 (assembly/six.ts), by the shortest conversations in which they are not what those before them were. */
import { expect, test } from 'vitest';
import { writePcap } from '../../../src/capture/writer.ts';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { ACK, PSH, SYN, type Tcp, tcp } from '../conntrack/packets.ts';
import { expectAlike } from './told.ts';

const SERVER = '2001:db8:0:0:0:0:a01:203';
const BEGIN = 1_700_000_000_000_000_000n;
const SECOND = 1_000_000_000n;
const ETHERNET = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
const ENDS = { client: { sport: 5000, dport: 80 }, server: { sport: 80, dport: 5000 } };

const jobOf = (hook: string, rules: readonly string[], given: HostGiven): Job => ({
  rules: { 6: parseSave(['*filter', `:${hook} ACCEPT [0:0]`, ...rules, 'COMMIT', ''].join('\n'), { file: 'rules', family: 6 }) },
  host: buildHost(given),
  profile: {
    ...DEFAULT_PROFILE,
    sysctls: {
      nf_conntrack_tcp_loose: 0,
      nf_conntrack_tcp_timeout_established: 100,
      nf_conntrack_tcp_timeout_unacknowledged: 100,
    },
  },
});

/** What is said, a millisecond apart. */
class Talk {
  readonly frames: { time: bigint; bytes: Uint8Array }[] = [];
  time = BEGIN;

  private put(bytes: Uint8Array): void {
    this.time += SECOND / 1000n;
    this.frames.push({ time: this.time, bytes: Uint8Array.from([...ETHERNET, ...bytes]) });
  }

  client(from: string, fields: Tcp): void {
    this.put(tcp(from, SERVER, { ...ENDS.client, window: 65535, seq: 101, ack: 501, ...fields }));
  }

  server(to: string, fields: Tcp): void {
    this.put(tcp(SERVER, to, { ...ENDS.server, window: 65535, seq: 501, ack: 101, ...fields }));
  }

  /** A handshake, and data from the client in `sizes`. */
  opens(from: string, sizes: readonly number[]): void {
    this.client(from, { flags: SYN, seq: 100, ack: 0 });
    this.server(from, { flags: SYN | ACK, seq: 500 });
    this.client(from, { flags: ACK });
    let seq = 101;
    for (const data of sizes) {
      this.client(from, { flags: PSH | ACK, seq, data });
      seq += data;
      this.server(from, { flags: ACK, ack: seq });
    }
  }

  capture(): Uint8Array {
    return writePcap(this.frames, 1);
  }
}

test('an entry that is used again has no edges of another whose addresses begin otherwise', async () => {
  const [first, second] = ['2001:db8:1:0:0:0:0:5', '2001:db8:2:0:0:0:0:5'];
  const talk = new Talk();
  const sizes = Array.from({ length: 100 }, () => 20);
  talk.opens(first, sizes);
  talk.time += 200n * SECOND;
  // Its connection is over, and this opens none: the entry is free.
  talk.client(first, { flags: ACK, seq: 5000 });
  talk.opens(second, sizes);
  const job = jobOf(
    'INPUT',
    [
      '-A INPUT -s 2001:db8:1::/48 -m conntrack --ctstate ESTABLISHED -j ACCEPT',
      '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT',
    ],
    { local: [SERVER], in: 'eth0' },
  );
  const { debug } = await expectAlike(job, talk.capture(), 'used again');
  expect(debug.bareJudged()).toBeGreaterThan(sizes.length);
});

test('a segment that is longer than the MTU of a link is not forwarded as those before it', async () => {
  const device = (ifname: string): object => ({ ifname, flags: ['UP'], mtu: 1300, addr_info: [] });
  const talk = new Talk();
  // 1300 bytes and one more.
  talk.opens('2001:db8:1:0:0:0:0:5', [...Array.from({ length: 100 }, () => 20), 1240, 1241, 20]);
  const job = jobOf('FORWARD', ['-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT'], {
    forward: true,
    in: 'eth0',
    out: 'eth1',
    addresses: ['eth0', 'eth1'].map(device),
  });
  const { debug, expected } = await expectAlike(job, talk.capture(), 'MTU');
  expect(Object.values(expected.result.stack)).toContain(1);
  expect(debug.bareJudged()).toBeGreaterThan(50);
});
