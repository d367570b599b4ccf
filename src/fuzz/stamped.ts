/** What a host makes of the IPv4 options of a packet that it has received, for those that are drawn (headers.ts): how its errors quote them, and which options those have themselves. As a kernel 6.18 did it. */

export interface Stamped {
  quoted: Uint8Array;
  own: Uint8Array;
  /** The place in the header that a parameter problem names; 0: there is nothing wrong with them. */
  fault: number;
}

/** By what was sent, in hexadecimal: what is quoted, what is answered with, the fault. `H`: the host's address, `T`: a time. */
const KNOWN: Readonly<Record<string, readonly [quoted: string, own: string, fault?: number]>> = {
  '': ['', ''],
  '01010100': ['01010100', ''],
  '0707040000000000': ['070708H00', '070708H00'],
  '94040000': ['94040000', ''],
  '4408050000000000': ['44080900T', '44080900T'],
  '88040001': ['88040001', ''],
  '9e06010203040101': ['9e06010203040101', ''],
  '07280400': ['07280400', '', 20],
  '0707030000000000': ['0707030000000000', '', 22],
  '0707060000000000': ['0707060000000000', '', 22],
  '0703040703040000': ['0703040703040000', '07030400', 23],
  '4408070000000000': ['4408070000000000', '', 22],
  '440809f100000000': ['440809f100000000', '', 23],
  '86040000': ['86040000', '86040000', 21],
  '07020101': ['07020101', '', 21],
  '44030500': ['44030500', '', 21],
  '94030000': ['94030000', '', 21],
  '94000000': ['94000000', '', 20],
  '9e010000': ['9e010000', '', 20],
};
/** Some time of the day. */
const TIME = '02030405';

const bytesOf = (text: string, from: Uint8Array): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll('H', Buffer.from(from).toString('hex')).replaceAll('T', TIME), 'hex'));

/** `from`: the host's address as the packet's sender sees it, four bytes. null: what becomes of them is not known here, or nobody is told. */
export function stamped(options: Uint8Array, from: Uint8Array): Stamped | null {
  const known = KNOWN[Buffer.from(options).toString('hex')];
  if (known === undefined) return null;
  const [quoted, own, fault = 0] = known;
  return { quoted: bytesOf(quoted, from), own: bytesOf(own, from), fault };
}

const [ICMP, TIMESTAMP] = [1, 68];
const MESSAGE_HEADER = 8;

/** An error of IPv4 about a packet into whose options a time was written. */
export function quotesTime({ family, bytes }: { family: 4 | 6; bytes: Uint8Array }): boolean {
  if (family === 6 || bytes[9] !== ICMP) return false;
  const message = bytes.subarray((bytes[0]! & 15) * 4);
  const [kind, length = 0, pointer = 0] = message.subarray(MESSAGE_HEADER + 20);
  return kind === TIMESTAMP && pointer > length;
}
