/** What is written must not be what is read: a slip of the hand would cost a capture or a rule set. */
import { type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { UsageError } from './exit.ts';

export interface Written {
  /** `--verdicts`, for the message. */
  option: string;
  path: string;
}

/** @throws UsageError when a file to be written is one of the inputs, or is to be written twice. `-` and devices are nobody's file. */
export function checkOverwriting(outputs: readonly Written[], inputs: readonly string[]): void {
  const files = outputs.filter(({ path }) => path !== '-');
  for (const [index, { option, path }] of files.entries()) {
    const read = inputs.find((input) => input !== '-' && isSame(path, input));
    if (read !== undefined) throw new UsageError(`${option} ${path} would overwrite ${read}, which is read: give another file`);
    const twice = files.slice(index + 1).find((other) => isSame(path, other.path));
    if (twice !== undefined) throw new UsageError(`${option} and ${twice.option} both want to write ${path}`);
  }
}

const statOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

/** The same file, by whatever name; one that is not there yet, by its path. */
function isSame(left: string, right: string): boolean {
  const [one, other] = [statOf(left), statOf(right)];
  if (one === undefined || other === undefined) return one === other && resolve(left) === resolve(right);
  return one.isFile() && one.dev === other.dev && one.ino === other.ino;
}
