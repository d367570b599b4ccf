/** Fixed conversations with services that are known by then, so that what follows keeps but half an entry (assembly/conntrack/half.ts). */
import { writePcap } from '../../../src/capture/writer.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { ACK, PSH, SYN, type Tcp, tcp, udp } from '../conntrack/packets.ts';

export const HOST = '10.1.2.3';
export const CLIENT = '10.9.0.1';
const BEGIN = 1_700_000_000_000_000_000n;
const MILLISECOND = 1_000_000n;
const ETHERNET = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
const SERVICE = 80;
/** A few batches. */
const LESSONS = 40;
const RULES = `*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
`;

/** A segment takes a shorter time than a connection is given after retransmissions, and that than one whose data waits for an acknowledgement. */
export const jobOf = (rules = RULES): Job => ({
  rules: { 4: parseSave(rules, { file: 'rules', family: 4 }) },
  host: buildHost({ local: [HOST], in: 'eth0' }),
  profile: { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_tcp_timeout_max_retrans: 200 } },
});

/** One connection: its client counts from 100, its server from 500. */
export interface Side {
  /** What a side says; without more, data at the start of what it may send. */
  client(fields?: Partial<Tcp>, spoiled?: boolean): void;
  server(fields?: Partial<Tcp>, spoiled?: boolean): void;
  /** SYN, SYN/ACK, ACK; with the options of the first two, and the window of the client. */
  opens(asks?: number[], answers?: number[], window?: number): void;
}

/** What is said, a millisecond apart, in the order of the calls. */
export class Talk {
  private readonly frames: { time: bigint; bytes: Uint8Array }[] = [];
  private time = BEGIN;

  constructor() {
    for (let lesson = 0; lesson < LESSONS; lesson++) {
      const side = this.with(1024 + lesson);
      side.opens();
      side.client({ data: 3 });
      side.server({ ack: 104, data: 3 });
    }
  }

  wait(milliseconds: number): void {
    this.time += BigInt(milliseconds) * MILLISECOND;
  }

  with(port: number, from = CLIENT): Side {
    const put = (bytes: Uint8Array, spoiled: boolean): void => {
      this.wait(1);
      if (spoiled) bytes[20 + 16]! ^= 1;
      this.frames.push({ time: this.time, bytes: Uint8Array.from([...ETHERNET, ...bytes]) });
    };
    const usual = { flags: PSH | ACK, window: 65535 };
    const client: Side['client'] = (fields, spoiled = false) =>
      put(tcp(from, HOST, { ...usual, sport: port, dport: SERVICE, seq: 101, ack: 501, ...fields }), spoiled);
    const server: Side['server'] = (fields, spoiled = false) =>
      put(tcp(HOST, from, { ...usual, sport: SERVICE, dport: port, seq: 501, ack: 101, ...fields }), spoiled);
    const opens: Side['opens'] = (asks = [], answers = [], window = 65535) => {
      client({ flags: SYN, seq: 100, ack: 0, options: asks, window });
      server({ flags: SYN | ACK, seq: 500, options: answers });
      client({ flags: ACK, window });
    };
    return { client, server, opens };
  }

  /** A pcap file. The last packet of one is always decoded: it is nobody's. */
  capture(): Uint8Array {
    const last = { time: this.time, bytes: Uint8Array.from([...ETHERNET, ...udp(CLIENT, HOST, 1, 1)]) };
    return writePcap([...this.frames, last], 1);
  }
}
