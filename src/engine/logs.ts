/** The region of log records as logged packets, and which outcome each belongs to. */
import { NAMES_COUNT, NAMES_POSITIONS } from '../abi/host.ts';
import * as abi from '../abi/log.ts';
import type { LoggedPacket, LogRequest } from '../model/log.ts';

const NOTHING = new Uint8Array(0);

/** The records in `bytes` of the region at `at`, by the number of their packet. */
export function readLogs(
  memory: ArrayBuffer,
  at: number,
  bytes: number,
  requests: readonly LogRequest[],
  nameOf: (id: number) => string,
): Map<number, LoggedPacket[]> {
  const view = new DataView(memory, at, bytes);
  const out = new Map<number, LoggedPacket[]>();
  for (let offset = 0; offset < bytes; ) {
    const word = (field: number): number => view.getUint32(offset + field, true);
    const size = word(abi.LOG_BYTES);
    const number = Number(view.getBigUint64(offset + abi.LOG_NUMBER, true));
    const part = (from: number, length: number): Uint8Array => new Uint8Array(memory, at + offset + from, length).slice();
    const link = word(abi.LOG_LINK);
    const logged: LoggedPacket = {
      request: requests[word(abi.LOG_REQUEST)]!,
      family: word(abi.LOG_FAMILY) === 6 ? 6 : 4,
      inInterface: nameOf(word(abi.LOG_IN)),
      outInterface: nameOf(word(abi.LOG_OUT)),
      linkHeader:
        link === abi.LOG_LINK_ETHERNET ? part(abi.LOG_HEADER, abi.LOG_HEADER_SIZE) : link === abi.LOG_LINK_EMPTY ? NOTHING : null,
      bytes: part(abi.LOG_SIZE, size),
      length: word(abi.LOG_LENGTH),
      mark: word(abi.LOG_MARK),
    };
    const before = out.get(number);
    if (before === undefined) out.set(number, [logged]);
    else before.push(logged);
    offset += (abi.LOG_SIZE + size + 7) & ~7;
  }
  return out;
}

/** Names of interface ids (compile/interfaces.ts), out of the table the engine has; `?` for what neither rules nor the host model name. */
export function interfaceNames(table: Uint8Array): (id: number) => string {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const count = view.getUint32(NAMES_COUNT, true);
  const position = (index: number): number => view.getUint32(NAMES_POSITIONS + 4 * index, true);
  return (id) => {
    if (id === 0) return '';
    const index = id / 2 - 1;
    if (id % 2 === 1 || index >= count) return '?';
    return new TextDecoder().decode(table.subarray(position(index), position(index + 1)));
  };
}
