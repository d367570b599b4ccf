/** How the bytes of a file are packed, by its first bytes (never by its name). */

interface Packing {
  name: string;
  magic: readonly number[];
  /** What unpacks it to standard output. */
  unpack: string;
  /** Captures packed so are read as they are. */
  isRead: boolean;
}

const PACKINGS: readonly Packing[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], unpack: 'gzip -dc', isRead: true },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: 'zstd -dc', isRead: true },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58], unpack: 'xz -dc', isRead: false },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], unpack: 'bzip2 -dc', isRead: false },
  { name: 'lz4', magic: [0x04, 0x22, 0x4d, 0x18], unpack: 'lz4 -dc', isRead: false },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04], unpack: 'unzip -p', isRead: false },
];

/** Bytes that tell. */
export const MAGIC_LENGTH = 4;

/** undefined: it is not. */
export const packingOf = (head: Uint8Array): Packing | undefined =>
  PACKINGS.find(({ magic }) => magic.every((byte, index) => head[index] === byte));

/** What is said of a capture that is packed as nobody here reads it; undefined for other reasons. */
export const unreadPacking = (reason: string): Packing | undefined =>
  PACKINGS.find((packing) => !packing.isRead && reason === packedReason(packing));

/** Why such a capture is damaged from its first byte on. */
export const packedReason = ({ name }: Packing): string => `packed with ${name}, which is not read here`;

/** How its unpacked bytes come to a command that reads standard input. `file`: its name; undefined where it comes from there already. */
export const unpackHint = ({ unpack }: Packing, file: string | undefined): string =>
  file === undefined
    ? `hint: ... | ${unpack} | wasmtables ...`
    : `hint: ${unpack} ${file} | wasmtables ... with - in the place of ${file}`;
