/** Lines of LOG that no kernel here prints for us: the flags of 6.18, packets over lo, a broadcast's copy, what is no Ethernet. The others: test/kernel/log.test.ts. */
import { expect, test } from 'vitest';
import type { LoggedPacket } from '../../src/model/log.ts';
import { logLine, logText } from '../../src/report/log-line.ts';
import { ip, tcp, udp } from '../kernel/packets.ts';

const HEADER = Uint8Array.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x99, 8, 0]);

function logged(bytes: Uint8Array, more: Partial<LoggedPacket> = {}): LoggedPacket {
  const request = { prefix: '', level: 4, flags: [] };
  const places = { inInterface: 'eth0', outInterface: '', linkHeader: HEADER, mark: 0 };
  return { request, family: bytes[0]! >> 4 === 6 ? 6 : 4, ...places, bytes, length: bytes.length, ...more };
}

const decoding = { prefix: '', level: 4, flags: ['log-macdecode'] };
const DATAGRAM = udp('10.0.0.1 53', '10.0.0.2 53', 0);
const REST = 'SRC=10.0.0.1 DST=10.0.0.2 LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=UDP SPT=53 DPT=53 LEN=8 ';

test('what was the last reserved bit of TCP is a flag since 6.18', () => {
  const segment = tcp('10.0.0.1 1', '10.0.0.2 2', 0xc2).slice();
  segment[32] = 0x57;
  const flags = (kernel: '6.12' | '6.18') => /RES=.*/.exec(logText(logged(segment), kernel))![0];
  expect(flags('6.12')).toBe('RES=0x1c CWR ECE SYN URGP=0 ');
  expect(flags('6.18')).toBe('RES=0x18 AE CWR ECE SYN URGP=0 ');
});

test('link headers: of Ethernet, of lo, of a copy, of nothing', () => {
  expect(logText(logged(DATAGRAM), '6.18')).toBe(`IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:99:08:00 ${REST}`);
  expect(logText(logged(DATAGRAM, { request: decoding }), '6.18')).toBe(
    `IN=eth0 OUT= MACSRC=02:00:00:00:00:99 MACDST=02:00:00:00:00:01 MACPROTO=0800 ${REST}`,
  );
  const own = { inInterface: 'lo', linkHeader: Uint8Array.from([...new Uint8Array(12), 8, 0]), request: decoding };
  expect(logText(logged(DATAGRAM, own), '6.18')).toBe(`IN=lo OUT= MAC=00:00:00:00:00:00:00:00:00:00:00:00:08:00 ${REST}`);
  expect(logText(logged(DATAGRAM, { linkHeader: new Uint8Array(0) }), '6.18')).toBe(`IN=eth0 OUT= MAC= ${REST}`);
  expect(logText(logged(DATAGRAM, { linkHeader: null, request: decoding }), '6.18')).toBe(`IN=eth0 OUT= MAC= ${REST}`);
  expect(logText(logged(DATAGRAM, { inInterface: '', outInterface: 'eth1' }), '6.18')).toBe(`IN= OUT=eth1 ${REST}`);
});

test('a line ends where the room of the kernel ends', () => {
  const options = Buffer.alloc(8 * 200);
  for (let at = 0; at < options.length; at += 8) options[at] = 60;
  const packet = logged(ip('2001:db8::1', '2001:db8::2', 60, options, -1), {
    request: { prefix: '', level: 4, flags: ['log-ip-options'] },
  });
  expect(logText(packet, '6.18')).toHaveLength(1016);
});

test('a line of a syslog file: in UTC, the day with a blank', () => {
  const time = BigInt(Date.UTC(2026, 2, 5, 4, 3, 2)) * 1_000_000n;
  expect(logLine(time, logged(DATAGRAM), '6.18')).toBe(
    `Mar  5 04:03:02 wasmtables kernel: IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:99:08:00 ${REST}`,
  );
  expect(logLine(2n ** 63n, logged(DATAGRAM), '6.18')).toMatch(/^\w{3} [ \d]\d \d\d:\d\d:\d\d wasmtables kernel: IN=/);
});
