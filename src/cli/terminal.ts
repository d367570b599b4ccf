/** What depends on the terminal: colours, the progress bar. */
import pc from 'picocolors';
import { count, PLAIN, type Style } from '../report/style.ts';
import { NobodyReads } from './exit.ts';

/** Colours when standard output is a terminal that wants them (NO_COLOR and FORCE_COLOR are picocolors' business). */
export function outputStyle(): Style {
  if (process.stdout.isTTY !== true && process.env.FORCE_COLOR === undefined) return PLAIN;
  if (!pc.isColorSupported) return PLAIN;
  return { bold: pc.bold, dim: pc.dim, good: pc.green, bad: pc.red, warn: pc.yellow };
}

/** A message to people, on standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const WIDTH = 30;
const EVERY = 100;

/** A progress bar on standard error; draws nothing unless that is a terminal. `clear` takes it away. */
export class ProgressBar {
  readonly #on = process.stderr.isTTY === true;
  #last = 0;
  #drawn = false;

  draw(read: number, size: number | undefined, file: string): void {
    const now = Date.now();
    if (!this.#on || now - this.#last < EVERY) return;
    this.#last = now;
    this.#drawn = true;
    const megabytes = `${count(Math.round(read / 1e6))} MB`;
    const part = size === undefined || size === 0 ? undefined : Math.min(1, read / size);
    const filled = part === undefined ? 0 : Math.round(part * WIDTH);
    const bar = part === undefined ? '' : `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}] ${Math.floor(part * 100)}% `;
    process.stderr.write(`\r\x1b[K${bar}${megabytes} ${file}`);
  }

  clear(): void {
    if (this.#drawn) process.stderr.write('\r\x1b[K');
    this.#drawn = false;
  }
}

/** Seconds between two lines of progress where standard error is no terminal. */
const SELDOM = 10_000;

/** One line of progress on standard error: redrawn on a terminal, else a new line now and then. `say` writes above it. */
export class StatusLine {
  readonly #terminal = process.stderr.isTTY === true;
  #last = Date.now();
  #text = '';

  draw(text: string): void {
    const now = Date.now();
    if (now - this.#last < (this.#terminal ? EVERY : SELDOM)) return;
    this.#last = now;
    if (this.#terminal) process.stderr.write(`\r\x1b[K${text}`);
    else say(text);
    this.#text = text;
  }

  say(text: string): void {
    this.clear();
    say(text);
  }

  clear(): void {
    if (this.#terminal && this.#text !== '') process.stderr.write('\r\x1b[K');
    this.#text = '';
  }
}

/** Writes all of a text to standard output; resolves when it is out. @throws NobodyReads when the reader went away (`| head`), else what the system says, with that name. */
export function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error === null || error === undefined) resolve();
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') reject(new NobodyReads());
      else reject(Object.assign(error, { path: 'standard output' }));
    });
  });
}

/** Control characters of somebody's file do nothing to the terminal; columns stay where they are. */
export const printable = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, '\uFFFD');
