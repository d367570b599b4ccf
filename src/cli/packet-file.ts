/** Where the packets of --write go: a pcap file with nanoseconds, written as the packets are judged. */
import { fileHeader, recordHeader, type WrittenFrame } from '../capture/writer.ts';
import type { PacketOutcome } from '../model/outcome.ts';
import type { Frame } from '../model/witness.ts';
import { AcceptedFrames, RAW } from '../replay/accepted.ts';
import { plural } from '../report/style.ts';
import { ByteFile } from './byte-file.ts';

/** Bytes written at once, about. */
const BATCH = 1 << 18;

/** The accepted packets of a replay as rules leave them. */
export class PacketFile {
  readonly #file: ByteFile;
  readonly #frames: AcceptedFrames;
  /** Of the file; undefined: that of its first packet. */
  #linktype: number | undefined;
  #begun = false;
  #strange = 0;
  #pieces: Uint8Array[] = [];
  #size = 0;

  /**
   * `linktypes`: those of the captures, as far as they are known. One: the file has it, too. Several: the packets are written from their IP header on.
   * `onUnread` as for a ByteFile. @throws a system error when the file cannot be made.
   */
  constructor(path: string, linktypes: readonly number[], onUnread: () => void) {
    this.#file = new ByteFile('--write', path, onUnread);
    this.#linktype = linktypes.length > 1 ? RAW : linktypes[0];
    this.#frames = new AcceptedFrames(linktypes.length > 1, (frame, linktype) => this.#add(frame, linktype));
  }

  /** A frame of the captures, before its packet is judged. */
  captured(frame: Frame): void {
    this.#frames.captured(frame);
  }

  /** What became of the next one; asked for with its bytes, which are taken over. */
  judged(outcome: PacketOutcome): void {
    this.#frames.judged(outcome);
  }

  /** What is not in the file though it was accepted. */
  notes(): string[] {
    if (this.#strange === 0) return [];
    return [`--write: ${plural(this.#strange, 'packet')} of another link type than the first not written`];
  }

  flush(): void {
    this.#begin(RAW);
    this.#file.write(Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#size = 0;
  }

  close(): void {
    this.flush();
    this.#file.close();
  }

  #begin(linktype: number): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#linktype ??= linktype;
    this.#pieces.push(fileHeader(this.#linktype, true));
  }

  #add(frame: WrittenFrame, linktype: number): void {
    this.#begin(linktype);
    if (linktype !== this.#linktype) {
      this.#strange++;
      return;
    }
    this.#pieces.push(recordHeader(frame, true), frame.bytes);
    this.#size += frame.bytes.length;
    if (this.#size >= BATCH) this.flush();
  }
}
