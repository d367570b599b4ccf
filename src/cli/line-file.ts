/** Where the lines of --verdicts, --log and the dumps (dumps.ts) go. */
import { ByteFile } from './byte-file.ts';

/** Lines written at once. */
const BATCH = 4096;

/** A file of lines, or standard output for `-`. */
export class LineFile {
  readonly #file: ByteFile;
  #lines: string[] = [];

  /** As for a ByteFile. */
  constructor(option: string, path: string, onUnread: () => void) {
    this.#file = new ByteFile(option, path, onUnread);
  }

  /** A line without its newline. */
  write(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length >= BATCH) this.flush();
  }

  flush(): void {
    const text = this.#lines.map((line) => `${line}\n`).join('');
    this.#lines = [];
    this.#file.write(Buffer.from(text));
  }

  close(): void {
    this.flush();
    this.#file.close();
  }
}
